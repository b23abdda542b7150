"""The whole pipeline on other sources: grey arrays, a folder with a table."""

import csv
import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

from jaxstyle import pipeline, predictors, workdir
from jaxstyle.config import (
    ClassifierConfig,
    Config,
    ConfigError,
    DataConfig,
    DirectionConfig,
    EncoderConfig,
    EvaluationConfig,
    GanConfig,
    PredictorConfig,
    WalkConfig,
)
from tests import made_run, tiny
from tests.stylegan2.conftest import compilation_cache  # noqa: F401

PATIENTS = 40


def _tiles():
    """Grey 8 px images of 40 patients, two each; every other has stripes.

    Returns:
      uint8 [80, 8, 8], labels, patients.
    """
    random = np.random.default_rng(0)
    patients = np.repeat(np.arange(PATIENTS), 2)
    labels = patients % 2
    images = random.integers(0, 100, (len(labels), 8, 8))
    images[labels == 1, ::2] += 150
    return images.astype(np.uint8), labels, patients


def stripes(images):
    """A black box for them: [N, 8, 8, 1] in [0, 1] -> two classes [N, 2]."""
    rows = images.mean(axis=(2, 3))
    p = np.clip(0.3 + rows[:, ::2].mean(1) - rows[:, 1::2].mean(1), 0, 1)
    return np.stack([1 - p, p], axis=1)


BLACK_BOX = PredictorConfig(
    kind="callable", target="tests.launch.test_pipeline:stripes", class_index=1
)


def _config(source, path, space, predictor=None):
    return Config(
        name=f"test_{source}",
        data=DataConfig(
            source=source,
            path=str(path),
            resolution=8,
            channels=1,
            split_fractions=(0.6, 0.2, 0.2),
        ),
        classifier=ClassifierConfig(
            widths=(8, 8), batch_size=16, epochs=8, learning_rate=1e-2
        ),
        predictor=predictor or PredictorConfig(),
        gan=GanConfig(**tiny.GAN),
        encoder=EncoderConfig(**made_run.ENCODER, space=space),
        direction=DirectionConfig(samples=32, bootstraps=2),
        walk=WalkConfig(targets=(0.1, 0.5, 0.9), batch_size=4, refinements=0),
        evaluation=EvaluationConfig(samples=16, bootstraps=10),
    )


def _npz(folder):
    images, labels, patients = _tiles()
    np.savez(folder / "x.npz", image=images, label=labels, patient=patients)
    return folder / "x.npz"


def _folder(folder):
    """Files of another size, and a table without splits."""
    images, labels, patients = _tiles()
    rows = ["path,label,patient"]
    for n, pixels in enumerate(images):
        large = Image.fromarray(pixels).resize((20, 16))
        large.save(folder / f"{n:03d}.png")
        rows.append(f"{n:03d}.png,{labels[n]},p{patients[n]}")
    (folder / "table.csv").write_text("\n".join(rows) + "\n")
    return folder / "table.csv"


@pytest.mark.parametrize(
    "source, write, space, black_box",
    [("npz", _npz, "w", BLACK_BOX), ("folder", _folder, "w_plus", None)],
)
def test_from_images_to_the_page(
    source, write, space, black_box, tmp_path, monkeypatch
):
    config = _config(source, write(tmp_path), space, black_box)
    root = tmp_path / "run"
    result = pipeline.run(config, root)
    assert result["predictor.auc"] > 0.9
    assert not any(name.startswith("concept.") for name in result)
    page = root / "report" / "index.html"
    assert result["page"] == str(page) and page.exists()

    count = sum(
        workdir.result(config, root, "data")["images"][name]
        for name in ("train", "val", "test")
    )
    assert count == 2 * PATIENTS
    with (root / "render" / "images.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == workdir.result(config, root, "data")["images"]["test"]
    with Image.open(root / "render" / rows[0]["reconstruction"]) as frame:
        assert (frame.mode, frame.size) == ("L", (8, 8))
    details = json.loads((root / "evaluation" / "details.json").read_text())
    networks = {"random_conv"}
    if black_box is None:
        networks.add("classifier_penultimate")
    assert set(details["feature_networks"]) == networks
    assert (root / "classifier").exists() == (black_box is None)
    assert all(bool(row["grad_cam"]) == (black_box is None) for row in rows)

    def fail(*_):
        pytest.fail("ran again")

    monkeypatch.setattr(pipeline, "_RUN", dict.fromkeys(pipeline._RUN, fail))
    assert pipeline.run(config, root) == result
    # A stage that is not complete any more is the only one that runs.
    (root / "report" / "complete.json").unlink()
    monkeypatch.setitem(pipeline._RUN, "report", pipeline.build.run)
    assert pipeline.run(config, root) == result


def test_what_cannot_end_well_is_not_begun(tmp_path):
    config = _config("npz", _npz(tmp_path), "w")
    elsewhere = dataclasses.replace(
        config, walk=dataclasses.replace(config.walk, images="folder")
    )
    with pytest.raises(ConfigError, match=r"launch\.render"):
        pipeline.run(elsewhere, tmp_path / "run")
    unknown = dataclasses.replace(
        config,
        predictor=PredictorConfig(kind="callable", target="no_such_module:f"),
    )
    with pytest.raises(predictors.PredictorError, match="no_such_module"):
        pipeline.run(unknown, tmp_path / "run")
    assert not (tmp_path / "run").exists()

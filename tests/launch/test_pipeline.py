"""The whole pipeline on other sources: grey arrays, a folder with a table."""

import csv
import dataclasses
import json

import pytest
from PIL import Image

from jaxstyle import pipeline, predictors, workdir
from jaxstyle.config import ConfigError, PredictorConfig
from tests.launch import stripes


def _folder(folder):
    """Files of another size, and a table without splits."""
    images, labels, patients = stripes.tiles()
    rows = ["path,label,patient"]
    for n, pixels in enumerate(images):
        large = Image.fromarray(pixels).resize((20, 16))
        large.save(folder / f"{n:03d}.png")
        rows.append(f"{n:03d}.png,{labels[n]},p{patients[n]}")
    (folder / "table.csv").write_text("\n".join(rows) + "\n")
    return folder / "table.csv"


@pytest.mark.parametrize(
    "source, write, space, black_box",
    [
        ("npz", stripes.save, "w", stripes.BLACK_BOX),
        ("folder", _folder, "w_plus", None),
    ],
)
def test_from_images_to_the_page(
    source, write, space, black_box, tmp_path, monkeypatch
):
    config = stripes.config(source, write(tmp_path), space, black_box)
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
    assert count == 2 * stripes.PATIENTS
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
    if black_box is not None:
        # Its config is what it was, and its answers are not.
        before = stripes.probability
        monkeypatch.setattr(
            stripes, "probability", lambda images: before(images)[:, ::-1]
        )
        with pytest.raises(predictors.PredictorError, match="another model"):
            pipeline.run(config, root)


def test_what_cannot_end_well_is_not_begun(tmp_path):
    config = stripes.config("npz", stripes.save(tmp_path), "w")
    elsewhere = dataclasses.replace(
        config, walk=dataclasses.replace(config.walk, images="folder")
    )
    with pytest.raises(ConfigError, match=r"launch\.render"):
        pipeline.run(elsewhere, tmp_path / "run")
    unknown = dataclasses.replace(
        config,
        predictor=PredictorConfig(kind="callable", address="no_such_module:f"),
    )
    with pytest.raises(predictors.PredictorError, match="no_such_module"):
        pipeline.run(unknown, tmp_path / "run")
    assert not (tmp_path / "run").exists()

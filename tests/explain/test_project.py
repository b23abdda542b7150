"""The stage: its files, numbers, resumption and refusals."""

import csv
import dataclasses
import shutil

import numpy as np
import pytest
from PIL import Image

from jaxstyle import predictors, workdir
from jaxstyle.config import (
    ConfigError,
    PredictorConfig,
    ProjectConfig,
    TargetConfig,
)
from jaxstyle.data import pseudonyms
from jaxstyle.encoder import projection
from jaxstyle.encoder import train as encoder_train
from jaxstyle.explain import project, project_files, sources
from tests import made_run
from tests.explain import rendering

COUNT, STEPS = 7, 12


class Killed(Exception):
    pass


def _settings(config, **wanted):
    return dataclasses.replace(
        config,
        project=ProjectConfig(
            **{"steps": STEPS, "batch_size": 4, "limit": COUNT} | wanted
        ),
    )


def _another(root, tmp_path):
    """The same run without what was projected."""
    other = tmp_path / "run"
    for name in ("data", "gan", "encoder"):
        shutil.copytree(root / name, other / name)
    return other


def _table(root):
    with (root / "project" / "projections.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def projected(made, tmp_path_factory):
    """(config, root, result) of seven test images, in batches of four."""
    config = _settings(made[0])
    root = _another(made[1], tmp_path_factory.mktemp("projected"))
    return config, root, project.run(config, root)


def test_every_number_is_that_of_the_code(projected):
    """Images rendered again from the files; measures by definition."""
    config, root, result = projected
    codec = encoder_train.load(config, root)
    opened = sources.open_images(project._as_walked(config), root)
    images = opened.read(range(COUNT))
    rows = _table(root)
    assert [row["image_id"] for row in rows] == opened.ids[:COUNT]
    assert [row["target"] for row in rows] == opened.targets[:COUNT]
    arrays = [np.load(root / "project" / row["code"]) for row in rows]
    codes = np.stack([each["code"] for each in arrays])
    assert codes.shape == (COUNT, 4, 8) and codes.dtype == np.float32
    shown = {
        "before": codec.decode(codec.encode(images)),
        "after": codec.decode(codes),
    }
    f_real = made_run.colour(images / 2 + 0.5)
    for when, pictures in shown.items():
        psnr = -10 * np.log10(((images - pictures) ** 2).mean((1, 2, 3)) / 4)
        f = made_run.colour(np.clip(pictures / 2 + 0.5, 0, 1))
        expected = {
            "psnr": psnr,
            "gap": np.abs(f - f_real),
            "f": f,
            "feature_distance": codec.feature_distance(images, pictures),
        }
        for name, values in expected.items():
            column = f"{name}_{when}"
            told = [float(row[column]) for row in rows]
            np.testing.assert_allclose(told, values, rtol=1e-3, atol=1e-4)
            np.testing.assert_allclose(result[column], np.mean(told), atol=1e-5)
    assert result["images"] == COUNT
    assert workdir.result(config, root, "project") == result


def test_projections_are_nearer_than_what_e_gives(projected):
    _, root, result = projected
    for row, name in zip(_table(root), "abcdefg", strict=True):
        losses = np.load(root / "project" / row["code"])["losses"]
        assert losses.shape == (STEPS + 1,), name
        assert float(row["loss_before"]) == pytest.approx(losses[0], abs=1e-5)
        assert float(row["loss_after"]) == pytest.approx(losses.min(), abs=1e-5)
        assert losses.min() < losses[0]
    assert result["psnr_after"] > result["psnr_before"] + 1


def test_the_pictures(projected):
    """Three tiles; the first one is the image, enlarged by a whole factor."""
    config, root, _ = projected
    images = sources.open_images(project._as_walked(config), root)
    for row, image in zip(_table(root), images.read(range(COUNT)), strict=True):
        with Image.open(root / "project" / row["strip"]) as strip:
            pixels = np.asarray(strip).astype(int)
        assert pixels.shape[1] > 3 * 96
        levels = np.rint((image + 1) * 127.5).astype(int)
        large = levels.repeat(12, axis=0).repeat(12, axis=1)
        assert _holds(pixels, large)
    assert not list((root / "project").rglob("*.draft"))


def _holds(pixels, part):
    height, width = part.shape[:2]
    return any(
        np.array_equal(pixels[y : y + height, x : x + width], part)
        for y in range(60)
        for x in range(60)
    )


def test_resume_projects_only_what_is_missing(projected, tmp_path, monkeypatch):
    """Killed in the middle of a batch; then a file is found damaged."""
    config, whole, result = projected
    root = _another(whole, tmp_path)
    write, written = project_files.Files.write, []

    def dying(self, item, digest):
        if len(written) == 5:
            (root / "project" / "codes" / "half.npz.draft").write_bytes(b"PK")
            raise Killed
        written.append(item.image_id)
        write(self, item, digest)

    with monkeypatch.context() as patch:
        patch.setattr(project_files.Files, "write", dying)
        with pytest.raises(Killed):
            project.run(config, root)
    assert not workdir.is_complete(config, root, "project")
    codes, images = (root / "project" / name for name in ("codes", "images"))
    cut = codes / f"{written[1]}.npz"
    cut.write_bytes(cut.read_bytes()[:-300])
    flipped = codes / f"{written[3]}.npz"
    content = bytearray(flipped.read_bytes())
    content[200] ^= 1
    flipped.write_bytes(content)
    (images / f"{written[4]}.png").unlink()

    asked = []
    examine = project.Examiner.__call__

    def counted(self, ids, batch):
        asked.extend(ids)
        return examine(self, ids, batch)

    monkeypatch.setattr(project.Examiner, "__call__", counted)
    again = project.run(config, root)
    ids = [row["image_id"] for row in _table(whole)]
    # Both batches whole: beside others, the last bits may be others.
    assert asked == ids
    assert again == result
    for image_id in ids:
        ours, theirs = (
            np.load(folder / "project" / "codes" / f"{image_id}.npz")
            for folder in (root, whole)
        )
        assert ours.files == theirs.files
        for name in ours.files:
            np.testing.assert_array_equal(ours[name], theirs[name])
    asked.clear()
    assert project.run(config, root) == result
    assert asked == []


def test_an_image_is_done_while_its_file_is_the_same(tmp_path):
    """And its picture and every number are there."""
    files = project_files.Files(tmp_path, ["psnr_after"], TargetConfig())
    item = project_files.Projected(
        image_id="one",
        panels=[np.zeros((8, 8, 1), np.float32)] * 3,
        arrays={"code": np.zeros((1, 4), np.float32)},
        numbers={"psnr_after": 20.0},
    )
    files.write(item, "as it was")
    assert files.is_done("one", "as it was")
    assert not files.is_done("one", "another")
    assert not files.is_done("one")
    assert not files.is_done("two", "as it was")
    more = project_files.Files(tmp_path, ["ssim_after"], TargetConfig())
    assert not more.is_done("one", "as it was")


def test_another_model_is_refused(projected, tmp_path):
    config, whole, _ = projected
    root = tmp_path / "run"
    shutil.copytree(whole, root)
    rendering.record_another_model(root / "project")
    with pytest.raises(predictors.PredictorError, match="another model"):
        project.run(config, root)


def test_the_batch_size_does_not_matter(projected, tmp_path):
    config, whole, _ = projected
    root = _another(whole, tmp_path)
    project.run(_settings(config, batch_size=3, limit=5), root)
    for row in _table(root):
        ours, theirs = (
            np.load(folder / "project" / row["code"])
            for folder in (root, whole)
        )
        # On some processors the last bits depend on the place in a batch.
        np.testing.assert_allclose(
            ours["code"], theirs["code"], rtol=1e-4, atol=1e-5
        )


def test_noise_is_written_too(made, tmp_path):
    config = _settings(made[0], noise_weight=1.0, limit=2, steps=2)
    root = _another(made[1], tmp_path)
    project.run(config, root)
    arrays = np.load(root / "project" / _table(root)[0]["code"])
    shapes = {name: arrays[name].shape for name in arrays.files}
    assert shapes["noise_00"] == (4, 4, 1) and shapes["noise_02"] == (8, 8, 1)


def test_a_folder_and_no_predictor(projected, tmp_path):
    """The built-in classifier is not trained, so nothing is asked."""
    config, whole, _ = projected
    root = _another(whole, tmp_path)
    inbox = tmp_path / "inbox" / "sub"
    inbox.mkdir(parents=True)
    levels = np.random.default_rng(0).integers(0, 255, (8, 8, 3), np.uint8)
    Image.fromarray(levels).save(inbox / "one.png")
    # Its header is whole: it has no row in the end.
    damaged = (inbox / "one.png").read_bytes()[:-40]
    (inbox / "two.png").write_bytes(damaged)
    settings = dataclasses.replace(
        _settings(config, images=str(inbox.parent), limit=0),
        predictor=PredictorConfig(kind="checkpoint"),
    )
    result = project.run(settings, root)
    assert result["images"] == 1
    (row,) = _table(root)
    pseudonym = pseudonyms.existing(root).of("sub/one.png")
    assert row["image_id"] == pseudonym and row["target"] == ""
    assert "gap_before" not in row and "f_real" not in row
    assert float(row["loss_after"]) < float(row["loss_before"])


@pytest.mark.parametrize(
    "wanted, message",
    [
        ({"images": "/nowhere"}, r"project\.images = '/nowhere'"),
        ({"noise_weight": 1.0}, r"project\.noise_weight = 1\.0"),
    ],
)
def test_a_wrong_start_names_the_field(made, tmp_path, wanted, message):
    config = _settings(made[0], **wanted)
    config.gan = dataclasses.replace(config.gan, noise_from=64)
    with pytest.raises(ConfigError, match=message):
        project.run(config, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_loss_that_is_no_number_names_its_image():
    losses = np.ones((2, 5), np.float32)
    losses[1, 3:] = np.nan
    with pytest.raises(FloatingPointError, match=r"image b is nan after 3"):
        projection.require_finite(["a", "b"], losses)


def test_what_is_missing_is_told(made, tmp_path):
    root = _another(made[1], tmp_path)
    shutil.rmtree(root / "encoder")
    with pytest.raises(workdir.WorkdirError, match=r"launch\.train_encoder"):
        project.run(_settings(made[0]), root)

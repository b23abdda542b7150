"""The comparison of inversions, of two ways on the small run."""

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

from jaxstyle import workdir
from jaxstyle.config import ConfigError, PredictorConfig
from jaxstyle.data import pipeline
from jaxstyle.encoder import train as encoder_train
from jaxstyle.evaluation import images as image_metrics
from jaxstyle.explain import compare_inversions, direction, render
from tests import made_run

LIMIT = 6
CHOSEN = ("w_synthetic", "w_plus_refined")


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """(config, root, result) with two of the ways."""
    root = tmp_path_factory.mktemp("inversions") / "run"
    config = made_run.with_gan(root, refinements=1, learning_rate=3e-3)
    config = dataclasses.replace(
        config,
        walk=dataclasses.replace(config.walk, limit=LIMIT),
        project=dataclasses.replace(config.project, steps=3, batch_size=4),
    )
    every = compare_inversions.ways
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            compare_inversions,
            "ways",
            lambda config: {way: every(config)[way] for way in CHOSEN},
        )
        patch.setattr(compare_inversions, "_MOST_REFINEMENTS", 2)
        yield config, root, compare_inversions.run(config, root)


def _folder(config, root):
    return workdir.stage(config, root, "compare_inversions").path


def test_ways_differ_in_nothing_but_the_encoder_s_training():
    config = made_run.settings("made.npz", refinements=3)
    ways = compare_inversions.ways(config)
    assert set(ways) == {
        f"{space}_{how}"
        for space in ("w", "w_plus")
        for how in ("synthetic", "adapted", "refined")
    }
    for way, mine in ways.items():
        same = dataclasses.replace(mine, encoder=config.encoder)
        assert same == config
        assert mine.encoder.space == way.rpartition("_")[0]
        assert (mine.encoder.adapt_kimg == 0) == way.endswith("synthetic")
        assert mine.encoder.refinements == 3 * way.endswith("refined")
    # A term on f needs f's gradient.
    built_in = dataclasses.replace(config, predictor=PredictorConfig())
    added = set(compare_inversions.ways(built_in)) - set(ways)
    assert added == {"w_plus_refined_f"}


def test_each_number_of_refinements_and_projection_has_its_row(compared):
    _, _, result = compared
    assert set(result) == set(CHOSEN)
    found = {
        way: [(row["refinements"], row["projected"]) for row in rows]
        for way, rows in result.items()
    }
    assert found == {
        "w_synthetic": [(0, 0), (0, 3)],
        "w_plus_refined": [(0, 0), (1, 0), (2, 0), (1, 3)],
    }
    for rows in result.values():
        for row in rows:
            assert row["images"] == LIMIT
            assert row["gap_low"] <= row["gap"] <= row["gap_high"]
            learnt = row["projected"] or row in (rows[0], rows[1])
            assert ("flip_rate" in row) <= bool(learnt)
        assert sum("flip_rate" in row for row in rows) == 2


@pytest.mark.parametrize("count", [0, 1, 2])
def test_numbers_are_those_of_so_many_passes(compared, count):
    config, root, result = compared
    mine = compare_inversions.ways(config)["w_plus_refined"]
    mine = dataclasses.replace(
        mine, encoder=dataclasses.replace(mine.encoder, refinements=count)
    )
    folder = _folder(config, root) / "w_plus_refined"
    codec = encoder_train.load(mine, folder)
    images = pipeline.open_split(config, root, "test").images(range(LIMIT))
    again = codec.decode(codec.encode(images))
    row = result["w_plus_refined"][count]
    before, after = (
        made_run.colour(np.clip(x / 2 + 0.5, 0, 1)) for x in (images, again)
    )
    np.testing.assert_allclose(
        row["gap"], np.abs(before - after).mean(), rtol=1e-4
    )
    np.testing.assert_allclose(
        row["ssim"], image_metrics.ssim(images, again).mean(), rtol=1e-5
    )
    threshold = config.target.level
    same = (before >= threshold) == (after >= threshold)
    assert row["agreement"] == pytest.approx(same.mean())


def test_flips_are_those_of_the_renderer(compared):
    config, root, result = compared
    mine = compare_inversions.ways(config)["w_synthetic"]
    folder = _folder(config, root) / "w_synthetic"
    direction.run(mine, folder)
    rendered = render.run(mine, folder)
    assert result["w_synthetic"][0]["flip_rate"] == pytest.approx(
        rendered["flipped"] / LIMIT
    )


def test_projection_brings_images_closer(compared):
    *_, encoded, projected = compared[2]["w_plus_refined"]
    assert projected["feature_distance"] < encoded["feature_distance"]


def test_the_picture_shows_each_way(compared):
    config, root, _ = compared
    with Image.open(_folder(config, root) / "comparison.png") as picture:
        width, height = picture.size
    # Original, two ways, projected; 96 px and more each.
    assert width > 4 * 96 and height > LIMIT * 96


def test_nothing_is_measured_twice(compared, monkeypatch):
    config, root, result = compared
    monkeypatch.setattr(
        compare_inversions, "_measure", lambda *_: pytest.fail("again")
    )
    assert compare_inversions.run(config, root) == result
    saved = _folder(config, root) / "result.json"
    assert json.loads(saved.read_text()) == result


def test_other_images_than_a_split_s_are_refused(compared):
    config, root, _ = compared
    other = dataclasses.replace(
        config, walk=dataclasses.replace(config.walk, images="folder")
    )
    with pytest.raises(ConfigError, match=r"walk\.images.*leave it empty"):
        compare_inversions.run(other, root)

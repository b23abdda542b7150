"""Nearest counterfactuals of the built-in network, to files and compared."""

import csv
import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

from jaxstyle import predictors, workdir
from jaxstyle.config import NearestConfig
from jaxstyle.explain import compare, compare_walks, direction, render
from tests import made_run
from tests.faithfulness.conftest import LIMIT


@pytest.fixture(scope="module")
def near(known, tmp_path_factory):
    """(config, root), rendered along each image's own way."""
    config, whole = known
    config = dataclasses.replace(
        config,
        walk=dataclasses.replace(config.walk, along="nearest"),
        nearest=NearestConfig(steps=60, learning_rate=0.1),
    )
    root = made_run.copied(
        *(whole, tmp_path_factory.mktemp("near") / "run"),
        *("data", "gan", "encoder", "classifier"),
    )
    direction.run(config, root)
    render.run(config, root)
    return config, root


def _table(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_what_is_told_is_read_off_the_saved_frames(near):
    config, root = near
    stage = workdir.stage(config, root, "render")
    rows, predictor = _table(stage.summary), predictors.load(config, root)
    assert len(rows) == LIMIT
    assert sum(row["flipped"] == "1" for row in rows) >= LIMIT / 2
    for frame in _table(stage.manifest):
        with Image.open(stage.path / frame["file"]) as file:
            image = np.asarray(file, np.float32) / np.float32(127.5) - 1
        asked = predictors.probability(predictor, image[None], config)
        told = float(frame["predictor_probability"])
        assert told == pytest.approx(float(asked[0]), abs=1e-5)


def test_the_comparison_has_it_beside_the_fitted_ones(near):
    config, root = near
    result = compare.run(config, root)
    assert set(compare_walks.METHODS) <= set(result)
    folder = workdir.stage(config, root, "compare_directions").path
    walks = json.loads((folder / "methods" / "nearest.json").read_text())
    rows = _table(workdir.stage(config, root, "render").summary)
    for walk, row in zip(walks["walks"], rows, strict=True):
        assert (walk["id"], walk["status"]) == (row["image_id"], row["status"])
        if walk["flipped"]:
            assert walk["flip_lambda"] == pytest.approx(
                abs(float(row["flip_lambda"])), rel=1e-3
            )

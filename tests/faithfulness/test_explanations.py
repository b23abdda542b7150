"""What is read of a rendered run, and the methods beside it."""

import csv
import dataclasses

import numpy as np
import pytest
from PIL import Image

from jaxstyle import workdir
from jaxstyle.classifier import train as classifier_train
from jaxstyle.config.faithfulness import ScoresConfig
from jaxstyle.data import pipeline
from jaxstyle.explain import search
from jaxstyle.faithfulness import explanations
from jaxstyle.faithfulness.explanations import METHODS
from jaxstyle.report import strips
from tests.faithfulness.conftest import LIMIT

SCORES = ScoresConfig(integration_steps=32)


@pytest.fixture(scope="module")
def found(rendered):
    """Of all images."""
    return explanations.explained(*rendered, SCORES, lambda _: True)


def _rows(config, root):
    stage = workdir.stage(config, root, "render")
    with stage.summary.open(newline="") as file:
        return stage.path, list(csv.DictReader(file))


def _levels(path):
    return np.asarray(Image.open(path)).astype(np.float64)


def test_the_counterfactual_s_map_is_read_from_the_files(rendered, found):
    folder, rows = _rows(*rendered)
    assert found.ids == [row["image_id"] for row in rows]
    assert len(found.ids) == LIMIT
    flips = [int(row["flipped"]) for row in rows]
    assert 0 < sum(flips) < LIMIT
    np.testing.assert_array_equal(found.flipped, flips)
    for n, row in enumerate(rows):
        assert found.status[n] == row["status"]
        assert (found.status[n] == search.FLIPPED) == bool(flips[n])
        before = _levels(folder / row["reconstruction"])
        np.testing.assert_allclose(
            found.original[n],
            _levels(folder / row["original"]) / 127.5 - 1,
            atol=1e-6,
        )
        np.testing.assert_allclose(
            found.reconstruction[n], before / 127.5 - 1, atol=1e-6
        )
        change = np.zeros((8, 8))
        if flips[n]:
            file = f"{int(row['flip_frame']):02d}.png"
            after = _levels(folder / "frames" / row["image_id"] / file)
            change = np.abs(after - before).sum(axis=-1) / 127.5
        np.testing.assert_allclose(
            found.maps["counterfactual"][n], change, atol=1e-5
        )
    np.testing.assert_allclose(
        found.probabilities,
        [float(row["predictor_original"]) for row in rows],
    )


def test_all_methods_tell_where_the_decision_comes_from(rendered, found):
    assert tuple(found.maps) == METHODS
    for maps in found.maps.values():
        assert maps.shape == (LIMIT, 8, 8)
        assert maps.min() >= 0 and maps.max() > 0
    folder, rows = _rows(*rendered)
    # The renderer's Grad-CAM is drawn of the same heat.
    for n, row in enumerate(rows):
        drawn = strips.heatmap_overlay(
            found.original[n], found.maps["grad_cam"][n]
        )
        apart = np.abs(_levels(folder / row["grad_cam"]) - drawn)
        # The files' 8 bits move the heat a little.
        assert np.mean(apart) < 1
    decided = np.asarray([row["decision"] for row in rows])
    assert set(decided) == {"0", "1"}


def test_attributions_are_to_the_decision(rendered, found):
    """Of the signed ones the positive part, with the decision's sign."""
    _, rows = _rows(*rendered)
    signs = [2.0 * int(row["decision"]) - 1 for row in rows]
    methods = explanations.attributions(*rendered, SCORES)
    assert set(methods) == set(METHODS[1:])
    for name in METHODS[2:]:
        both = methods[name](found.original, np.ones(LIMIT))
        assert both.min() < 0 < both.max()
        own = both * np.asarray(signs)[:, None, None]
        np.testing.assert_allclose(
            found.maps[name], np.maximum(own, 0), atol=1e-5
        )


def test_baselines_are_black_and_the_mean_image(rendered, found):
    """Attributions sum to the difference of the logits (completeness)."""
    config, root = rendered
    network, params, _ = classifier_train.load(config, root)
    split = pipeline.open_split(config, root, "train")
    mean = split.images(range(len(split))).astype(np.float64).mean(axis=0)
    assert explanations.mean_image(split) == pytest.approx(mean, abs=1e-6)
    logits = np.asarray(network.apply(params, found.original))[:, 0]
    scores = ScoresConfig(integration_steps=200)
    methods = explanations.attributions(config, root, scores)
    for name, baseline in (("black", np.full_like(mean, -1)), ("mean", mean)):
        start = network.apply(params, baseline[None].astype(np.float32))
        heat = methods[f"integrated_gradients_{name}"]
        total = heat(found.original, np.ones(LIMIT)).sum(axis=(1, 2))
        np.testing.assert_allclose(
            total, logits - np.asarray(start)[0, 0], atol=0.1
        )


def test_occlusion_covers_with_the_mean_image(rendered, found):
    """At 8 px a square of 4 at 32 px is one pixel."""
    config, root = rendered
    network, params, _ = classifier_train.load(config, root)
    mean = explanations.mean_image(pipeline.open_split(config, root, "train"))
    heat = explanations.attributions(config, root, SCORES)["occlusion"]
    told = heat(found.original[:1], np.ones(1))[0]
    before = np.asarray(network.apply(params, found.original[:1]))[0, 0]
    for place in ((0, 0), (3, 5), (7, 7)):
        covered = found.original[0].copy()
        covered[place] = mean[place]
        after = np.asarray(network.apply(params, covered[None]))[0, 0]
        assert told[place] == pytest.approx(before - after, abs=1e-4)


def test_only_wanted_images_are_explained(rendered, found):
    _, rows = _rows(*rendered)
    wanted = [row["image_id"] for row in rows if row["decision"] == "1"]
    some = explanations.explained(
        *rendered, SCORES, lambda row: row["decision"] == "1"
    )
    assert some.ids == wanted
    places = [found.ids.index(name) for name in wanted]
    for name in METHODS:
        np.testing.assert_allclose(
            some.maps[name], found.maps[name][places], atol=1e-5
        )
    nothing = explanations.explained(*rendered, SCORES, lambda _: False)
    assert nothing is None


def test_what_is_not_rendered_is_told(rendered):
    config, root = rendered
    longer = dataclasses.replace(config.walk, limit=LIMIT + 1)
    config = dataclasses.replace(config, walk=longer)
    with pytest.raises(workdir.WorkdirError, match=r"launch\.pipeline"):
        explanations.explained(config, root, SCORES, lambda _: True)

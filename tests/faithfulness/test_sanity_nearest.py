"""Sanity checks of walks that take each image's own way."""

import dataclasses

import jax
import numpy as np
import pytest

from jaxstyle import predictors
from jaxstyle.config import NearestConfig, ProjectConfig
from jaxstyle.explain import nearest, search
from jaxstyle.explain.direction import Own, decisions
from jaxstyle.faithfulness import (
    sanity_directions,
    sanity_networks,
    sanity_similarity,
)
from jaxstyle.faithfulness.sanity_walks import Explainer
from tests import tiny
from tests.faithfulness.conftest import LIMIT


def _silent(walked):
    assert 0 < walked <= LIMIT


def _own_way(config, **changes):
    return dataclasses.replace(
        config,
        walk=dataclasses.replace(config.walk, along="nearest", **changes),
        nearest=NearestConfig(steps=60, learning_rate=0.05),
    )


@pytest.fixture(scope="module")
def explain(known):
    config, root = known
    return Explainer(_own_way(config), root)


@pytest.fixture(scope="module")
def own(explain):
    return explain(explain.trained, _silent)


def _opposite(weights):
    """f's logit with the other sign."""
    params = dict(weights.params["params"])
    params["last"] = jax.tree.map(lambda leaf: -leaf, params["last"])
    return dataclasses.replace(weights, params={"params": params})


@pytest.mark.parametrize("shift", [0.0, 1.5])
def test_what_is_differentiated_answers_as_the_network(known, shift):
    config, root = known
    weights = dataclasses.replace(
        sanity_networks.trained(config, root), shift=shift
    )
    images = tiny.images(5)
    answers = sanity_networks.Exchangeable(config, weights)
    actual = predictors.network(config)(
        sanity_networks.differentiable(weights), images
    )
    expected = answers.logits(images * 0.5 + 0.5)[:, 0]
    np.testing.assert_allclose(actual, expected, atol=1e-4)


def test_walks_follow_each_image_s_own_way(known, explain, own):
    config, root = known
    search_own = nearest.Nearest(
        *(_own_way(config), explain.fitter._codec),
        *(explain.fitter.fit().direction, config),
        predictors.parameters(config, root),
    )
    found = search_own(explain._codes, decisions(config, own.judged))
    flat = found.ways.reshape(LIMIT, -1)
    flat = flat / np.linalg.norm(flat, axis=1, keepdims=True)
    np.testing.assert_allclose(own.tangents, flat, atol=1e-5)
    # No two images go the same way.
    cosines = own.tangents @ own.tangents.T
    assert cosines[~np.eye(LIMIT, dtype=bool)].max() < 0.999
    assert own.explained.sum() >= 3
    assert set(own.status) <= {
        *(search.FLIPPED, search.NO_FLIP, search.NOT_EXPLAINED)
    }


def test_the_opposite_f_goes_the_same_ways_backwards(explain, own):
    """What makes it sure is what makes f sure of the other decision.

    The ladder ends as far from either decision, so goals are the same.
    """
    other = explain(_opposite(explain.trained), _silent)
    np.testing.assert_allclose(other.judged, 1 - own.judged, atol=1e-6)
    told = sanity_similarity.of_directions(
        explain._config, explain.fitter, own, other, None, explain.groups
    )
    assert told["cosine"] == pytest.approx(-1, abs=1e-3)
    np.testing.assert_array_equal(own.explained, other.explained)
    told = sanity_similarity.compared(
        explain._config, own, other, explain.groups
    )
    assert told["spearman"] > 0.95


def test_another_f_goes_other_ways(explain, own):
    new = sanity_networks.fresh(explain._config)
    weights = sanity_networks.randomised(
        explain._config, explain.trained, new, sanity_networks.STEM
    )
    other = explain(explain.fitter.balanced(weights), _silent)
    assert not other.one_way
    told = sanity_similarity.of_directions(
        explain._config, explain.fitter, own, other, None, explain.groups
    )
    assert abs(told["cosine"]) < 0.5
    assert told["cosine_low"] < told["cosine"] < told["cosine_high"]
    # Back to f itself, to the last bit.
    again = explain(explain.trained, _silent)
    np.testing.assert_array_equal(own.maps, again.maps)


def test_an_f_that_says_the_same_of_all_goes_nowhere(explain):
    moved = dataclasses.replace(explain.trained, shift=40.0)
    found = explain(moved, _silent)
    assert found.one_way and not found.tangents.any()


def test_rows_that_move_apart_count_all(explain):
    ways = np.random.default_rng(0).normal(size=(2, 3, 4)).astype("f4")
    explain._f.weights = explain.trained
    fitted = explain.fitter.fit().direction
    own = Own(fitted, ways, np.ones(2), np.zeros((2, 2)))
    told = sanity_directions.tangents(own, np.zeros((2, 3, 4), np.float32))
    flat = ways.reshape(2, 12)
    np.testing.assert_allclose(
        told, flat / np.linalg.norm(flat, axis=1)[:, None], atol=1e-5
    )


def test_walks_start_where_the_renderer_s_do(known):
    """At projected codes, where the config asks for them."""
    config, root = known
    config = dataclasses.replace(
        config,
        walk=dataclasses.replace(config.walk, project=True),
        project=ProjectConfig(steps=30),
    )
    plain = Explainer(known[0], root)
    projected = Explainer(config, root)

    def errors(explainer):
        shown = explainer.fitter._codec.decode(explainer._codes)
        return np.abs(shown - explainer._images).mean(axis=(1, 2, 3))

    assert np.all(errors(projected) <= errors(plain))
    assert errors(projected).mean() < 0.9 * errors(plain).mean()

"""Networks that an explanation has to tell from f."""

import dataclasses
from collections import Counter

import jax
import numpy as np
import pytest

from jaxstyle import predictors
from jaxstyle.config import TargetConfig
from jaxstyle.data import linked, pipeline
from jaxstyle.explain.direction import decisions
from jaxstyle.faithfulness import (
    sanity_labels,
    sanity_networks,
)
from tests import tiny
from tests.faithfulness.conftest import LAYERS


def _leaves(tree):
    paths, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {jax.tree_util.keystr(path): np.asarray(x) for path, x in paths}


def test_layers_are_made_new_from_the_logits_down(known):
    config, root = known
    assert tuple(sanity_networks.layers(config)) == LAYERS
    trained = sanity_networks.trained(config, root)
    new = sanity_networks.fresh(config)
    before, fresh = _leaves(trained.params), _leaves(new)
    # Each of the trained ones differs: biases, too, start at 0.
    assert all((before[path] != fresh[path]).any() for path in before)
    words = ("'last'", "stage_1_block_0", "stage_0_block_0", "stem")
    for count, layer in enumerate(LAYERS, 1):
        mixed = sanity_networks.randomised(config, trained, new, layer)
        assert mixed.temperature == trained.temperature
        for path, value in _leaves(mixed.params).items():
            changed = any(word in path for word in words[:count])
            changed |= "['norm']" in path and count > 1
            expected = (fresh if changed else before)[path]
            np.testing.assert_array_equal(value, expected, err_msg=path)
    # What was trained is as it was.
    for path, value in _leaves(trained.params).items():
        np.testing.assert_array_equal(value, before[path])


def test_new_weights_follow_from_the_seed_and_are_no_training_s(known):
    config, _ = known
    kernels = [
        sanity_networks.fresh(dataclasses.replace(config, seed=seed))["params"][
            "last"
        ]["kernel"]
        for seed in (0, 0, 1)
    ]
    np.testing.assert_array_equal(kernels[0], kernels[1])
    assert (kernels[0] != kernels[2]).all()
    start = sanity_networks.state_lib.create(config, 1).params
    assert (kernels[0] != start["params"]["last"]["kernel"]).all()


def test_it_answers_as_the_run_s_own_predictor(known):
    config, root = known
    mine = sanity_networks.Exchangeable(
        config, sanity_networks.trained(config, root)
    )
    images = tiny.images(5)
    expected = predictors.probability(
        predictors.load(config, root), images, config
    )
    actual = predictors.probability(mine, images, config)
    np.testing.assert_array_equal(actual, expected)
    mine.weights = dataclasses.replace(mine.weights, shift=1.5)
    shifted = predictors.logit(predictors.probability(mine, images, config))
    np.testing.assert_allclose(
        shifted, predictors.logit(expected) + 1.5, atol=1e-3
    )


@pytest.mark.parametrize("threshold", [0.5, 0.9])
def test_a_balanced_network_decides_for_the_highest_logits(known, threshold):
    config = dataclasses.replace(
        known[0], target=TargetConfig(threshold=threshold)
    )
    weights = sanity_networks.Weights({}, 2.0)
    logits = np.array([-3.0, -2.9, -7.0, -2.0, -3.1])
    for positives in (1, 2, 4):
        found = sanity_networks.balanced(config, weights, logits, positives)
        p = 1 / (1 + np.exp(-(logits + found.shift)))
        decided = decisions(config, p)
        assert decided.sum() == positives
        assert logits[decided].min() > logits[~decided].max()
        assert found.temperature == 2
    # Those that are the same stay together.
    found = sanity_networks.balanced(config, weights, np.zeros(5), 2)
    assert decisions(config, 1 / (1 + np.exp(-found.shift)))


# --- labels


def test_permuted_labels_keep_their_counts(known, tmp_path):
    config, root = known
    linked.link(
        *(config, root, config, tmp_path / "permuted"),
        lambda rows: sanity_labels.permuted(rows, config.seed),
    )
    for name in ("train", "val", "test"):
        before, after = (
            pipeline.open_split(config, where, name)
            for where in (root, tmp_path / "permuted")
        )
        assert before.ids == after.ids and before.groups == after.groups
        np.testing.assert_array_equal(
            before.images(range(len(before))), after.images(range(len(after)))
        )
        assert Counter(before.labels.tolist()) == Counter(after.labels.tolist())
        same = np.mean(before.targets == after.targets)
        # About half of the labels of two equal classes meet their like.
        assert same == 1 if name == "test" else 0.2 < same < 0.8


def test_permutations_follow_from_the_seed():
    rows = [
        {"split": split, "label": str(n), "id": f"{split} {n}"}
        for n in range(20)
        for split in ("train", "val", "test")
    ]
    once, again, other = (
        sanity_labels.permuted(rows, seed) for seed in (0, 0, 1)
    )
    assert once == again != other
    drawn = {}
    for split in ("train", "val", "test"):
        labels = [
            [row["label"] for row in found if row["split"] == split]
            for found in (rows, once, other)
        ]
        assert sorted(labels[0]) == sorted(labels[1]) == sorted(labels[2])
        assert (labels[0] == labels[1]) == (split == "test")
        assert (labels[1] == labels[2]) == (split == "test")
        drawn[split] = labels[1]
    # Splits do not share a permutation.
    assert drawn["train"] != drawn["val"]
    assert [row["id"] for row in once] == [row["id"] for row in rows]

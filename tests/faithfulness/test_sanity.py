"""The sanity checks, on a small run that works."""

import dataclasses
import json
import shutil
from collections import Counter

import jax
import numpy as np
import pytest
from PIL import Image
from scipy import stats
from skimage import metrics

from jaxstyle import predictors, workdir
from jaxstyle.classifier import train as classifier_train
from jaxstyle.config import ConfigError, TargetConfig
from jaxstyle.data import linked, pipeline
from jaxstyle.explain import search
from jaxstyle.explain.direction import decisions
from jaxstyle.faithfulness import (
    sanity,
    sanity_directions,
    sanity_labels,
    sanity_networks,
    sanity_similarity,
)
from jaxstyle.faithfulness.sanity_directions import Fitter
from jaxstyle.faithfulness.sanity_walks import ONE_WAY, Explanation
from tests import tiny
from tests.faithfulness.conftest import LIMIT

LAYERS = ("logits", "stage_1_block_0", "stage_0_block_0", "stem")


class Killed(Exception):
    pass


def _silent(walked):
    assert 0 < walked <= LIMIT


@pytest.fixture(scope="module")
def ran(known, tmp_path_factory):
    """(config, root, result), and what explained there, to compile once."""
    config, whole = known
    root = _fresh(whole, tmp_path_factory.mktemp("checked"))
    create, made = sanity.Explainer, []

    def kept(*given):
        made.append(create(*given))
        return made[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sanity, "Explainer", kept)
        result = sanity.run(config, root)
    assert len(made) == 1
    return config, root, result, made[0]


@pytest.fixture(scope="module")
def checked(ran):
    """(config, root, result)."""
    return ran[:3]


def _fresh(whole, folder):
    root = folder / "run"
    for name in ("data", "gan", "encoder", "classifier"):
        shutil.copytree(whole / name, root / name)
    return root


@pytest.fixture(scope="module")
def explain(ran):
    return ran[3]


@pytest.fixture(scope="module")
def own(explain):
    return explain(explain.trained, _silent)


# --- networks


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


def test_the_permuted_classifier_is_trained_once(checked, monkeypatch):
    config, root, result = checked
    told = result["permuted_labels"]["classifier"]
    folder = _folder(config, root) / "permuted_labels"
    full = workdir.result(config, folder, "classifier")
    assert told["epochs"] == full["epochs"] == config.classifier.epochs
    assert told["auc"] == full["test"]["auc"]
    assert told["train_auc"] == full["train"]["auc"]
    # Its weights are not those of the run.
    weights = [sanity_networks.trained(config, at) for at in (root, folder)]
    kernels = [one.params["params"]["last"]["kernel"] for one in weights]
    assert (kernels[0] != kernels[1]).any()
    monkeypatch.setattr(
        classifier_train, "run", lambda *_: pytest.fail("again")
    )
    assert sanity_labels.train(config, root, folder) == told


# --- similarity


def _noise(seed, count=3, side=16):
    return np.random.default_rng(seed).uniform(0.1, 1, (count, side, side))


def test_similarities_by_other_hands():
    a, b = _noise(0), _noise(1) + 0.5 * _noise(0)
    found = sanity_similarity.of_maps(a, b)
    for n in range(3):
        expected = stats.spearmanr(a[n].ravel(), b[n].ravel()).statistic
        assert found["spearman"][n] == pytest.approx(expected)
        expected = metrics.structural_similarity(
            a[n] / a[n].max(), b[n] / b[n].max(), win_size=7, data_range=1.0
        )
        assert found["ssim"][n] == pytest.approx(expected)
    assert (np.abs(found["ssim"]) < 0.9).all()


def test_similarities_do_not_know_a_map_s_scale():
    maps = _noise(2)
    found = sanity_similarity.of_maps(maps, maps * [[[3.0]], [[0.1]], [[1.0]]])
    np.testing.assert_allclose(found["spearman"], 1)
    np.testing.assert_allclose(found["ssim"], 1)
    # Ranks are those of the pixels.
    found = sanity_similarity.of_maps(maps, 1.2 - maps)
    np.testing.assert_allclose(found["spearman"], -1)
    assert (found["ssim"] < 0).all()


def _explanation(statuses, maps, heat=None, judged=None, one_way=False):
    count = len(statuses)
    judged = np.full(count, 0.7) if judged is None else np.asarray(judged)
    heat = np.ones_like(maps) if heat is None else heat
    nothing = np.zeros((1, 16, 16, 1))
    tangents = np.zeros((count, 4))
    tangents[:, 0] = 1
    return Explanation(
        *(judged, np.asarray(statuses), maps, heat, tangents, judged, 1.0),
        *(np.array([0]), nothing, nothing, nothing),
    )


FLIP, NONE, APART = search.FLIPPED, search.NO_FLIP, search.NOT_EXPLAINED


def test_only_what_both_explain_is_compared(known):
    config, _ = known
    maps, others = _noise(3, 5), _noise(4, 5)
    others[1] = maps[1]
    heat = _noise(5, 5)
    gone = heat.copy()
    gone[:2] = 0
    first = _explanation(
        [FLIP, FLIP, FLIP, NONE, APART], maps, heat, [0.1, 0.2, 0.7, 0.8, 0.9]
    )
    second = _explanation(
        [NONE, FLIP, APART, FLIP, FLIP], others, gone, [0.9, 0.8, 0.7, 0.6, 0.1]
    )
    told = sanity_similarity.compared(config, first, second)
    assert told["explained"] == pytest.approx(1 / 3)
    assert told["explained_low"] <= 1 / 3 <= told["explained_high"]
    assert told["compared"] == 1
    assert told["spearman"] == pytest.approx(1)
    assert told["ssim"] == pytest.approx(1)
    # One image does not tell how others vary.
    assert "ssim_low" not in told and "spearman_high" not in told
    assert told["decides_for"] == 0.8 and told["decides_both_ways"]
    assert told["answers"] == pytest.approx(-1)
    assert told["grad_cam"]["explained"] == pytest.approx(0.6)
    assert told["grad_cam"]["compared"] == 3
    assert told["grad_cam"]["spearman"] == pytest.approx(1)


def test_where_nothing_flips_there_is_nothing_to_compare(known):
    config, _ = known
    first = _explanation([FLIP, FLIP], _noise(0, 2))
    second = _explanation([ONE_WAY, ONE_WAY], np.zeros((2, 16, 16)))
    told = sanity_similarity.compared(config, first, second)
    assert told["explained"] == told["explained_high"] == 0
    assert not told["decides_both_ways"] and told["compared"] == 0
    assert "spearman" not in told and "ssim" not in told
    found = sanity_similarity.of_directions(config, None, first, second, None)
    assert found == {}


def test_f_alone(known):
    """Other images' maps are compared, each with another one's."""
    config, _ = known
    maps = np.repeat(_noise(0, 1), 4, axis=0)
    maps[3] = 0
    found = _explanation([FLIP, FLIP, FLIP, NONE], maps, _noise(1, 4))
    told = sanity_similarity.alone(config, found)
    assert told["explained"] == 0.75 and told["grad_cam"]["explained"] == 1
    assert told["other_images"]["spearman"] == pytest.approx(1)
    assert abs(told["other_images"]["grad_cam"]["spearman"]) < 0.3
    lonely = _explanation([FLIP, NONE], _noise(0, 2), np.zeros((2, 16, 16)))
    told = sanity_similarity.alone(config, lonely)
    assert told["other_images"] == {"grad_cam": {}}


# --- explanations


def test_the_same_f_is_explained_alike(known, explain, own):
    config, _ = known
    again = explain(explain.trained, _silent)
    assert own.explained.sum() >= 3
    told = sanity_similarity.compared(config, own, again)
    told |= sanity_similarity.of_directions(
        config, explain.fitter, own, again, None
    )
    assert told["explained"] == 1 and told["answers"] == pytest.approx(1)
    assert told["compared"] == own.explained.sum()
    for name in ("spearman", "ssim", "cosine"):
        for end in ("", "_low", "_high"):
            assert told[name + end] == pytest.approx(1, abs=1e-5), name
    assert told["grad_cam"]["spearman"] == pytest.approx(1)


def test_the_opposite_f_has_the_opposite_direction(known, explain, own):
    """Its decisions and their flips are the others' with names exchanged."""
    config, _ = known
    params = jax.tree.map(lambda leaf: leaf, explain.trained.params)
    last = jax.tree.map(lambda leaf: -leaf, params["params"]["last"])
    params["params"] = params["params"] | {"last": last}
    weights = dataclasses.replace(explain.trained, params=params)
    other = explain(weights, _silent)
    np.testing.assert_allclose(other.judged, 1 - own.judged, atol=1e-6)
    told = sanity_similarity.compared(config, own, other)
    told |= sanity_similarity.of_directions(
        config, explain.fitter, own, other, None
    )
    assert told["answers"] == pytest.approx(-1)
    assert told["cosine"] == pytest.approx(-1, abs=1e-3)
    assert told["explained"] == 1
    assert told["spearman"] > 0.9 and told["ssim"] > 0.9
    assert told["grad_cam"]["spearman"] > 0.99
    # The latent predictor is calibrated on this network's answers.
    scales = []
    for each in (explain.trained, weights):
        explain._f.weights = each
        scales.append(explain.fitter.fit().direction.scale)
    assert scales[1] == pytest.approx(scales[0], rel=0.05)


def test_an_f_that_says_the_same_of_all_explains_nothing(explain):
    params = jax.tree.map(np.zeros_like, explain.trained.params)
    weights = dataclasses.replace(explain.trained, params=params)
    for each in (weights, explain.fitter.balanced(weights)):
        found = explain(each, _silent)
        assert found.one_way and not found.explained.any()
        assert not found.maps.any() and not found.tangents.any()
        assert not found.heat.any()


def test_a_level_alone_is_balanced_away(known, explain, own):
    """f with another bias is explained as before once it is balanced."""
    config, _ = known
    moved = dataclasses.replace(explain.trained, shift=40.0)
    assert explain(moved, _silent).one_way
    params = jax.tree.map(lambda leaf: leaf, explain.trained.params)
    last = params["params"]["last"]
    last = last | {"bias": last["bias"] + np.float32(9)}
    params["params"] = params["params"] | {"last": last}
    weights = dataclasses.replace(explain.trained, params=params)
    found = explain(explain.fitter.balanced(weights), _silent)
    fitted = decisions(config, found.fitted)
    # The level lies between two images: not where it was, but near.
    np.testing.assert_array_equal(fitted, decisions(config, own.fitted))
    assert (found.tangents[0] @ own.tangents[0]) > 0.99


def test_maps_are_the_change_of_the_smallest_flip(known, explain, own):
    config, root = known
    split = pipeline.open_split(config, root, config.walk.split)
    assert explain.ids == split.ids[:LIMIT]
    judged = predictors.probability(
        predictors.load(config, root), split.images(range(LIMIT)), config
    )
    np.testing.assert_array_equal(own.judged, judged)
    for n, position in enumerate(own.pictured):
        np.testing.assert_array_equal(
            own.originals[n], split.images([position])[0]
        )
        change = np.abs(own.flips[n] - own.reconstructions[n]).sum(axis=-1)
        np.testing.assert_array_equal(own.maps[position], change)
        assert change.any() == own.explained[position]
    np.testing.assert_array_equal(own.explained, own.maps.any(axis=(1, 2)))
    assert set(decisions(config, judged[own.pictured])) == {True, False}


# --- directions


def _fitter(explain, known, **direction):
    config, root = known
    direction = dataclasses.replace(config.direction, **direction)
    config = dataclasses.replace(config, direction=direction)
    own = explain.fitter
    own._f.weights = explain.trained
    return config, Fitter(config, root, own._codec, own._f)


def test_a_refit_on_the_same_rows_is_the_fit(known, explain, own):
    fitter = explain.fitter
    every = np.arange(fitter.count)
    again = fitter.refit(own.fitted, own.penalty, None, every)
    np.testing.assert_allclose(again, own.tangents[0], atol=1e-4)
    # Rows of rows.
    rows = np.random.default_rng(0).permutation(fitter.count)
    again = fitter.refit(own.fitted[rows], own.penalty, rows, every)
    np.testing.assert_allclose(again, own.tangents[0], atol=1e-2)
    few = np.repeat(rows[:8], fitter.count // 8)
    other = fitter.refit(own.fitted, own.penalty, None, few)
    assert np.linalg.norm(other) == pytest.approx(1, abs=1e-4)
    assert other @ own.tangents[0] < 0.99
    alike = np.zeros(fitter.count, np.int64)
    assert fitter.refit(own.fitted, own.penalty, None, alike) is None


def test_a_resample_without_a_direction_counts_as_none(known, own):
    class Nowhere:
        count = 8

        def refit(self, *_):
            return None

    config, _ = known
    told = sanity_similarity.of_directions(config, Nowhere(), own, own, None)
    # All resamples are 0: no width, around the number itself.
    assert told["cosine_low"] == pytest.approx(told["cosine"])


def test_sampled_codes_are_judged_on_their_images(known, explain):
    config, fitter = _fitter(explain, known, codes="sampled", samples=40)
    assert fitter.count == 40
    codec = fitter._codec
    images = codec.decode(codec.sample_codes(40, config.seed))
    judged = predictors.probability(fitter._f, images, config)
    found = fitter.fit()
    np.testing.assert_allclose(found.judged, judged, atol=1e-5)
    rows = np.arange(40)[::-1]
    np.testing.assert_array_equal(fitter.fit(rows).judged, found.judged[rows])


def test_curved_walks_are_compared_at_each_image(known, explain, own):
    config, fitter = _fitter(explain, known, method="mlp")
    direction = fitter.fit().direction
    tangents = sanity_directions.tangents(direction, explain._codes)
    np.testing.assert_allclose(np.linalg.norm(tangents, axis=1), 1, rtol=1e-4)
    assert np.ptp(tangents, axis=0).max() > 1e-3
    # It rises along its tangents.
    moved = explain._codes + 0.01 * tangents[:, None]
    assert (direction.logits(moved) > direction.logits(explain._codes)).all()
    curved = dataclasses.replace(own, tangents=tangents)
    told = sanity_similarity.of_directions(config, fitter, own, curved, None)
    cosines = tangents @ own.tangents[0]
    assert told["cosine"] == pytest.approx(cosines.mean(), abs=1e-5)
    assert told["cosine_low"] < told["cosine"] < told["cosine_high"]


def test_an_f_of_one_mind_is_refused(known, explain):
    config, root = known
    sure = dataclasses.replace(config.target, threshold=1 - 1e-6)
    config = dataclasses.replace(config, target=sure)
    own = explain.fitter
    own._f.weights = explain.trained
    with pytest.raises(ValueError, match="alike for all 64 images"):
        Fitter(config, root, own._codec, own._f)


# --- the whole


def _folder(config, root):
    return workdir.stage(config, root, "sanity_checks").path


def test_everything_is_told(checked):
    config, root, result = checked
    saved = json.loads((_folder(config, root) / "result.json").read_text())
    assert saved == result
    assert result["images"] == LIMIT
    assert result["layers"] == list(LAYERS) == list(result["randomised"])
    control = result["controls"]["another_bootstrap"]
    assert control["explained"] > 0.5 and control["cosine"] > 0.5
    assert control["cosine_low"] <= control["cosine"] <= control["cosine_high"]
    assert control["answers"] == control["grad_cam"]["ssim"] == 1
    learnt = result["permuted_labels"]["classifier"]
    assert learnt["auc_low"] <= learnt["auc"] <= learnt["auc_high"]
    pairs = [*result["randomised"].values(), result["permuted_labels"]]
    for told in pairs:
        assert told["balanced"]["decides_both_ways"]
        for one in (told["as_it_is"], told["balanced"]):
            assert -1 <= one.get("spearman", 0) <= 1
            assert ("cosine" in one) == one["decides_both_ways"]
    # Not one of the networks is the trained one.
    assert max(told["balanced"]["answers"] for told in pairs) < 1


def test_the_sheets_have_a_column_for_each_network(checked):
    config, root, _ = checked
    for name in ("sanity.png", "sanity_balanced.png"):
        with Image.open(_folder(config, root) / name) as picture:
            # Six images; the original, f, the control, layers, labels.
            assert picture.height > 6 * 96
            assert picture.width > (3 + len(LAYERS) + 1) * 96


def test_a_killed_check_goes_on(ran, tmp_path, monkeypatch):
    """What was explained is not explained again, and the end is the same."""
    config, whole, result, explain = ran
    root = _fresh(whole, tmp_path)
    folder = _folder(config, root) / "permuted_labels"
    shutil.copytree(
        _folder(config, whole) / "permuted_labels", folder, symlinks=True
    )
    monkeypatch.setattr(sanity, "Explainer", lambda *_: explain)
    steps, written = sanity.all_steps(config), sanity.Files.write
    done = []

    def dying(self, step, numbers, found):
        if step == steps[4]:
            raise Killed
        written(self, step, numbers, found)

    def counted(self, step, numbers, found):
        done.append(step)
        written(self, step, numbers, found)

    monkeypatch.setattr(sanity.Files, "write", dying)
    with pytest.raises(Killed):
        sanity.run(config, root)
    assert not workdir.is_complete(config, root, "sanity_checks")
    monkeypatch.setattr(sanity.Files, "write", counted)
    assert sanity.run(config, root) == result
    assert done == steps[4:]
    for name in ("sanity.png", "sanity_balanced.png"):
        assert (_folder(config, root) / name).read_bytes() == (
            _folder(config, whole) / name
        ).read_bytes()
    # Once more: all is read.
    monkeypatch.setattr(sanity, "Explainer", lambda *_: pytest.fail("again"))
    assert sanity.run(config, root) == result


@pytest.mark.parametrize(
    ("section", "change", "said"),
    [
        (
            "predictor",
            {"kind": "callable", "address": "a:b"},
            r"predictor\.kind = 'callable': use 'checkpoint'",
        ),
        ("walk", {"images": "folder"}, r"walk\.images = 'folder'"),
    ],
)
def test_what_cannot_be_checked_is_refused(known, section, change, said):
    config, root = known
    changed = dataclasses.replace(getattr(config, section), **change)
    config = dataclasses.replace(config, **{section: changed})
    with pytest.raises(ConfigError, match=said):
        sanity.run(config, root)


def test_what_is_missing_is_told(known, tmp_path):
    config, whole = known
    root = _fresh(whole, tmp_path)
    shutil.rmtree(root / "classifier")
    with pytest.raises(workdir.WorkdirError, match=r"launch\.train_classifier"):
        sanity.run(config, root)

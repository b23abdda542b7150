"""The sanity checks, on a small run that works."""

import dataclasses
import json
import shutil

import jax
import numpy as np
import pytest
from PIL import Image

from jaxstyle import predictors, workdir
from jaxstyle.classifier import train as classifier_train
from jaxstyle.config import ConfigError
from jaxstyle.data import pipeline
from jaxstyle.explain.direction import decisions
from jaxstyle.faithfulness import (
    sanity,
    sanity_directions,
    sanity_labels,
    sanity_networks,
    sanity_similarity,
)
from jaxstyle.faithfulness.sanity_directions import Fitter
from tests.faithfulness.conftest import LAYERS, LIMIT


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


def test_the_same_f_is_explained_alike(known, explain, own):
    config, _ = known
    again = explain(explain.trained, _silent)
    assert own.explained.sum() >= 3
    told = sanity_similarity.compared(config, own, again, explain.groups)
    told |= sanity_similarity.of_directions(
        config, explain.fitter, own, again, None, explain.groups
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
    told = sanity_similarity.compared(config, own, other, explain.groups)
    told |= sanity_similarity.of_directions(
        config, explain.fitter, own, other, None, explain.groups
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
    told = sanity_similarity.of_directions(
        *(config, Nowhere(), own, own, None, np.arange(LIMIT))
    )
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
    told = sanity_similarity.of_directions(
        *(config, fitter, own, curved, None, explain.groups)
    )
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

"""The stage: labels, planted directions, what is saved and told."""

import dataclasses

import numpy as np
import pytest
from scipy import special, stats

from jaxstyle import workdir
from jaxstyle.config import (
    Config,
    ConfigError,
    DirectionConfig,
    TargetConfig,
)
from jaxstyle.explain import direction as direction_lib
from jaxstyle.explain.direction import Curved, Labelled, Linear, fidelity
from jaxstyle.explain.direction import labels as labels_lib
from jaxstyle.explain.direction import stage as stage_lib
from tests.explain import planted


def _labelled(judged, targets=()):
    judged = np.asarray(judged, np.float32)
    codes = np.zeros((len(judged), 1, 2), np.float32)
    return Labelled(codes, judged, np.asarray(targets, np.float32))


def test_more_images_of_the_same_patients_narrow_no_interval():
    random = np.random.default_rng(0)
    codes = random.normal(size=(60, 1, 2)).astype(np.float32)
    noisy = codes[:, 0, 0] + random.normal(size=60)
    line = np.array([1, 0], np.float32)
    everywhere = direction_lib.Region(np.zeros(2), np.eye(2), np.inf)
    along = Linear(line, line, 0.0, everywhere)
    data = Labelled(codes, special.expit(noisy), codes[:, 0, 1] > 0)
    again = Labelled(
        np.tile(codes, (4, 1, 1)),
        np.tile(data.judged, 4),
        np.tile(data.targets, 4),
        [f"patient {n % 60}" for n in range(240)],
    )
    few, many = (
        fidelity.quality(planted.config(), along, given)
        for given in (data, again)
    )
    assert many.pop("n") == 4 * few.pop("n")
    assert many == pytest.approx(few)


def test_labels_of_each_kind():
    data = _labelled([0.2, 0.5, 0.9], [1, 0, 1])
    cases = {
        "predictor_hard": ([0, 1, 1], [1, 1, 1]),
        "ground_truth": ([1, 0, 1], [1, 1, 1]),
        "predictor_prob": (
            [0, 0, 0, 1, 1, 1],
            [0.8, 0.5, 0.1, 0.2, 0.5, 0.9],
        ),
    }
    for kind, (labels, weights) in cases.items():
        config = planted.config(labels=kind)
        actual = labels_lib.training_labels(config, data)
        np.testing.assert_array_equal(actual[0], labels)
        np.testing.assert_allclose(actual[1], weights, atol=1e-7)


@pytest.mark.parametrize(
    "kind, judged, only",
    [
        ("predictor_hard", [0.1, 0.4], 0),
        ("predictor_hard", [0.6, 0.9], 1),
        ("predictor_prob", [1, 1], 1),
    ],
)
def test_one_class_is_not_enough(kind, judged, only):
    config = planted.config(labels=kind)
    with pytest.raises(ValueError, match=rf"2 images .* class {only} \({kind}"):
        labels_lib.training_labels(config, _labelled(judged))


def test_goals_are_a_half_where_f_decides():
    config = planted.config()
    config.target.threshold = 0.2
    data = _labelled([0.2, 0.5, 0.05], [1, 0, 0])
    # Odds four times those of the threshold, and 0.05 / 0.95 * 4 of them.
    expected = [0.5, 4 / 5, 4 / 23]
    np.testing.assert_allclose(labels_lib.goals(config, data), expected, 1e-6)
    truth = dataclasses.replace(
        config, direction=DirectionConfig(labels="ground_truth")
    )
    np.testing.assert_array_equal(labels_lib.goals(truth, data), [1, 0, 0])


@pytest.mark.parametrize("kind", ["predictor_hard", "predictor_prob"])
def test_wanted_of_some_codes(kind):
    """Rows drawn twice count twice, and classes weigh alike again."""
    config = planted.config(labels=kind)
    judged = np.array([0.1, 0.3, 0.4, 0.9], np.float32)
    whole = labels_lib.wanted(config, _labelled(judged))
    rows = np.array([3, 0, 0])
    some, expected = (
        whole.some(rows),
        labels_lib.wanted(config, _labelled(judged[rows])),
    )
    for field in ("labels", "weights", "values"):
        np.testing.assert_allclose(
            getattr(some, field), getattr(expected, field), rtol=1e-6
        )
    totals = np.bincount(some.labels, some.balanced)
    np.testing.assert_allclose(totals[0], totals[1])
    if kind == "predictor_hard":
        assert whole.some(np.array([0, 1])) is None


def _run(tmp_path, monkeypatch, world, settings):
    planted.inputs_done(settings, tmp_path)
    monkeypatch.setattr(stage_lib.encoder_train, "load", lambda *_: world)
    monkeypatch.setattr(stage_lib.predictors, "load", lambda *_: world)
    monkeypatch.setattr(stage_lib.pipeline, "open_asked", world.open_split)
    result = direction_lib.run(settings, tmp_path)
    return result, direction_lib.load(settings, tmp_path)


@pytest.mark.parametrize(
    "rows, settings",
    [
        (1, {}),
        (3, {}),
        (1, {"labels": "predictor_prob"}),
        (3, {"codes": "sampled"}),
        (1, {"codes": "sampled", "labels": "predictor_prob"}),
        (1, {"method": "least_squares"}),
        (3, {"method": "svm"}),
        (1, {"method": "class_means"}),
        (1, {"method": "class_means", "labels": "predictor_prob"}),
        (1, {"method": "transport"}),
        (3, {"method": "whitened"}),
    ],
)
def test_a_planted_direction_is_found(rows, settings, tmp_path, monkeypatch):
    world = planted.World(rows)
    result, direction = _run(
        tmp_path, monkeypatch, world, planted.config(**settings)
    )
    assert isinstance(direction, Linear)
    assert result["method"] == settings.get("method", "logistic")
    assert direction.alpha @ world.alpha > 0.9
    assert abs(direction.alpha @ world.truth) < 0.4
    np.testing.assert_allclose(np.linalg.norm(direction.alpha), 1, atol=1e-6)
    assert direction.scale == pytest.approx(result["scale"], rel=1e-9)
    codes = 400 if "codes" in settings else 500
    assert result["codes"] == codes
    assert result["test"]["auc_vs_predictor"] > 0.94
    assert result["test"]["spearman"] > 0.9
    assert result["stability"]["least"] > 0.8
    assert result["stability"]["least"] <= result["stability"]["mean"] <= 1
    assert result["regularisation"] > 0
    # f's logit is 3 times a standard normal, and the direction tells most
    # of it. Slope and level are those of f.
    assert 0.75 < result["test"]["r2"] <= 1
    assert result["test"]["r2_low"] < result["test"]["r2"]
    assert result["test"]["r2"] < result["test"]["r2_high"]
    # Standard normal codes in 64 dimensions: the distance is a chi.
    expected = stats.chi(64).ppf(0.99)
    np.testing.assert_allclose(result["trust_radius"], expected, rtol=0.03)
    assert result["test"]["trusted"] == pytest.approx(0.99, abs=0.02)


def test_the_mlp_finds_it_too(tmp_path, monkeypatch):
    world = planted.World(count=800)
    result, direction = _run(
        tmp_path, monkeypatch, world, planted.config(method="mlp")
    )
    assert isinstance(direction, Curved)
    assert result["test"]["auc_vs_predictor"] > 0.95
    assert 0.75 < result["test"]["r2"] <= 1
    # Walks go where f rises.
    codes = world.open_split(None, None, "test").codes[:20]
    ways = direction.offsets(codes, np.full((20, 1), 2.0))[:, 0, 0]
    assert np.all(ways @ world.alpha > 1.6)


def test_what_is_loaded_is_what_was_fitted(tmp_path, monkeypatch):
    world, fitted = planted.World(), []
    save = stage_lib.files.save

    def saving(path, direction):
        fitted.append(direction)
        save(path, direction)

    monkeypatch.setattr(stage_lib.files, "save", saving)
    for method in ("whitened", "mlp", "row_means", "transport"):
        settings = planted.config(method=method)
        _, loaded = _run(tmp_path, monkeypatch, world, settings)
        codes = world.sample_codes(5, 3)
        lambdas = np.linspace(-2, 2, 15).reshape(5, 3)
        for name in ("offsets", "along"):
            np.testing.assert_array_equal(
                getattr(loaded, name)(codes, lambdas),
                getattr(fitted[-1], name)(codes, lambdas),
            )
        np.testing.assert_array_equal(
            loaded.trusted_range(codes), fitted[-1].trusted_range(codes)
        )
        assert type(loaded) is type(fitted[-1])


def test_the_ground_truth_has_its_own_direction(tmp_path, monkeypatch):
    world = planted.World()
    result, direction = _run(
        tmp_path, monkeypatch, world, planted.config(labels="ground_truth")
    )
    assert direction.alpha @ world.truth > 0.9
    assert abs(direction.alpha @ world.alpha) < 0.4
    quality = result["test"]
    assert quality["auc_vs_truth"] > 0.95 > quality["auc_vs_predictor"]
    for name in ("auc_vs_truth", "auc_vs_predictor"):
        low, high = quality[f"{name}_low"], quality[f"{name}_high"]
        assert low <= quality[name] <= high and low < high


def test_soft_labels_keep_f_s_slope(tmp_path, monkeypatch):
    """f's own logit is linear in the codes, so that it can be recovered."""
    world = planted.World(slope=1.5, count=2000)
    settings = planted.config(
        labels="predictor_prob", regularisation=(1e-6, 1e4)
    )
    result, direction = _run(tmp_path, monkeypatch, world, settings)
    # Validation tells that the strong penalty is wrong here.
    assert result["regularisation"] == 1e4
    assert direction.alpha @ world.alpha > 0.999
    np.testing.assert_allclose(direction.scale, 1.5, rtol=0.02)
    np.testing.assert_allclose(direction.intercept, 0, atol=0.1)
    assert result["test"]["r2"] > 0.99


@pytest.mark.parametrize("method", DirectionConfig.METHODS)
def test_a_half_is_where_f_decides(method, tmp_path, monkeypatch):
    """With a threshold far from it, and whatever the method's own scale."""
    world = planted.World(slope=1.5, bias=-6, count=2000)
    settings = planted.config(method=method)
    settings.target.threshold = float(special.expit(-6))
    _, direction = _run(tmp_path, monkeypatch, world, settings)
    codes = world.sample_codes(300, 5)
    f = 1.5 * codes[:, 0] @ world.alpha
    slope, level = np.polyfit(f, direction.logits(codes), 1)
    np.testing.assert_allclose(level, 0, atol=0.1)
    assert 0.75 < slope < 1.1


def test_a_predictor_of_one_class_is_told(tmp_path, monkeypatch):
    for method in ("logistic", "mlp"):
        with pytest.raises(ValueError, match=r"500 images .* class 1"):
            _run(
                tmp_path,
                monkeypatch,
                planted.World(bias=50),
                planted.config(method=method),
            )


def test_a_missing_nuisance_is_told_before_any_work(tmp_path, monkeypatch):
    world = planted.World()
    monkeypatch.setattr(world, "encode", lambda *_: pytest.fail("encoded"))
    open_split = world.open_split

    def with_sizes(*args):
        split = open_split(*args)
        split.sizes, split.columns = np.full((500, 2), 8), {}
        return split

    world.open_split = with_sizes
    settings = planted.config(nuisances=("height", "age"))
    with pytest.raises(ConfigError, match=r"nuisances = 'age'.*height, width"):
        _run(tmp_path, monkeypatch, world, settings)
    assert not workdir.is_complete(settings, tmp_path, "direction")


def test_a_nuisance_of_the_data_is_projected_out(tmp_path, monkeypatch):
    """f looks at a mixture of what makes images high, and of another thing."""
    world, other = planted.World(count=800), planted.unit(3)
    other -= other @ world.alpha * world.alpha
    other /= np.linalg.norm(other)
    high = (world.alpha + other) / np.sqrt(2)
    open_split = world.open_split

    def with_sizes(*args):
        split = open_split(*args)
        heights = 100 + 20 * split.codes[:, 0] @ high
        split.sizes = np.stack([heights, np.full(800, 8)], axis=1)
        split.columns = {}
        return split

    world.open_split = with_sizes
    result, direction = _run(
        tmp_path, monkeypatch, world, planted.config(nuisances=("height",))
    )
    assert result["nuisances"]["height"] > 0.95
    expected = (world.alpha - other) / np.sqrt(2)
    assert direction.alpha @ expected > 0.9
    assert abs(direction.alpha @ high) < 0.02


def test_decisions_count_the_threshold_itself():
    config = Config(target=TargetConfig(threshold=0.7))
    p = np.array([0.69, 0.7, 0.71], np.float32)
    np.testing.assert_array_equal(
        direction_lib.decisions(config, p), [False, True, True]
    )
    # One of them alone, as a Python number, is decided alike.
    for value, decided in zip(p, [False, True, True], strict=True):
        assert direction_lib.decisions(config, float(value)) == decided

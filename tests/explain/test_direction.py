"""The latent predictor against algebra and a planted direction."""

import numpy as np
import pytest
from scipy import optimize, special, stats

from jaxstyle.config import Config, PredictorConfig
from jaxstyle.explain import direction as direction_lib
from jaxstyle.explain.direction import Direction, Labelled
from tests.explain import planted


def _random_direction(random, dim=6):
    alpha = random.normal(size=dim)
    return Direction(
        (alpha / np.linalg.norm(alpha)).astype(np.float32),
        float(random.uniform(0.5, 3)),
        float(random.normal()),
        random.normal(size=dim).astype(np.float32),
        float(random.uniform(2, 4)),
    )


@pytest.mark.parametrize("rows", [1, 5])
def test_the_closed_form_reaches_the_target(rows):
    random = np.random.default_rng(rows)
    direction = _random_direction(random)
    codes = random.normal(size=(7, rows, 6)).astype(np.float32)
    targets = np.array([0.01, 0.3, 0.5, 0.95])
    lambdas = direction.steps_to(codes, targets)
    assert lambdas.shape == (7, 4)
    for k, target in enumerate(targets):
        # Every row moves, as in the renderer.
        moved = codes + lambdas[:, k, None, None] * direction.alpha
        reached = special.expit(direction.logits(moved.astype(np.float64)))
        np.testing.assert_allclose(reached, target, atol=1e-5)
    np.testing.assert_allclose(
        direction.along(codes, lambdas), np.tile(targets, (7, 1)), atol=1e-5
    )


def test_logits_are_those_of_the_mean_row():
    random = np.random.default_rng(0)
    direction = _random_direction(random)
    codes = random.normal(size=(3, 4, 6))
    expected = [
        direction.scale * sum(w @ direction.alpha for w in code) / 4
        + direction.intercept
        for code in codes
    ]
    np.testing.assert_allclose(direction.logits(codes), expected, rtol=1e-6)


@pytest.mark.parametrize("rows", [1, 5])
def test_the_trusted_range_ends_on_the_sphere(rows):
    random = np.random.default_rng(rows)
    direction = _random_direction(random)
    shift = random.normal(size=(200, 1, 6)) * 1.3
    codes = direction.centre + shift + 0.1 * random.normal(size=(200, rows, 6))
    codes = codes.astype(np.float32)

    def distance(lambdas):
        moved = codes + lambdas[:, None, None] * direction.alpha
        return np.linalg.norm(moved.mean(axis=1) - direction.centre, axis=1)

    start = distance(np.zeros(200))
    inside = start < direction.trust_radius
    assert 0 < inside.sum() < 200
    low, high = direction.trusted_range(codes)
    for end in (low, high):
        np.testing.assert_allclose(
            distance(end),
            np.maximum(direction.trust_radius, start),
            rtol=1e-4,
        )
    assert np.all(low[inside] < 0) and np.all(high[inside] > 0)
    # From outside there is no way but inwards, through the nearest point.
    along = (codes.mean(axis=1) - direction.centre) @ direction.alpha
    outside = ~inside
    np.testing.assert_allclose(
        np.where(along > 0, high, low)[outside], 0, atol=1e-4
    )
    np.testing.assert_allclose(
        np.where(along > 0, low, high)[outside],
        -2 * along[outside],
        atol=1e-4,
    )
    middle = distance((low + high) / 2)
    assert np.all(middle <= distance(0.9 * low + 0.1 * high) + 1e-6)


def _settings(**direction):
    return planted.config(**direction)


def _labelled(judged, targets=()):
    judged = np.asarray(judged, np.float32)
    codes = np.zeros((len(judged), 1, 2), np.float32)
    return Labelled(codes, judged, np.asarray(targets, np.float32))


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
        actual = direction_lib.training_labels(_settings(labels=kind), data)
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
    settings = _settings(labels=kind)
    with pytest.raises(ValueError, match=rf"2 images .* class {only} \({kind}"):
        direction_lib.training_labels(settings, _labelled(judged))


@pytest.mark.parametrize("soft", [False, True])
def test_the_fit_minimises_the_balanced_loss(soft):
    """Against SciPy on the loss written out, soft labels included."""
    random = np.random.default_rng(0)
    x = random.normal(size=(60, 3))
    p = special.expit(2 * x[:, 0] - 1.5 + random.normal(size=60))
    p = p if soft else np.round(p)
    if soft:
        labels = np.repeat([0, 1], 60)
        weights = np.concatenate([1 - p, p])
    else:
        labels, weights = p.astype(int), np.ones(60)
    model = direction_lib.fit(x, labels, weights, 0.3)

    share = p.mean()

    def loss(theta):
        logit = x @ theta[:3] + theta[3]
        of_ones = p * np.logaddexp(0, -logit) * 0.5 / share
        of_zeros = (1 - p) * np.logaddexp(0, logit) * 0.5 / (1 - share)
        data = np.sum(of_ones + of_zeros)
        return 0.3 * data + 0.5 * theta[:3] @ theta[:3]

    best = optimize.minimize(loss, np.zeros(4), tol=1e-10).x
    np.testing.assert_allclose(model.coef_[0], best[:3], atol=2e-3)
    np.testing.assert_allclose(model.intercept_, best[3], atol=2e-3)


def test_the_fit_told_in_w_says_the_same():
    random = np.random.default_rng(0)
    w = random.normal(size=(80, 5)) * 4 + 2
    centre, unit = w.mean(axis=0), 3.7
    x = (w - centre) / unit
    labels = (w[:, 1] + random.normal(size=80) > 2).astype(int)
    model = direction_lib.fit(x, labels, np.ones(80), 1.0)
    direction = direction_lib.in_w(model, centre, unit, 9.0)
    np.testing.assert_allclose(
        direction.logits(w[:, None]), model.decision_function(x), atol=1e-4
    )
    np.testing.assert_allclose(np.linalg.norm(direction.alpha), 1, atol=1e-6)
    assert direction.scale > 0 and direction.trust_radius == 9.0
    # So does the whole W+ code around that point.
    wide = w[:, None] + np.array([-1, 0, 1])[None, :, None]
    np.testing.assert_allclose(
        direction.logits(wide), model.decision_function(x), atol=1e-4
    )


def test_the_trust_radius_is_a_percentile_of_distances():
    codes = np.zeros((101, 1, 2), np.float32)
    angle = np.linspace(0, 2 * np.pi, 101)[:-1]
    codes[:100, 0] = np.stack([np.cos(angle), np.sin(angle)], -1)
    settings = _settings(trust_percentile=0.5)
    assert direction_lib.trust_radius(settings, codes + 7) < 0.6
    settings = _settings(trust_percentile=50.0)
    np.testing.assert_allclose(
        direction_lib.trust_radius(settings, codes + 7), 1, rtol=1e-3
    )


def _run(tmp_path, monkeypatch, world, settings):
    planted.inputs_done(settings, tmp_path)
    lib = direction_lib
    monkeypatch.setattr(lib.encoder_train, "load", lambda *_: world)
    monkeypatch.setattr(lib.predictors, "load", lambda *_: world)
    monkeypatch.setattr(lib.pipeline, "open_split", world.open_split)
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
    ],
)
def test_a_planted_direction_is_found(rows, settings, tmp_path, monkeypatch):
    world = planted.World(rows)
    result, direction = _run(
        tmp_path, monkeypatch, world, planted.config(**settings)
    )
    assert direction.alpha @ world.alpha > 0.9
    assert abs(direction.alpha @ world.truth) < 0.4
    codes = 400 if "codes" in settings else 500
    assert result["codes"] == codes
    assert result["test"]["auc_vs_predictor"] > 0.95
    assert result["test"]["spearman"] > 0.9
    assert result["stability"]["least"] > 0.8
    assert result["stability"]["least"] <= result["stability"]["mean"] <= 1
    # Standard normal codes in 64 dimensions: the distance is a chi.
    expected = stats.chi(64).ppf(0.99)
    np.testing.assert_allclose(direction.trust_radius, expected, rtol=0.03)


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


def test_a_threshold_far_from_a_half(tmp_path, monkeypatch):
    """Where f decides is where the latent predictor says 0.5."""
    world = planted.World(slope=1.5, bias=-6, count=2000)
    settings = planted.config(regularisation=(1e-6, 1e-2))
    settings.predictor.threshold = float(special.expit(-6))
    result, direction = _run(tmp_path, monkeypatch, world, settings)
    assert result["regularisation"] == 1e-2
    assert direction.alpha @ world.alpha > 0.95
    np.testing.assert_allclose(direction.intercept, 0, atol=0.2)


def test_a_predictor_of_one_class_is_told(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=r"500 images .* class 1"):
        _run(tmp_path, monkeypatch, planted.World(bias=50), planted.config())


def test_decisions_count_the_threshold_itself():
    config = Config(predictor=PredictorConfig(threshold=0.7))
    p = np.array([0.69, 0.7, 0.71], np.float32)
    np.testing.assert_array_equal(
        direction_lib.decisions(config, p), [False, True, True]
    )
    # One of them alone, as a Python number, is decided alike.
    for value, decided in zip(p, [False, True, True], strict=True):
        assert direction_lib.decisions(config, float(value)) == decided

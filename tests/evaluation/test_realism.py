"""Frechet distances of counterfactuals, from sets whose answers are known."""

import numpy as np
import pytest

from jaxstyle.config import Config, EvaluationConfig
from jaxstyle.evaluation import realism
from jaxstyle.evaluation.distribution import frechet_distance
from jaxstyle.evaluation.pictures import Pictures
from jaxstyle.evaluation.record import Record

EVERY = np.ones(100, bool)
# Each image is of another one.
ALONE = np.arange(100)


def _asked(*counts):
    """Zeros and ones, mixed."""
    asked = np.repeat([0, 1], counts)
    return np.random.default_rng(1).permutation(asked)


def _features(asked, seed=0, shift=0.0):
    """Originals of two classes, and others of the class asked for."""
    random = np.random.default_rng(seed)

    def of_class(label):
        noise = random.normal(size=(len(label), 3))
        return noise + 5.0 * np.asarray(label)[:, None]

    original = of_class(1 - asked)
    near = original + 0.1 * random.normal(size=original.shape)
    return Pictures(original, near, of_class(asked) + shift)


def _config(**evaluation):
    return Config(evaluation=EvaluationConfig(bootstraps=40, **evaluation))


def test_equally_many_of_each_class_in_halves():
    asked = _asked(60, 40)
    chosen = np.arange(100) % 10 != 0
    sample = realism.draw("x", asked, chosen, ALONE, 30, 0)
    assert sample is not None
    made = [np.sum((asked == target) & chosen) for target in (0, 1)]
    assert sample.weights == tuple(made)
    # Class 0: 40 real images; class 1: its counterfactuals are the fewest.
    counts = [20, 20, 20, 20] + [made[1] // 2] * 4
    np.testing.assert_array_equal(np.bincount(sample.groups), counts)
    for group in range(8):
        rows = sample.rows[sample.groups == group]
        target, real = divmod(group // 2, 2)
        np.testing.assert_array_equal(asked[rows] == target, not real)
        assert real or chosen[rows].all()
    for pair in range(0, 8, 2):
        both = sample.rows[sample.groups // 2 == pair // 2]
        assert len(np.unique(both)) == len(both)
    again = realism.draw("x", asked, chosen, ALONE, 30, 0)
    np.testing.assert_array_equal(sample.rows, again.rows)
    other = realism.draw("x", asked, chosen, ALONE, 30, 1)
    assert (sample.rows != other.rows).any()


def test_patients_are_in_one_half():
    """But for one at most of each class's, where the halves meet."""
    asked = _asked(60, 40)
    patients = np.random.default_rng(0).integers(0, 25, 100)
    sample = realism.draw("x", asked, EVERY, patients, 4, 0)
    np.testing.assert_array_equal(sample.patients, patients[sample.rows])
    assert np.bincount(sample.groups).tolist() == [20] * 8
    for half in range(0, 8, 2):
        in_both = np.intersect1d(
            *(sample.patients[sample.groups == half + k] for k in (0, 1))
        )
        assert len(in_both) <= 1
    other = realism.draw("x", asked, EVERY, patients, 4, 1)
    assert set(other.patients[:20]) != set(sample.patients[:20])


def test_resamples_take_whole_patients():
    asked = _asked(20, 20)
    patients = np.arange(40) // 4
    sample = realism.draw("x", asked, EVERY[:40], patients, 4, 0)
    sizes = set()

    def metric(rows, groups):
        for half in range(8):
            drawn = np.bincount(rows[groups == half], minlength=40)
            mine = np.bincount(sample.rows[sample.groups == half], minlength=40)
            for patient in np.unique(sample.patients[sample.groups == half]):
                times = drawn[(patients == patient) & (mine > 0)]
                assert len(set(times)) == 1
            sizes.add(int(drawn.sum()))
        return 0.0

    realism._enter(_config(), Record(_config()), "x", 0.0, metric, sample)
    assert len(sizes) > 1


@pytest.mark.parametrize(("least", "refused"), [(40, False), (41, True)])
def test_too_few_images_are_refused(least, refused, caplog):
    sample = realism.draw("walk.fid", _asked(60, 40), EVERY, ALONE, least, 0)
    assert (sample is None) == refused
    told = "walk.fid not measured: 60 counterfactuals towards class 0 and 40"
    assert (told in caplog.text) == refused


def test_distances_are_of_the_pictures_meant():
    """By hand, with other weights than counts."""
    asked = _asked(50, 50)
    features = _features(asked)
    sample = realism.draw("x", asked, EVERY, ALONE, 4, 0)
    comparison = realism.Comparison(features, (1, 3))
    original, near, made = features

    def halves(target, real):
        first = 4 * target + 2 * real
        return [sample.rows[sample.groups == first + k] for k in (0, 1)]

    fid, sfid, of_near, crossed = [], [], [], []
    for target in (0, 1):
        (a, b), (c, d) = halves(target, 0), halves(target, 1)
        ab, cd = np.concatenate([a, b]), np.concatenate([c, d])
        fid.append(frechet_distance(made[ab], original[cd]))
        of_near.append(frechet_distance(near[cd], original[cd]))
        for into, x, (p, q) in ((sfid, made, (a, b)), (crossed, near, (c, d))):
            one = frechet_distance(x[p], original[d])
            into.append((one + frechet_distance(x[q], original[c])) / 2)
    weighted = [
        np.average(pair, weights=(1, 3))
        for pair in (fid, sfid, of_near, crossed)
    ]
    assert len(np.unique(np.round(fid, 6))) == 2
    given = (sample.rows, sample.groups)
    np.testing.assert_allclose(comparison.fid(*given), weighted[0])
    np.testing.assert_allclose(comparison.sfid(*given), weighted[1])
    np.testing.assert_allclose(
        comparison.reconstruction_fid(*given), weighted[2]
    )
    np.testing.assert_allclose(
        comparison.reconstruction_sfid(*given), weighted[3]
    )
    np.testing.assert_allclose(
        comparison.ratio(*given), weighted[1] / weighted[3]
    )


def test_the_yardstick_knows_no_picture_of_the_same_image():
    """Perfect reconstructions are 0 from their own images, not from others."""
    asked = _asked(50, 50)
    features = _features(asked)
    features = features._replace(reconstruction=features.original)
    sample = realism.draw("x", asked, EVERY, ALONE, 4, 0)
    comparison = realism.Comparison(features, sample.weights)
    given = (sample.rows, sample.groups)
    assert comparison.reconstruction_fid(*given) == pytest.approx(0, abs=1e-9)
    assert comparison.reconstruction_sfid(*given) > 0.01


def test_perfect_counterfactuals_have_ratio_1_and_shifted_ones_their_shift():
    asked = _asked(1000, 1000)
    every = np.ones(2000, bool)
    sample = realism.draw("x", asked, every, np.arange(2000), 4, 0)
    given = (sample.rows, sample.groups)
    features = _features(asked)
    features = features._replace(reconstruction=features.original)
    comparison = realism.Comparison(features, sample.weights)
    assert 0.5 < comparison.ratio(*given) < 2
    moved = features._replace(counterfactual=features.counterfactual + 2)
    far = realism.Comparison(moved, sample.weights)
    assert far.fid(*given) == pytest.approx(12, rel=0.05)
    assert far.sfid(*given) == pytest.approx(12, rel=0.1)


def test_numbers_and_details():
    config = _config(frechet_images=20)
    record = Record(config)
    asked = _asked(50, 50)
    flipped = np.arange(100) % 3 > 0
    features = _features(asked)
    # Failures are somewhere else altogether.
    features.counterfactual[~flipped] -= 9
    seen = {"random_conv": features, "other": _features(asked, 1)}
    details = realism.measure(config, record, seen, asked, flipped, ALONE)
    assert set(record.values) == {
        *("walk.fid", "walk.fid_flipped", "walk.sfid", "walk.fid_ratio")
    }
    assert set(details) == {"all", "flipped"}
    numbers = details["all"]["random_conv"]
    assert numbers["images_of_class_0"] == numbers["images_of_class_1"] == 50
    assert record.values["walk.fid"] == numbers["fid"]
    assert record.values["walk.sfid"] == numbers["sfid"]
    assert record.values["walk.fid_ratio"] == pytest.approx(
        numbers["sfid"] / numbers["reconstruction_sfid"]
    )
    only = details["flipped"]["random_conv"]
    assert record.values["walk.fid_flipped"] == only["fid"] < numbers["fid"]
    assert details["all"]["other"]["fid"] != numbers["fid"]
    for key, (low, high) in record.intervals.items():
        assert 0 <= low < record.values[key] < high, key


def test_numbers_are_means_over_draws_and_the_ratio_is_of_means(monkeypatch):
    monkeypatch.setattr(realism, "_DRAWS", 3)
    config = _config(frechet_images=20)
    record = Record(config)
    asked, flipped = _asked(50, 30), np.ones(80, bool)
    features = _features(asked)
    realism.measure(
        *(config, record, {"random_conv": features}),
        *(asked, flipped, ALONE[:80]),
    )
    samples = [
        realism.draw("x", asked, flipped, ALONE[:80], 20, (0, k))
        for k in range(3)
    ]
    assert len({tuple(sample.rows) for sample in samples}) == 3
    comparison = realism.Comparison(features, samples[0].weights)

    def mean(metric):
        return np.mean([metric(s.rows, s.groups) for s in samples])

    ratio = mean(comparison.sfid) / mean(comparison.reconstruction_sfid)
    assert record.values["walk.fid"] == pytest.approx(mean(comparison.fid))
    assert record.values["walk.sfid"] == pytest.approx(mean(comparison.sfid))
    assert record.values["walk.fid_ratio"] == pytest.approx(ratio)


def test_what_cannot_be_measured_is_left_out(caplog):
    config = _config(frechet_images=10)
    record = Record(config)
    asked = _asked(50, 50)
    features = _features(asked)
    features = features._replace(reconstruction=np.ones((100, 3)))
    features = features._replace(original=np.ones((100, 3)))
    flipped = np.arange(100) < 15
    details = realism.measure(
        config, record, {"random_conv": features}, asked, flipped, ALONE
    )
    assert set(details) == {"all"}
    assert set(record.values) == {"walk.fid", "walk.sfid"}
    assert "walk.fid_ratio is not defined" in caplog.text
    assert "walk.fid_flipped not measured" in caplog.text


def test_halves_stay_apart_in_the_resamples():
    """Else a picture would be compared with its own image after all."""
    config = _config()
    asked = _asked(20, 20)
    sample = realism.draw("x", asked, EVERY[:40], ALONE[:40], 4, 0)
    drawn = []

    def metric(rows, groups):
        drawn.append((rows, groups))
        return float(rows.mean())

    record = Record(config)
    realism._enter(config, record, "x", 7.0, metric, sample)
    assert record.values == {"x": 7.0}
    assert len(drawn) == 40
    for rows, groups in drawn:
        np.testing.assert_array_equal(
            np.bincount(groups), np.bincount(sample.groups)
        )
        for group in range(8):
            mine = sample.rows[sample.groups == group]
            assert np.isin(rows[groups == group], mine).all()
    assert any((rows != sample.rows).any() for rows, _ in drawn)

"""Statistics against scikit-learn, SciPy and algebra."""

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

from jaxstyle.evaluation import statistics


@pytest.fixture
def scored():
    generator = np.random.default_rng(0)
    targets = generator.integers(0, 2, 200).astype(np.float32)
    scores = np.round(targets + generator.normal(0, 1, 200), 1)
    return scores, targets


def test_roc_auc_with_ties(scored):
    scores, targets = scored
    assert len(np.unique(scores)) < len(scores)
    assert statistics.roc_auc(scores, targets) == pytest.approx(
        metrics.roc_auc_score(targets, scores), abs=1e-12
    )
    assert statistics.roc_auc(np.zeros(4), np.array([0, 1, 1, 0])) == 0.5
    assert statistics.roc_auc(np.arange(4), np.array([0, 0, 1, 1])) == 1


def test_roc_auc_refuses_one_class_and_nan():
    with pytest.raises(ValueError, match="all 3 targets are 1"):
        statistics.roc_auc(np.arange(3), np.ones(3))
    with pytest.raises(ValueError, match="all 3 targets are 0"):
        statistics.roc_auc(np.arange(3), np.zeros(3))
    with pytest.raises(ValueError, match="finite"):
        statistics.roc_auc(np.array([0, np.nan]), np.array([0, 1]))


def test_accuracy():
    p, targets = np.array([0.5, 0.2, 0.7, 0.9]), np.array([1, 1, 0, 1])
    assert statistics.accuracy(p, targets) == 0.5
    assert statistics.accuracy(p, targets, threshold=0.8) == 0.5
    assert statistics.accuracy(p, targets, threshold=0.1) == 0.75


def test_calibration_error():
    # Two bins of two: |0.2 - 0.5| and |0.9 - 1|, each half of the images.
    p, targets = np.array([0.1, 0.3, 0.8, 1.0]), np.array([0, 1, 1, 1])
    actual = statistics.expected_calibration_error(p, targets, bins=2)
    assert actual == pytest.approx((0.3 + 0.1) / 2)

    generator = np.random.default_rng(0)
    p = generator.uniform(size=1000)
    targets = generator.uniform(size=1000) < p
    expected = 0.0
    for low in np.arange(15) / 15:
        inside = (p >= low) & (p < low + 1 / 15)
        gap = p[inside].mean() - targets[inside].mean()
        expected += abs(gap) * inside.mean()
    actual = statistics.expected_calibration_error(p, targets)
    assert actual == pytest.approx(expected)
    assert actual < 0.06
    assert statistics.expected_calibration_error(1 - p, targets) > 0.3


def test_spearman(scored):
    scores, targets = scored
    expected = stats.spearmanr(scores, targets).statistic  # type: ignore
    assert statistics.spearman(scores, targets) == pytest.approx(expected)
    rising = np.arange(5)
    assert statistics.spearman(rising, np.exp(rising)) == pytest.approx(1)
    assert statistics.spearman(rising, -(rising**3)) == pytest.approx(-1)


def test_spearman_of_a_constant_is_0_and_of_nan_an_error():
    assert statistics.spearman(np.arange(5), np.full(5, 0.3)) == 0
    with pytest.raises(ValueError, match="finite"):
        statistics.spearman(np.array([1, np.nan]), np.array([1, 2]))
    with pytest.raises(ValueError, match=r"shapes \(2,\) and \(3,\)"):
        statistics.spearman(np.arange(2), np.arange(3))


def test_interval_of_a_mean_is_the_normal_one():
    values = np.random.default_rng(0).normal(5, 2, 400)
    low, high = statistics.bootstrap_interval(
        np.mean, values, resamples=2000, seed=0
    )
    error = values.std() / np.sqrt(400)
    assert low == pytest.approx(values.mean() - 1.96 * error, abs=0.03)
    assert high == pytest.approx(values.mean() + 1.96 * error, abs=0.03)
    narrow = statistics.bootstrap_interval(
        np.mean, values, resamples=2000, seed=0, level=0.5
    )
    assert low < narrow[0] < narrow[1] < high


def test_interval_draws_rows_together_and_follows_the_seed():
    a = np.arange(50.0)

    def linked(x, y):
        np.testing.assert_array_equal(y, 2 * x)
        return float(np.mean(x))

    draws = [
        statistics.bootstrap_interval(linked, a, 2 * a, resamples=20, seed=seed)
        for seed in (1, 1, 2)
    ]
    assert draws[0] == draws[1] != draws[2]


def test_whole_patients_are_drawn():
    """Five equal images of each of 80 patients tell no more than one."""
    values = np.random.default_rng(0).normal(size=80)
    patients = np.array([f"patient {n}" for n in range(80)])
    settings = {"resamples": 200, "seed": 0}
    alone = statistics.bootstrap_interval(np.mean, values, **settings)
    together = statistics.bootstrap_interval(
        np.mean, np.tile(values, 5), groups=np.tile(patients, 5), **settings
    )
    np.testing.assert_allclose(together, alone, rtol=1e-12)
    # Taken for independent, they seem to tell as much as five times as many.
    low, high = statistics.bootstrap_interval(
        np.mean, np.tile(values, 5), **settings
    )
    narrower = (high - low) / (alone[1] - alone[0])
    assert narrower == pytest.approx(5**-0.5, rel=0.2)


def test_all_images_of_a_patient_are_drawn_as_often():
    """Of patients with 1 to 6 images, in any order."""
    random = np.random.default_rng(0)
    patients = random.permutation(np.repeat(np.arange(6), np.arange(1, 7)))

    def counted(rows):
        times = np.bincount(rows, minlength=len(patients))
        for patient in range(6):
            assert len(set(times[patients == patient])) == 1
        firsts = [np.flatnonzero(patients == n)[0] for n in range(6)]
        assert times[firsts].sum() == 6
        return 0.0

    statistics.bootstrap_interval(
        counted,
        np.arange(len(patients)),
        resamples=50,
        seed=0,
        groups=patients,
    )


def test_strata_of_patients_with_images_of_both_classes():
    """Those with the finding in any image keep their count, and others."""
    patients = np.array([0, 0, 1, 2, 2, 3, 4])
    targets = np.array([0, 0, 0, 0, 1, 1, 1])

    def counted(patients):
        times = np.bincount(patients, minlength=5) / [2, 1, 2, 1, 1]
        assert [times[:2].sum(), times[2:].sum()] == [2, 3]
        return 0.0

    statistics.bootstrap_interval(
        counted,
        patients,
        resamples=50,
        seed=0,
        stratify=targets,
        groups=patients,
    )


def test_no_resample_lacks_a_class():
    """Only one of three patients has an image without the finding."""
    patients, targets = np.array([0, 0, 1, 2]), np.array([0, 1, 1, 1])

    def counted(targets):
        assert set(targets) == {0, 1}
        return 0.0

    statistics.bootstrap_interval(
        counted,
        targets,
        resamples=50,
        seed=0,
        stratify=targets,
        groups=patients,
    )


def test_stratified_resamples_keep_both_classes():
    targets = np.array([1, 0, 0, 0, 0, 0])
    scores = np.array([0.9, 0.1, 0.2, 0.3, 0.4, 0.95])

    def counted(scores, targets):
        assert targets.sum() == 1
        return statistics.roc_auc(scores, targets)

    low, high = statistics.bootstrap_interval(
        counted, scores, targets, resamples=100, seed=0, stratify=targets
    )
    assert 0 <= low < 0.8 < high == 1


def test_summary(scored):
    scores, targets = scored
    p = 1 / (1 + np.exp(-scores))
    classes = targets.astype(int)
    numbers = statistics.prediction_summary(
        p[:, None], classes, np.arange(len(p)) // 2, 200, 0
    )
    assert numbers["auc"] == pytest.approx(metrics.roc_auc_score(targets, p))
    assert numbers["auc_low"] < numbers["auc"] < numbers["auc_high"]
    assert numbers["accuracy"] == pytest.approx(
        metrics.accuracy_score(targets, p >= 0.5)
    )
    assert numbers["n"] == 200
    assert numbers["expected_calibration_error"] == pytest.approx(
        statistics.expected_calibration_error(p, targets)
    )


def test_an_interval_may_be_centred_on_the_number():
    values = np.random.default_rng(0).normal(size=20) ** 2
    drawn = []

    def metric(x):
        drawn.append(x.max())
        return drawn[-1]

    settings = {"resamples": 60, "seed": 1}
    low, high = statistics.bootstrap_interval(metric, values, **settings)
    # No resample goes beyond the greatest value.
    assert high <= values.max() and np.mean(drawn) < values.max()
    moved = statistics.bootstrap_interval(
        np.max, values, around=values.max(), **settings
    )
    shift = values.max() - np.mean(drawn)
    np.testing.assert_allclose(moved, (low + shift, high + shift))


def test_mean_auc_is_macro_one_against_the_rest():
    random = np.random.default_rng(3)
    classes = random.integers(0, 4, 300)
    p = random.dirichlet(np.ones(4), 300) + np.eye(4)[classes] * 0.3
    p /= p.sum(axis=1, keepdims=True)
    expected = metrics.roc_auc_score(classes, p, multi_class="ovr")
    assert statistics.mean_auc(p, classes) == pytest.approx(expected)
    numbers = statistics.prediction_summary(
        p, classes, np.arange(len(p)), 100, 0
    )
    assert numbers["auc"] == pytest.approx(expected)
    assert numbers["auc_low"] < expected < numbers["auc_high"]
    assert numbers["accuracy"] == np.mean(p.argmax(axis=1) == classes)
    errors = [
        statistics.expected_calibration_error(p[:, n], classes == n)
        for n in range(4)
    ]
    assert numbers["expected_calibration_error"] == pytest.approx(
        np.mean(errors)
    )


def test_a_class_that_no_image_is_of_is_left_out_of_the_mean():
    p = np.array([[0.7, 0.0, 0.3], [0.1, 0.0, 0.9], [0.4, 0.0, 0.6]])
    assert statistics.mean_auc(p, np.array([0, 2, 2])) == 1.0
    with pytest.raises(ValueError, match="both classes"):
        statistics.mean_auc(p, np.array([2, 2, 2]))

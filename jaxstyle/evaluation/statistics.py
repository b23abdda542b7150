"""Numbers about predictions, and how sure they are."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import stats


def roc_auc(scores: np.ndarray, targets: np.ndarray) -> float:
    """Area under the ROC curve: P(score of a 1 > score of a 0), ties half.

    The Mann-Whitney statistic from mid-ranks (Hanley and McNeil 1982).

    Args:
      scores: [N], finite; higher means more positive.
      targets: [N] of 0 and 1.

    Raises:
      ValueError: if only one class is there, or a score is not finite.
    """
    scores, positive = np.asarray(scores), np.asarray(targets) > 0.5
    positives = int(positive.sum())
    negatives = len(positive) - positives
    if positives == 0 or negatives == 0:
        raise ValueError(
            "the AUC needs both classes, but all "
            f"{len(positive)} targets are {int(positives > 0)}"
        )
    if not np.all(np.isfinite(scores)):
        raise ValueError("the AUC needs finite scores")
    rank_sum = stats.rankdata(scores)[positive].sum()
    wins = rank_sum - positives * (positives + 1) / 2
    return float(wins / (positives * negatives))


def mean_auc(scores: np.ndarray, classes: np.ndarray) -> float:
    """Each class against the rest, averaged (macro one-vs-rest AUC).

    Args:
      scores: [N, K], finite, a column per class; or [N, 1], of class 1
        against class 0.
      classes: int [N]; of those that no image, or each, is of, there is no
        AUC, and they are left out.

    Raises:
      ValueError: if there is one class only, or a score is not finite.
    """
    if scores.shape[1] == 1:
        return roc_auc(scores[:, 0], classes)
    there = np.unique(classes)
    # Of one class alone `roc_auc` says what is wrong.
    return float(np.mean([roc_auc(scores[:, n], classes == n) for n in there]))


def accuracy(
    probabilities: np.ndarray, targets: np.ndarray, threshold: float = 0.5
) -> float:
    """Share of images on whose side of the threshold p lies, [N], [N].

    `p >= threshold` decides for the finding.
    """
    decided = np.asarray(probabilities) >= threshold
    return float(np.mean(decided == (np.asarray(targets) > 0.5)))


def expected_calibration_error(
    probabilities: np.ndarray, targets: np.ndarray, bins: int = 15
) -> float:
    """Mean over images of |mean p - share of positives| in p's bin.

    Guo et al. 2017 (arXiv:1706.04599, eq. 3), of the finding's probability.

    Args:
      probabilities: [N] in [0, 1].
      targets: [N] of 0 and 1.
      bins: of equal width over [0, 1].
    """
    p = np.asarray(probabilities, np.float64)
    gap = p - np.asarray(targets, np.float64)
    index = np.minimum((p * bins).astype(np.int64), bins - 1)
    # |sum of gaps| in a bin is its count times |mean p - share|.
    sums = np.bincount(index, weights=gap, minlength=bins)
    return float(np.abs(sums).sum() / len(p))


def spearman(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's rank correlation of [N] and [N], ties at mid-ranks.

    Where one of them is constant the correlation is undefined, and 0 is
    returned: nothing rises with the other.

    Raises:
      ValueError: if a value is not finite, or there are fewer than 2.
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.shape != b.shape or a.ndim != 1 or len(a) < 2:
        raise ValueError(
            f"need two equally long series of 2 or more values, not shapes "
            f"{a.shape} and {b.shape}"
        )
    if not (np.all(np.isfinite(a)) and np.all(np.isfinite(b))):
        raise ValueError("the rank correlation needs finite values")
    x = stats.rankdata(a) - (len(a) + 1) / 2
    y = stats.rankdata(b) - (len(b) + 1) / 2
    scale = np.sqrt((x @ x) * (y @ y))
    return float(x @ y / scale) if scale > 0 else 0.0


def bootstrap_interval(
    metric: Callable[..., float],
    *arrays: np.ndarray,
    resamples: int,
    seed: int,
    stratify: np.ndarray | None = None,
    groups: Sequence[str] | np.ndarray | None = None,
    level: float = 0.95,
    around: float | None = None,
) -> tuple[float, float]:
    """Percentile bootstrap interval (Efron and Tibshirani 1993, ch. 13).

    Images of one patient resemble each other. Drawn one by one they would
    count as independent, and the interval would be too narrow: whole
    patients are drawn (the cluster bootstrap; Davison and Hinkley 1997,
    section 3.8).

    Args:
      metric: called with resampled rows of `arrays`.
      *arrays: each [N, ...]; the same rows are drawn from all.
      resamples: how many.
      seed: of the draws.
      stratify: [N] labels; each resample keeps the count of each, or of
        groups by their highest label, and one that lacks a label is drawn
        anew. Give the targets for an AUC.
      groups: [N], the patient of each row; None takes each for its own.
      level: share of the resamples inside of the interval.
      around: the number itself, for one that repeated rows bias: the
        interval is moved to where the resamples' mean falls on it.

    Returns:
      (low, high).
    """
    generator = np.random.default_rng(seed)
    count = len(arrays[0])
    labels = np.zeros(count) if stratify is None else np.asarray(stratify)
    strata = _strata(
        labels, np.arange(count) if groups is None else np.asarray(groups)
    )
    classes = len(np.unique(labels))
    values = []
    for _ in range(resamples):
        rows = _resample(generator, strata)
        while len(np.unique(labels[rows])) < classes:
            rows = _resample(generator, strata)
        values.append(metric(*(np.asarray(array)[rows] for array in arrays)))
    tail = (1 - level) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    shift = 0.0 if around is None else around - np.mean(values)
    return float(low + shift), float(high + shift)


class _Stratum(NamedTuple):
    """The rows of G groups, one group behind the other.

    Attributes:
      rows: of all of them.
      starts: where each group begins in `rows`, [G].
      lengths: [G].
    """

    rows: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray


def _strata(labels: np.ndarray, groups: np.ndarray) -> list[_Stratum]:
    """Groups by the highest label that is found in them."""
    members: dict[Any, list[int]] = defaultdict(list)
    for row, group in enumerate(groups.tolist()):
        members[group].append(row)
    strata: dict[float, list[list[int]]] = defaultdict(list)
    for rows in members.values():
        strata[labels[rows].max()].append(rows)
    return [_stratum(strata[found]) for found in sorted(strata)]


def _stratum(members: list[list[int]]) -> _Stratum:
    lengths = np.asarray([len(rows) for rows in members])
    starts = np.cumsum(lengths) - lengths
    return _Stratum(np.concatenate(members), starts, lengths)


def _resample(
    generator: np.random.Generator, strata: list[_Stratum]
) -> np.ndarray:
    return np.concatenate([_drawn(generator, each) for each in strata])


def _drawn(generator: np.random.Generator, stratum: _Stratum) -> np.ndarray:
    """The rows of as many groups as there are, drawn with replacement."""
    count = len(stratum.lengths)
    picked = generator.integers(0, count, count)
    lengths = stratum.lengths[picked]
    # Each drawn row's place in its group: 0, 1, ..., and anew at the next.
    places = np.arange(lengths.sum())
    places -= np.repeat(np.cumsum(lengths) - lengths, lengths)
    return stratum.rows[np.repeat(stratum.starts[picked], lengths) + places]


def mean_and_interval(
    name: str,
    values: np.ndarray,
    groups: Sequence[str] | np.ndarray,
    *,
    resamples: int,
    seed: int,
) -> dict[str, float]:
    """The mean over images and its 95 % interval over patients.

    Args:
      name: of the number.
      values: [N], one at least.
      groups: the patient of each image, [N].
      resamples: how many.
      seed: of the draws.

    Returns:
      name and, of two patients or more, name_low and name_high: one alone
      does not tell how others vary.
    """
    mean = float(np.mean(values))
    if len(np.unique(groups)) < 2:
        return {name: mean}
    low, high = bootstrap_interval(
        lambda x: float(np.mean(x)),
        values,
        resamples=resamples,
        seed=seed,
        groups=groups,
    )
    return {name: mean, f"{name}_low": low, f"{name}_high": high}


def prediction_summary(
    probabilities: np.ndarray,
    classes: np.ndarray,
    groups: Sequence[str],
    resamples: int,
    seed: int,
) -> dict[str, Any]:
    """The numbers of a predictor on one split.

    Args:
      probabilities: [N, K] in [0, 1]; or [N, 1], of class 1.
      classes: int [N], two or more present.
      groups: the patient of each image, [N].
      resamples: for the AUC's 95 % interval, stratified by class.
      seed: of the resamples.

    Returns:
      auc (see `mean_auc`), auc_low, auc_high, accuracy, n, and
      expected_calibration_error: of class 1, or averaged over the classes.
    """
    low, high = bootstrap_interval(
        mean_auc,
        probabilities,
        classes,
        resamples=resamples,
        seed=seed,
        stratify=classes,
        groups=groups,
    )
    return {
        "auc": mean_auc(probabilities, classes),
        "auc_low": low,
        "auc_high": high,
        **_calibrated(probabilities, classes),
        "n": len(probabilities),
    }


def _calibrated(
    probabilities: np.ndarray, classes: np.ndarray
) -> dict[str, float]:
    """accuracy, and expected_calibration_error."""
    count = probabilities.shape[1]
    if count == 1:
        right = accuracy(probabilities[:, 0], classes)
        errors = [expected_calibration_error(probabilities[:, 0], classes)]
    else:
        right = float(np.mean(np.argmax(probabilities, axis=1) == classes))
        errors = [
            expected_calibration_error(probabilities[:, n], classes == n)
            for n in range(count)
        ]
    return {
        "accuracy": right,
        "expected_calibration_error": float(np.mean(errors)),
    }

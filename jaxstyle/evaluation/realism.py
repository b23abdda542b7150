"""Whether counterfactuals look like real images of the class asked for.

Frechet distances in the features of a network, for each class asked for,
averaged by the number of counterfactuals. Real images of a class are the
rendered originals (the test split, unless `walk` says otherwise) for which
f decides so; the truth is not asked.

With few images the distance is biased upwards, the more the fewer there
are, and below as many images as features the covariances do not have full
rank. So a number compares only with one of equally many images: each class
has as many counterfactuals as real images here, and the ratio divides by
the same distance of reconstructions, of the same counts.

Images of one patient resemble each other. In both halves they would make the
yardstick look closer to real images than another patient's pictures can be: so
patients, too, are in one half or the other.

Which images are drawn, and into which halves, moves the ratio a lot: on 400
chest X-rays from 0.9 to 3.3. So all numbers are means over several draws, and
the ratio is one of means.
"""

import dataclasses
import logging
from collections.abc import Callable, Sequence

import numpy as np
import threadpoolctl

from jaxstyle import run_log
from jaxstyle.config import Config
from jaxstyle.evaluation import features as features_lib
from jaxstyle.evaluation import statistics
from jaxstyle.evaluation.distribution import frechet_distance
from jaxstyle.evaluation.pictures import Pictures
from jaxstyle.evaluation.record import Record

# A distance takes up to a second, and an interval many of them.
_MOST_RESAMPLES = 100
# Of images and halves.
_DRAWS = 50

# Two random halves of rows.
Halves = tuple[np.ndarray, np.ndarray]
# What the distances of one sample are worked out from: see `Comparison`.
Metric = Callable[[np.ndarray, np.ndarray], float]


@dataclasses.dataclass(frozen=True)
class Sample:
    """Which pictures are compared.

    Attributes:
      rows: of the pictures, [M].
      groups: 4 * class + 2 * real + half of each, [M]; real is 0 for rows
        whose counterfactual is meant, 1 for real images.
      patients: of the rows, [M].
      weights: counterfactuals of class 0 and of class 1.
    """

    rows: np.ndarray
    groups: np.ndarray
    patients: np.ndarray
    weights: tuple[int, int]


def draw(
    name: str,
    asked: np.ndarray,
    chosen: np.ndarray,
    patients: np.ndarray,
    least: int,
    seed: int | Sequence[int],
) -> Sample | None:
    """Equally many counterfactuals and real images of each class, halved.

    Args:
      name: what is measured, for the warning.
      asked: the class asked for, [N]; f decides for the other one.
      chosen: whose counterfactuals count, bool [N]. All originals do.
      patients: of the images, [N]. Of each class's at most one is in both
        halves.
      least: fewer images of a class are refused.
      seed: of the choice and the halves.

    Returns:
      The sample; None, and a warning, where a class has too few.
    """
    random = np.random.default_rng(seed)
    rows, groups, weights = [], [], []
    for target in (0, 1):
        made = np.flatnonzero((asked == target) & chosen)
        made = _shuffled(random, made, patients)
        real = _shuffled(random, np.flatnonzero(asked != target), patients)
        half = min(len(made), len(real)) // 2
        if 2 * half < least:
            logging.warning(
                "%s not measured: %d counterfactuals towards class %d and %d "
                "real images of it, but evaluation.frechet_images is %d",
                name,
                len(made),
                target,
                len(real),
                least,
            )
            return None
        for number, part in enumerate((made, real)):
            rows.append(part[: 2 * half])
            groups.append(
                np.repeat(4 * target + 2 * number + np.arange(2), half)
            )
        weights.append(len(made))
    drawn = np.concatenate(rows)
    return Sample(
        *(drawn, np.concatenate(groups), patients[drawn]),
        weights=(weights[0], weights[1]),
    )


def _shuffled(
    random: np.random.Generator, rows: np.ndarray, patients: np.ndarray
) -> np.ndarray:
    """In random order, but those of one patient behind each other."""
    rows = random.permutation(rows)
    _, first, which = np.unique(
        patients[rows], return_index=True, return_inverse=True
    )
    return rows[np.argsort(first[which], kind="stable")]


class Comparison:
    """The distances of a sample, from the features of its pictures.

    Each takes `rows` and `groups` of a `Sample`, possibly resampled.

    Args:
      features: of the pictures, [N, D].
      weights: of the classes.
    """

    def __init__(self, features: Pictures, weights: tuple[int, int]) -> None:
        self._features, self._weights = features, weights

    def fid(self, rows: np.ndarray, groups: np.ndarray) -> float:
        """Counterfactuals against real images of the class asked for."""
        made = self._features.counterfactual
        return self._mean(
            lambda asked, real: self._whole(made, asked, real), rows, groups
        )

    def sfid(self, rows: np.ndarray, groups: np.ndarray) -> float:
        """The same between halves, both ways averaged.

        sFID of Jeanneret et al. 2023 (CVPR, arXiv:2303.09962), whose
        counterfactuals share pixels with the images that they are compared
        with. Ours do not, f deciding otherwise for their originals; but
        reconstructions do, and only this has a fair yardstick.
        """
        made = self._features.counterfactual
        return self._mean(
            lambda asked, real: self._crossed(made, asked, real), rows, groups
        )

    def reconstruction_fid(self, rows: np.ndarray, groups: np.ndarray) -> float:
        """Reconstructions of the real images against these very images."""
        made = self._features.reconstruction
        return self._mean(
            lambda _, real: self._whole(made, real, real), rows, groups
        )

    def reconstruction_sfid(
        self, rows: np.ndarray, groups: np.ndarray
    ) -> float:
        """Reconstructions of one half against real images of the other."""
        made = self._features.reconstruction
        return self._mean(
            lambda _, real: self._crossed(made, real, real), rows, groups
        )

    def ratio(self, rows: np.ndarray, groups: np.ndarray) -> float:
        """`sfid` of counterfactuals, as a multiple of reconstructions'.

        1: a counterfactual looks as real as what the generator makes of a
        real image of the class. Infinite where the latter is 0.
        """
        return _multiple(
            self.sfid(rows, groups), self.reconstruction_sfid(rows, groups)
        )

    def _mean(
        self,
        distance: Callable[[Halves, Halves], float],
        rows: np.ndarray,
        groups: np.ndarray,
    ) -> float:
        total = 0.0
        for target, weight in enumerate(self._weights):
            a, b, c, d = (rows[groups == 4 * target + k] for k in range(4))
            total += weight * distance((a, b), (c, d))
        return total / sum(self._weights)

    def _whole(self, made: np.ndarray, a: Halves, b: Halves) -> float:
        rows, real = np.concatenate(a), np.concatenate(b)
        return frechet_distance(made[rows], self._features.original[real])

    def _crossed(self, made: np.ndarray, a: Halves, b: Halves) -> float:
        original = self._features.original
        there = frechet_distance(made[a[0]], original[b[1]])
        return (there + frechet_distance(made[a[1]], original[b[0]])) / 2


# On cores that do other things, too, LAPACK's threads wait for each other most
# of the time: an eigenvalue problem of 224 features took 1.5 s, not 0.02.
@threadpoolctl.threadpool_limits.wrap(limits=1)
def measure(
    config: Config,
    record: Record,
    features: dict[str, Pictures],
    asked: np.ndarray,
    flipped: np.ndarray,
    patients: np.ndarray,
) -> dict[str, dict[str, dict[str, float]]]:
    """Enters the distances on the default network.

    Args:
      config: the least images, the resamples.
      record: gets walk.fid, walk.sfid, walk.fid_ratio (over all images) and
        walk.fid_flipped, where they can be measured.
      features: of the pictures by network.
      asked: the class asked for, [N].
      flipped: bool [N].
      patients: of the images, [N].

    Returns:
      All distances by "all" and "flipped", network, and name.
    """
    flat = {
        "all": {
            "walk.fid": "fid",
            "walk.sfid": "sfid",
            "walk.fid_ratio": "ratio",
        },
        "flipped": {"walk.fid_flipped": "fid"},
    }
    chosen = {"all": np.ones(len(asked), bool), "flipped": flipped}
    details: dict[str, dict[str, dict[str, float]]] = {}
    for subset, keys in flat.items():
        samples = _draws(
            config, ", ".join(keys), asked, chosen[subset], patients
        )
        if not samples:
            continue
        first = samples[0]
        details[subset] = {
            name: _numbers(Comparison(seen, first.weights), samples)
            for name, seen in features.items()
        }
        default = Comparison(features[features_lib.DEFAULT], first.weights)
        numbers = dict(details[subset][features_lib.DEFAULT])
        numbers["ratio"] = _multiple(
            numbers["sfid"], numbers["reconstruction_sfid"]
        )
        for key, name in keys.items():
            metric = getattr(default, name)
            _enter(config, record, key, numbers[name], metric, first)
    return details


def _multiple(distance: float, yardstick: float) -> float:
    return distance / yardstick if yardstick else np.inf


def _draws(
    config: Config,
    name: str,
    asked: np.ndarray,
    chosen: np.ndarray,
    patients: np.ndarray,
) -> list[Sample]:
    """Several of `draw`; none where a class has too few."""
    samples = []
    for number in range(_DRAWS):
        sample = draw(
            *(name, asked, chosen, patients),
            config.evaluation.frechet_images,
            (config.seed, number),
        )
        if sample is None:
            break
        samples.append(sample)
    return samples


def _numbers(
    comparison: Comparison, samples: Sequence[Sample]
) -> dict[str, float]:
    """The means over the samples, and how many images are in each."""
    metrics = {
        "fid": comparison.fid,
        "sfid": comparison.sfid,
        "reconstruction_fid": comparison.reconstruction_fid,
        "reconstruction_sfid": comparison.reconstruction_sfid,
    }
    numbers = {
        name: float(np.mean([metric(s.rows, s.groups) for s in samples]))
        for name, metric in metrics.items()
    }
    for target in (0, 1):
        count = np.sum(samples[0].groups // 2 == 2 * target)
        numbers[f"images_of_class_{target}"] = int(count)
    return numbers


def _enter(
    config: Config,
    record: Record,
    key: str,
    value: float,
    metric: Metric,
    sample: Sample,
) -> None:
    """The number and its interval, which resamples patients of each half.

    Halves stay apart so. Drawing one twice leaves fewer different images,
    which raises the distance: the interval is centred on the number. It is
    that of one draw, wider than one of all draws' mean would be.
    """
    if not np.isfinite(value):
        logging.warning("%s is not defined: reconstructions are perfect", key)
        return
    resamples = min(config.evaluation.bootstraps, _MOST_RESAMPLES)
    progress = run_log.Progress(f"{key} interval", resamples, "resamples")
    turns = iter(range(1, resamples + 1))

    def counted(rows: np.ndarray, groups: np.ndarray) -> float:
        found = metric(rows, groups)
        progress.update(next(turns))
        return found

    interval = statistics.bootstrap_interval(
        counted,
        sample.rows,
        sample.groups,
        resamples=resamples,
        seed=config.seed,
        stratify=sample.groups,
        # Drawn for each half by itself, whatever else a patient is in.
        groups=[
            f"{half} {patient}"
            for half, patient in zip(
                sample.groups, sample.patients, strict=True
            )
        ],
        around=value,
    )
    # A distance is not negative, wherever its interval was moved to.
    record.put(key, value, (max(interval[0], 0.0), interval[1]))

"""Compares the methods of finding a direction, on the same encoded images.

Writes WORKDIR/compare_directions/: methods/<method>.json and .npz, each as
soon as the method is measured, and not measured again by a later run;
comparison.png, the walks of a few images under each other; and result.json.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxstyle import predictors, run_log, workdir
from jaxstyle.config import Config
from jaxstyle.config.checks import require
from jaxstyle.data import pipeline
from jaxstyle.evaluation import statistics
from jaxstyle.explain import compare_files, compare_walks, search

_MEASURES = ("flip_lambda", "proximity", "off_target")


def run(config: Config, root: str | Path) -> dict[str, Any]:
    """Fits and walks with every method; goes on where it was stopped.

    The images are the first `walk.limit` of `walk.split`, and their walks
    start at E(x).

    Returns:
      What `summary` returns.

    Raises:
      ConfigError: if the config asks for other images than a split.
    """
    started = time.monotonic()
    require(
        not config.walk.images,
        "walk.images",
        config.walk.images,
        "directions are compared on a split; leave it empty",
    )
    stage = workdir.begin(config, root, "compare_directions")
    predictors.claim(stage.path, predictors.load(config, root), config)
    files = compare_files.Files(stage.path)
    methods = compare_walks.METHODS
    waiting = [method for method in methods if not files.is_done(method)]
    if waiting:
        _measure(config, root, files, waiting)
    files.draw(methods, config)
    measured = {method: files.numbers(method) for method in methods}
    split = pipeline.open_asked(config, root, config.walk.split)
    groups = split.groups[: config.walk.limit or None]
    result = summary(config, measured, groups)
    workdir.finish(stage, result, time.monotonic() - started)
    return result


def summary(
    config: Config,
    measured: dict[str, dict[str, Any]],
    groups: Sequence[str],
) -> dict[str, Any]:
    """The numbers of all methods, without those of single images.

    Args:
      config: bootstraps and seed of the intervals.
      measured: what `Comparison` found, by method.
      groups: the patient of each image, in their order.

    Returns:
      images; flipped_by_all, how many are flipped with every method; and
      under each method's name the numbers of its fit, its fidelity, counts
      by status, flip_rate (with f asked about rendered frames; an image
      whose reconstruction it judges differently counts as a failure), and
      the means of flip_lambda, proximity and off_target over the images
      that it flips. These differ from method to method, so the means over
      those that all methods flip follow as `<name>_common`. 95 % intervals
      over patients are `<name>_low` and `<name>_high`.
    """
    flipped = np.array(
        [
            [walk["flipped"] for walk in numbers["walks"]]
            for numbers in measured.values()
        ]
    )
    common = np.logical_and.reduce(flipped)
    patients = np.asarray(groups)
    result: dict[str, Any] = {
        "images": len(common),
        "flipped_by_all": int(common.sum()),
    }
    for (method, numbers), mine in zip(measured.items(), flipped, strict=True):
        walks = numbers["walks"]
        result[method] = {
            **{key: value for key, value in numbers.items() if key != "walks"},
            **_statuses(walks),
            **_mean(config, "flip_rate", mine.astype(np.float64), patients),
        }
        for name in _MEASURES:
            for suffix, some in (("", mine), ("_common", common)):
                values = [walks[n][name] for n in np.flatnonzero(some)]
                result[method] |= _mean(
                    config, name + suffix, values, patients[some]
                )
    return result


def _measure(
    config: Config,
    root: str | Path,
    files: compare_files.Files,
    waiting: list[str],
) -> None:
    compare = compare_walks.Comparison(config, root)
    count, total = compare.count, len(compare_walks.METHODS)
    done = (total - len(waiting)) * count
    progress = run_log.Progress(
        "compare directions", total * count, "walks", done
    )
    for method in waiting:

        def tell(walked: int, done: int = done, method: str = method) -> None:
            progress.update(done + walked, method)

        files.write(method, *compare(method, tell))
        done += count


def _statuses(walks: list[dict[str, Any]]) -> dict[str, int]:
    names = (search.FLIPPED, search.NO_FLIP, search.NOT_EXPLAINED)
    found = [walk["status"] for walk in walks]
    return {name: found.count(name) for name in names}


def _mean(
    config: Config, name: str, values: Any, groups: np.ndarray
) -> dict[str, float]:
    """Mean and interval; nothing where there is no value."""
    if not len(values):
        return {}
    return statistics.mean_and_interval(
        name,
        np.asarray(values),
        groups,
        resamples=config.evaluation.bootstraps,
        seed=config.seed,
    )

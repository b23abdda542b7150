"""The benchmark's numbers over all runs."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxstyle.config.faithfulness import FaithfulnessConfig
from jaxstyle.evaluation import statistics
from jaxstyle.explain import search
from jaxstyle.faithfulness.explanations import (
    COUNTERFACTUAL,
    GRAD_CAM,
    METHODS,
)
from jaxstyle.faithfulness.planting import CLASS
from jaxstyle.faithfulness.verdicts import (
    REACTS,
    SPECIFIC,
    UNSPECIFIC,
    Record,
    mean_and_interval,
    run_verdict,
)

_SCORES = ("iou", "pointing")
_DECIDED = (SPECIFIC, UNSPECIFIC)


def summarised(
    config: FaithfulnessConfig, records: Sequence[Record]
) -> dict[str, Any]:
    """The benchmark's numbers.

    Args:
      config: bounds, and resamples.
      records: of `measure.run`.

    Returns:
      "runs", one for each record (see `verdicts.run_verdict`), and
      "summary" (rates over runs, means over images, all with 95 % bootstrap
      intervals).
    """
    runs = [run_verdict(config, record) for record in records]
    kinds = [run for run in runs if run["target"] != CLASS and run["learnt"]]
    scored = [
        record
        for record in records
        if record["target"] != CLASS and record["learnt"]
    ]
    overall = {
        "runs": len(runs),
        "not_learnt": [
            {key: run[key] for key in ("seed", "target", "accuracy")}
            for run in runs
            if not run["learnt"]
        ],
        "f_reacts": _reacting(runs),
        "methods": {
            method: {
                "found": _found_rate(config, kinds, method),
                "specific": _specific_rate(config, runs, method),
                **means(config, scored, method),
            }
            for method in METHODS
        },
        "kinds": {
            kind: _kind(config, kind, kinds, scored)
            for kind in config.plants.kinds
        },
        "explained": explained(config, scored),
    }
    return {"runs": runs, "summary": overall}


def headline(summary: dict[str, Any]) -> dict[str, Any]:
    """The means of a summary, by method and score, for a log."""
    told: dict[str, Any] = {
        "explained": summary["explained"]["mean"],
        "not_learnt": len(summary["not_learnt"]),
        "f_reacts": len(summary["f_reacts"]),
    }
    names = ("found", "specific", *_SCORES, "enrichment")
    for method, numbers in summary["methods"].items():
        told |= {f"{method}.{name}": numbers[name]["mean"] for name in names}
    return told


def _found_rate(
    config: FaithfulnessConfig, runs: Sequence[Record], method: str
) -> dict[str, Any]:
    """Over runs, and resampled over runs: how it varies with training."""
    found = [run["methods"][method]["found"] for run in runs]
    return mean_and_interval(config, np.asarray(found, np.float64), 0)


def _specific_rate(
    config: FaithfulnessConfig, runs: Sequence[Record], method: str
) -> dict[str, Any]:
    """Over pairs of a classifier and another kind that it ignores.

    Resampled by pairs; those of the class's classifier are among them.
    """
    statuses = [
        one["status"]
        for run in runs
        if run["learnt"]
        for one in run["methods"][method]["foreign"].values()
    ]
    right = [one == SPECIFIC for one in statuses if one in _DECIDED]
    return mean_and_interval(config, np.asarray(right, np.float64), 0)


def means(
    config: FaithfulnessConfig, records: Sequence[Record], method: str
) -> dict[str, Any]:
    """IoU, pointing game, own enrichment over all images, and ratios.

    Resampled within each run, so that the intervals tell how sure the means
    are for these trained networks.
    """
    runs = np.concatenate(
        [
            np.full(len(record["images"]), number)
            for number, record in enumerate(records)
        ]
        or [np.zeros(0)]
    )
    told = {
        score: mean_and_interval(
            config, values(records, method, score), 0, runs
        )
        for score in (*_SCORES, "enrichment")
    }
    if method != GRAD_CAM:
        told["iou_to_grad_cam"] = _ratio(
            config,
            values(records, method, "iou"),
            values(records, GRAD_CAM, "iou"),
            runs,
        )
    return told


def values(records: Sequence[Record], method: str, score: str) -> np.ndarray:
    """One score of all images of these runs, [N]."""
    found = []
    for record in records:
        for row in record["images"]:
            value = row["methods"][method][score]
            if score == "enrichment":
                value = value[record["target"]]
            found.append(value)
    return np.asarray(found, np.float64)


def _ratio(
    config: FaithfulnessConfig,
    above: np.ndarray,
    below: np.ndarray,
    runs: np.ndarray,
) -> dict[str, Any]:
    """The ratio of means of two methods on the same images.

    None is a ratio to 0.
    """

    # The share of both means is finite where Grad-CAM's is 0, too.
    def share(a: np.ndarray, b: np.ndarray) -> float:
        total = a.mean() + b.mean()
        return float(a.mean() / total) if total > 0 else 0.5

    if not len(above):
        return {"ratio": None, "low": None, "high": None}
    ends = statistics.bootstrap_interval(
        share,
        above,
        below,
        resamples=config.bootstraps,
        seed=0,
        stratify=runs,
    )
    low, high = (_odds(end) for end in ends)
    return {"ratio": _odds(share(above, below)), "low": low, "high": high}


def _odds(share: float) -> float | None:
    """None where it is infinite."""
    return share / (1 - share) if share < 1 else None


def _kind(
    config: FaithfulnessConfig,
    kind: str,
    runs: Sequence[Record],
    records: Sequence[Record],
) -> dict[str, Any]:
    """By method, the same of one kind alone; "runs" is their number."""
    mine = [run for run in runs if run["target"] == kind]
    told = [record for record in records if record["target"] == kind]
    return {
        "runs": len(mine),
        "explained": explained(config, told),
        "methods": {
            method: {
                "found": sum(run["methods"][method]["found"] for run in mine),
                **means(config, told, method),
            }
            for method in METHODS
        },
    }


def explained(
    config: FaithfulnessConfig, records: Sequence[Record]
) -> dict[str, Any]:
    """The share of images that have a counterfactual."""
    flipped = [
        row["status"] == search.FLIPPED
        for record in records
        for row in record["images"]
    ]
    return mean_and_interval(config, np.asarray(flipped, np.float64), 0)


def _reacting(runs: Sequence[Record]) -> list[dict[str, Any]]:
    """Pairs whose classifier uses a kind that it was not trained for."""
    return [
        {
            "seed": run["seed"],
            "target": run["target"],
            "kind": kind,
            "change": run["reactions"][kind]["change"],
            "enrichment": one["mean"],
        }
        for run in runs
        if run["learnt"]
        for kind, one in run["methods"][COUNTERFACTUAL]["foreign"].items()
        if one["status"] == REACTS
    ]

"""Found, and nothing else: what the scores of one run say.

Pure functions of the records of `measure`. The same rules hold for every
method. An image without a counterfactual has 0 in all scores of what was to
be found; where nothing may be found it is left out, as it shows nothing.
"""

from typing import Any

import numpy as np

from jaxstyle.config.faithfulness import FaithfulnessConfig
from jaxstyle.evaluation import statistics
from jaxstyle.explain import search
from jaxstyle.faithfulness.explanations import COUNTERFACTUAL, METHODS
from jaxstyle.faithfulness.planting import CLASS

SPECIFIC, UNSPECIFIC = "specific", "not specific"
REACTS, UNDEFINED = "f reacts", "not defined"

Record = dict[str, Any]


def run_verdict(config: FaithfulnessConfig, record: Record) -> dict[str, Any]:
    """What one record says.

    Returns:
      The record without its images, their number "n" and that of the
      "flipped", and by method "found" with the mean "enrichment" and its
      interval, and "foreign": by other kind mean enrichment, interval, n and
      status.
    """
    rows = record["images"]
    told = {
        key: record[key]
        for key in ("seed", "target", "learnt", "auc", "accuracy", "reactions")
    }
    flipped = sum(row["status"] == search.FLIPPED for row in rows)
    methods = {}
    for method in METHODS if record["learnt"] else ():
        foreign = {
            kind: foreign_verdict(config, record, method, kind)
            for kind in config.plants.kinds
            if kind != record["target"]
        }
        methods[method] = {"foreign": foreign}
        if record["target"] != CLASS:
            methods[method] |= own_verdict(config, record, method, foreign)
    return {**told, "n": len(rows), "flipped": flipped, "methods": methods}


def own_verdict(
    config: FaithfulnessConfig,
    record: Record,
    method: str,
    foreign: dict[str, dict[str, Any]],
) -> dict[str, Any]:
    """Whether a method finds what f has learnt.

    It does if the mean enrichment in the kind's mask is above
    `found_enrichment` and above that in every other kind's, and the lower
    end of its interval is above 1.
    """
    values = np.asarray(
        [
            row["methods"][method]["enrichment"][record["target"]]
            for row in record["images"]
        ]
    )
    told = mean_and_interval(config, values, record["seed"])
    others = [one["mean"] for one in foreign.values() if one["n"]]
    found = bool(
        told["n"]
        and told["low"] > 1
        and told["mean"] > max([config.found_enrichment, *others])
    )
    return {"found": found, "enrichment": told}


def foreign_verdict(
    config: FaithfulnessConfig, record: Record, method: str, kind: str
) -> dict[str, Any]:
    """Whether a method leaves alone what f has not learnt.

    Pairs of which f itself reacts to the kind are told apart: there a
    faithful explanation shows it. "control" is the mean enrichment in the
    places where the kind would be, in images without it: what f looks at
    there for other reasons.
    """
    shown = [
        row["methods"][method]
        for row in record["images"]
        if method != COUNTERFACTUAL or row["status"] == search.FLIPPED
    ]
    values, control = (
        [one[name][kind] for one in shown if kind in one[name]]
        for name in ("enrichment", "control")
    )
    told = mean_and_interval(config, np.asarray(values), record["seed"])
    told["control"] = float(np.mean(control)) if control else None
    reaction = record["reactions"].get(kind, {}).get("change", 0.0)
    if not values:
        status = UNDEFINED
    elif reaction >= config.reaction:
        status = REACTS
    elif told["mean"] < config.foreign_enrichment:
        status = SPECIFIC
    else:
        status = UNSPECIFIC
    return {**told, "status": status}


def mean_and_interval(
    config: FaithfulnessConfig,
    values: np.ndarray,
    seed: int,
    stratify: np.ndarray | None = None,
) -> dict[str, Any]:
    """ "mean", "low", "high" (None without values) and "n"."""
    if not len(values):
        return {"mean": None, "low": None, "high": None, "n": 0}
    low, high = statistics.bootstrap_interval(
        _mean,
        values,
        resamples=config.bootstraps,
        seed=seed,
        stratify=stratify,
    )
    mean = float(np.mean(values))
    return {"mean": mean, "low": low, "high": high, "n": len(values)}


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values))

"""Records of runs whose scores are chosen, not measured."""

from jaxstyle.config.faithfulness import FaithfulnessConfig, PlantsConfig
from jaxstyle.explain import search
from jaxstyle.faithfulness.explanations import METHODS

KINDS = ("marker", "blob", "texture")


def config(**changes) -> FaithfulnessConfig:
    """Three kinds, few resamples."""
    plants = PlantsConfig(kinds=KINDS)
    return FaithfulnessConfig(**{"plants": plants, "bootstraps": 40} | changes)


def scores(enrichment=None, control=None, iou=0.0, pointing=0.0):
    """Those of one map."""
    return {
        "enrichment": enrichment or {},
        "control": control or {},
        "iou": iou,
        "pointing": pointing,
    }


def row(number, status=search.FLIPPED, others=None, **mine):
    """One image: the counterfactual's scores, and the other methods'."""
    methods = {name: scores(**(others or mine)) for name in METHODS}
    methods["counterfactual"] = scores(**mine)
    return {
        "id": f"image {number}",
        "f": 0.9,
        "status": status,
        "methods": methods,
    }


def record(target, rows, learnt=True, reactions=None, seed=0):
    """One run."""
    return {
        "seed": seed,
        "target": target,
        "learnt": learnt,
        "auc": 0.99,
        "accuracy": 0.95 if learnt else 0.6,
        "reactions": reactions or {},
        "images": rows,
    }

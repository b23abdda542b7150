"""Scores of one classifier's explanations against what was planted.

Writes WORKDIR/faithfulness/: shown.npz (the first images with all their
maps, for the contact sheet) and scores.json.
"""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from jaxstyle import config as config_lib
from jaxstyle import predictors, workdir
from jaxstyle.config.faithfulness import (
    KINDS,
    FaithfulnessConfig,
    ScoresConfig,
)
from jaxstyle.data import pipeline
from jaxstyle.faithfulness import explanations as explanations_lib
from jaxstyle.faithfulness import scores as scores_lib
from jaxstyle.faithfulness.explanations import Explanations
from jaxstyle.faithfulness.planting import CLASS, Planted

FOLDER = "faithfulness"
SHOWN = "shown.npz"
_MOST_SHOWN = 3


def run(
    config: FaithfulnessConfig,
    mine: config_lib.Config,
    root: Path,
    target: str,
    planted: Planted,
) -> dict[str, Any]:
    """Scores the rendered explanations of the classifier in `root`.

    Of a kind's classifier those test images count in which the kind is and
    for which f decides, so that the counterfactual is its removal; of the
    real class's all of them.

    Args:
      config: the benchmark's.
      mine: the run's.
      root: its workdir.
      target: the kind that f has learnt, or `CLASS`.
      planted: the data set.

    Returns:
      The record of this run (see `record`).
    """
    found = None
    if learnt(config, mine, root):
        found = explanations_lib.explained(
            mine, root, config.scores, lambda row: counts(row, target)
        )
    folder = root / FOLDER
    folder.mkdir(exist_ok=True)
    result = record(config, mine, root, target, planted, found)
    if found is not None:
        rows = planted.rows(found.ids)
        masks = planted.places[rows] & planted.present[rows, :, None, None]
        # Of the class's classifier nothing that was planted may be shown.
        own = np.any(masks, axis=1)
        if target != CLASS:
            own = masks[:, KINDS.index(target)]
        save_shown(folder / SHOWN, own, found)
    else:
        (folder / SHOWN).unlink(missing_ok=True)
    told = result | {"settings": settings(config, mine, target)}
    workdir.write_json(folder / "scores.json", told)
    return told


def counts(row: dict[str, str], target: str) -> bool:
    """Whether a rendered image is scored."""
    return target == CLASS or (row["target"], row["decision"]) == ("1", "1")


def learnt(
    config: FaithfulnessConfig, mine: config_lib.Config, root: Path
) -> bool:
    """Whether f can tell what it was trained for."""
    told = workdir.result(mine, root, "classifier")["test"]
    return told["accuracy"] >= config.least_accuracy


def read(
    config: FaithfulnessConfig,
    mine: config_lib.Config,
    root: Path,
    target: str,
) -> dict[str, Any] | None:
    """The saved record; None if there is none under these settings."""
    path = root / FOLDER / "scores.json"
    if not path.exists():
        return None
    told = workdir.read_json(path)
    same = told["settings"] == settings(config, mine, target)
    return told if same else None


def settings(
    config: FaithfulnessConfig, mine: config_lib.Config, target: str
) -> str:
    """A hash of all that a record depends on."""
    return config_lib.digest(
        {
            "run": config_lib.as_dict(mine),
            "plants": dataclasses.asdict(config.plants),
            "scores": dataclasses.asdict(config.scores),
            "least_accuracy": config.least_accuracy,
            "target": target,
        }
    )


def record(
    config: FaithfulnessConfig,
    mine: config_lib.Config,
    root: Path,
    target: str,
    planted: Planted,
    found: Explanations | None,
) -> dict[str, Any]:
    """All numbers of one run.

    Returns:
      "seed", "target", "learnt", "auc" and "accuracy" of f on the test
      split, "reactions" (see `reactions`) and "images", a row each: "id",
      "f", "status" and by method what `image_scores` tells.
    """
    told = workdir.result(mine, root, "classifier")["test"]
    return {
        "seed": mine.seed,
        "target": target,
        "learnt": learnt(config, mine, root),
        "auc": told["auc"],
        "accuracy": told["accuracy"],
        "reactions": reactions(mine, root, planted),
        "images": image_rows(config, target, planted, found) if found else [],
    }


def image_rows(
    config: FaithfulnessConfig,
    target: str,
    planted: Planted,
    found: Explanations,
) -> list[dict[str, Any]]:
    """The scores of each image and method."""
    rows = []
    for number, row in enumerate(planted.rows(found.ids)):
        where = dict(zip(KINDS, planted.places[row], strict=True))
        there = set(np.asarray(KINDS)[planted.present[row]].tolist())
        methods = {
            name: image_scores(
                maps[number], where, there, target, config.scores
            )
            for name, maps in found.maps.items()
        }
        rows.append(
            {
                "id": found.ids[number],
                "f": float(found.probabilities[number]),
                "status": found.status[number],
                "methods": methods,
            }
        )
    return rows


def image_scores(
    heat: np.ndarray,
    where: dict[str, np.ndarray],
    there: set[str],
    target: str,
    settings: ScoresConfig,
) -> dict[str, Any]:
    """Scores of one map.

    Args:
      heat: [R, R], >= 0.
      where: bool [R, R] by kind, its place, whether it is there or not.
      there: the kinds that are.
      target: the kind whose mask counts whole; of the others that part
        which is not in it.
      settings: smoothing and tolerance.

    Returns:
      "enrichment" by kind that is there, "control" by kind that is not (in
      the place where it would be) and, where a kind is to be found, its
      "iou" and "pointing".
    """
    own = where.get(target, np.zeros(heat.shape, np.bool_))
    parts = {
        kind: mask if kind == target else mask & ~own
        for kind, mask in where.items()
    }
    enrichment = {
        kind: scores_lib.enrichment(heat, mask)
        for kind, mask in parts.items()
        if mask.any()
    }
    told: dict[str, Any] = {
        "enrichment": {k: v for k, v in enrichment.items() if k in there},
        "control": {k: v for k, v in enrichment.items() if k not in there},
    }
    if target == CLASS:
        return told
    unit = len(heat) / 32
    return told | {
        "iou": scores_lib.iou(heat, own),
        "pointing": scores_lib.pointing(
            heat, own, settings.smoothing * unit, settings.tolerance * unit
        ),
    }


def reactions(
    mine: config_lib.Config, root: Path, planted: Planted
) -> dict[str, dict[str, float]]:
    """How f answers when one kind is taken out of the test images.

    The very image without it is known.

    Returns:
      By kind "change", the mean absolute change of f's probability over
      those "n" images that have it; absent where none has.
    """
    predictor = predictors.load(mine, root)
    split = pipeline.open_split(mine, root, "test")
    rows = planted.rows(split.ids)
    before = predictors.probability(
        predictor, split.images(range(len(split))), mine
    )
    found = {}
    for kind, present in zip(KINDS, planted.present[rows].T, strict=True):
        if not present.any():
            continue
        taken = np.stack([planted.without(n, kind) for n in rows[present]])
        images = taken.astype(np.float32) / np.float32(127.5) - np.float32(1)
        after = predictors.probability(predictor, images, mine)
        change = np.abs(after - before[present])
        found[kind] = {"change": float(change.mean()), "n": len(change)}
    return found


def save_shown(path: Path, own: np.ndarray, found: Explanations) -> None:
    """Saves the first images with all their maps, for the contact sheet.

    Args:
      path: npz to write.
      own: bool [N, R, R], what is to be found.
      found: N explained images.
    """
    arrays = {
        "mask": own,
        "probabilities": found.probabilities,
        "flipped": found.flipped,
        "original": found.original,
        "reconstruction": found.reconstruction,
        "flip": found.flip,
        **{f"map_{name}": maps for name, maps in found.maps.items()},
    }
    shown: Any = {name: array[:_MOST_SHOWN] for name, array in arrays.items()}
    np.savez_compressed(path, **shown)

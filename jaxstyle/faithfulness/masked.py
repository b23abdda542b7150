"""Scores a finished run where masks say where the finding is.

Writes WORKDIR/faithfulness/: result.json, shown.npz and sheet.png.
"""

from pathlib import Path
from typing import Any

import numpy as np

from jaxstyle import config as config_lib
from jaxstyle import workdir
from jaxstyle.config.checks import require
from jaxstyle.config.faithfulness import FaithfulnessConfig, ScoresConfig
from jaxstyle.data import geometry, prepare, problems
from jaxstyle.faithfulness import explanations as explanations_lib
from jaxstyle.faithfulness import measure, sheet, summary

# The only kind here, in the records that the planted ones have many of.
FINDING = "finding"


def run(
    config: config_lib.Config, root: str | Path, key: str
) -> dict[str, Any]:
    """Compares the rendered explanations with masks in the data's npz.

    Images count that have the finding, and a mask, and for which f decides,
    so that the counterfactual is the finding's removal.

    Args:
      config: the run's; its data are an npz.
      root: its workdir.
      key: name of the masks in that file, [N, H, W], above 0 inside.

    Returns:
      "images", "without_mask", "explained" (a share with its interval) and
      "methods": by method IoU, pointing game, enrichment and the ratio of
      its IoU to Grad-CAM's, each with a 95 % bootstrap interval.

    Raises:
      ConfigError: if the data are no npz, or f is not the built-in one.
      DataError: if the npz has no such masks.
      WorkdirError: if the run is not rendered.
    """
    _check(config)
    masks = read_masks(config, root, key)
    # Scores and resamples only: nothing is planted.
    settings = FaithfulnessConfig()
    lacking = [0]

    def wanted(row: dict[str, str]) -> bool:
        if (row["target"], row["decision"]) != ("1", "1"):
            return False
        there = bool(masks[row["image_id"]].any())
        lacking[0] += not there
        return there

    found = explanations_lib.explained(config, root, settings.scores, wanted)
    if found is None:
        raise problems.DataError(
            config.data.path,
            ["no rendered image has the finding, f's decision and a mask"],
        )
    rows = image_rows(found, masks, settings.scores)
    record = {"target": FINDING, "images": rows}
    result = {
        "mask": key,
        "images": len(rows),
        "without_mask": lacking[0],
        "explained": summary.explained(settings, [record]),
        "methods": {
            method: summary.means(settings, [record], method)
            for method in explanations_lib.METHODS
        },
    }
    folder = Path(root) / measure.FOLDER
    folder.mkdir(exist_ok=True)
    own = np.stack([masks[name] for name in found.ids])
    measure.save_shown(folder / measure.SHOWN, own, found)
    sheet.write(folder / "sheet.png", [("", "", folder / measure.SHOWN)])
    workdir.write_json(folder / "result.json", result)
    return result


def read_masks(
    config: config_lib.Config, root: str | Path, key: str
) -> dict[str, np.ndarray]:
    """Masks bool [R, R] by the images' ids; half a pixel is one."""
    entries = prepare.open_source(config, root).entries
    with np.load(config.data.path, allow_pickle=False) as file:
        if key not in file.files:
            names = ", ".join(file.files)
            raise problems.DataError(
                config.data.path, [f"has no array {key!r}; it has {names}"]
            )
        arrays = file[key]
    if arrays.ndim != 3 or len(arrays) != len(entries):
        raise problems.DataError(
            config.data.path,
            [
                f"{key} has shape {arrays.shape}; give [N, H, W] for the "
                f"{len(entries)} images"
            ],
        )
    side = config.data.resolution
    return {
        entry.id: geometry.square(
            (mask > 0).astype(np.float32)[..., None], side, config.data.fit
        )[..., 0]
        >= 0.5
        for entry, mask in zip(entries, arrays, strict=True)
    }


def image_rows(
    found: explanations_lib.Explanations,
    masks: dict[str, np.ndarray],
    settings: ScoresConfig,
) -> list[dict[str, Any]]:
    """Rows as `measure.image_rows` makes them, of one kind."""
    return [
        {
            "id": name,
            "status": found.status[number],
            "methods": {
                method: measure.image_scores(
                    *(maps[number], {FINDING: masks[name]}, {FINDING}),
                    *(FINDING, settings),
                )
                for method, maps in found.maps.items()
            },
        }
        for number, name in enumerate(found.ids)
    ]


def _check(config: config_lib.Config) -> None:
    require(
        config.data.source == "npz",
        "data.source",
        config.data.source,
        "masks are read from the images' npz file; use 'npz'",
    )
    require(
        config.predictor.kind == "checkpoint",
        "predictor.kind",
        config.predictor.kind,
        "use 'checkpoint': gradients of f are compared with, too",
    )
    require(
        config.target.kind == "finding",
        "target.kind",
        config.target.kind,
        "use 'finding': classifiers with one logit are compared",
    )

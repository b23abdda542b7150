"""What the comparisons beside the pipeline leave in a run folder."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from jaxstyle import workdir
from jaxstyle.config import Config, DirectionConfig
from jaxstyle.explain import compare_files
from jaxstyle.report import sheet, strips

IMAGES, COMMON = 512, 431
# AUC, R2, flip rate, length, change, off-target change; the last but one
# method is best by R2, the second by flip rate with the third.
_METHODS = {
    "logistic": (0.9812, 0.7426, 0.9531, 1.86, 0.0433, 0.3187),
    "least_squares": (0.9786, 0.8127, 0.9668, 1.79, 0.0419, 0.3102),
    "svm": (0.9821, 0.7311, 0.96681, 1.91, 0.0441, 0.3245),
    "class_means": (0.9433, -0.1034, 0.8457, 2.94, 0.0687, 0.5012),
    "row_means": (0.9433, -0.1034, 0.8613, 2.97, 0.0695, 0.5093),
    "transport": (0.9433, -0.1034, 0.8791, 2.98, 0.0702, 0.5144),
    "whitened": (0.9799, 0.8219, 0.9297, 2.41, 0.0398, 0.2877),
    "mlp": (0.9847, 0.8164, 0.9434, 1.58, 0.0407, 0.2993),
}
_NAMES = ("flip_rate", "flip_lambda", "proximity", "off_target")
_WAYS = ("w_adapted", "w_plus_adapted", "w_plus_refined", "w_synthetic")


def methods_result() -> dict[str, Any]:
    """As `explain.compare.summary` returns it."""
    result: dict[str, Any] = {"images": IMAGES, "flipped_by_all": COMMON}
    for name, (auc, r2, *walks) in _METHODS.items():
        fidelity = {"n": IMAGES, "spearman": 0.93}
        fidelity |= _measured("auc_vs_predictor", auc, 0.007)
        fidelity |= _measured("r2", r2, 0.03)
        numbers = {"fidelity": fidelity, "flipped": round(IMAGES * walks[0])}
        for measure, value in zip(_NAMES, walks, strict=True):
            numbers |= _measured(measure, value, 0.02 * value)
            common = f"{measure}_common"
            if measure != "flip_rate":
                numbers |= _measured(common, 0.95 * value, 0.02 * value)
        result[name] = numbers
    return result


def inversions_result() -> dict[str, Any]:
    """As `explain.compare_inversions.run` returns it."""
    return {
        way: [
            _inversion(number, count, count == 2 * ("refined" in way), 0)
            for count in range(4)
        ]
        + [_inversion(number, 2 * ("refined" in way), True, 300)]
        for number, way in enumerate(_WAYS)
    }


def sanity_result() -> dict[str, Any]:
    """As `faithfulness.sanity.summary` returns it; one layer is one-sided."""
    layers = ("logits", "stage_1_block_0", "stage_0_block_0", "stem")
    less = {
        layer: {
            "as_it_is": _checked(0.8 / (2 + number), one_way=number == 3),
            "balanced": _checked(0.7 / (2 + number)),
        }
        for number, layer in enumerate(layers)
    }
    other = {"grad_cam": _measured("spearman", 0.41, 0.03)}
    permuted = {"as_it_is": _checked(0.11), "balanced": _checked(0.12)}
    return {
        "images": IMAGES,
        "layers": list(layers),
        "trained": {"decides_for": 0.49, **_measured("explained", 0.951, 0.02)},
        "controls": {
            "another_bootstrap": _checked(0.96),
            "other_images": {**other, **_measured("spearman", 0.22, 0.02)},
        },
        "randomised": less,
        "permuted_labels": {"classifier": {"auc": 0.5123}, **permuted},
    }


def opinions_result() -> dict[str, Any]:
    """As `faithfulness.opinions.numbers` returns it; one way only."""

    def told(share: float) -> dict[str, Any]:
        measured = {
            **_measured("flip.share", share / 2, 0.04),
            **_measured("end.share", share, 0.03),
            **_measured("end.change", share - 0.1, 0.02),
            **_measured("f.end.change", 0.93, 0.01),
        }
        return {"compared": 431, **measured}

    return {
        "classifier": {"auc": 0.9876, "epochs": 7},
        "images": IMAGES,
        "agrees": 0.969,
        **told(0.61),
        "towards": {"1": told(0.35)},
    }


def make(root: Path, settings: Config) -> None:
    """Writes all four stages into a folder made by `fake_run.make`."""
    _finish(settings, root, "second_opinion", opinions_result())
    walks = _walks(workdir.stage(settings, root, "render"))
    folder = _finish(settings, root, "compare_directions", methods_result())
    files = compare_files.Files(folder)
    for method in DirectionConfig.METHODS:
        files.write(method, {}, walks)
    files.draw(DirectionConfig.METHODS, settings)
    folder = _finish(settings, root, "compare_inversions", inversions_result())
    rows = sheet.stacked([_row(walk.frames) for walk in walks])
    rows.save(folder / "comparison.png")
    folder = _finish(settings, root, "sanity_checks", sanity_result())
    for name in ("sanity.png", "sanity_balanced.png"):
        rows.save(folder / name)


def _finish(
    settings: Config, root: Path, name: str, result: dict[str, Any]
) -> Path:
    stage = workdir.stage(settings, root, name)
    stage.path.mkdir()
    workdir.finish(stage, result, 1.0)
    return stage.path


def _measured(name: str, value: float, spread: float) -> dict[str, float]:
    ends = {f"{name}_low": value - spread, f"{name}_high": value + spread}
    return {name: value, **ends}


def _inversion(
    way: int, count: int, walked: bool, steps: int
) -> dict[str, Any]:
    share = (way + count) / 8
    row = {
        "refinements": count,
        "projected": steps,
        "images": 100 if steps else IMAGES,
        **_measured("gap", 0.09 - 0.06 * share - 1e-4 * steps, 0.008),
        **_measured("ssim", 0.71 + 0.15 * share + 2e-4 * steps, 0.01),
        **_measured("agreement", 0.91 + 0.06 * share, 0.015),
    }
    return row | (_measured("flip_rate", 0.93, 0.02) if walked else {})


def _checked(alike: float, one_way: bool = False) -> dict[str, Any]:
    found = {"decides_for": 1.0 if one_way else 0.47, "answers": alike}
    found["decides_both_ways"] = not one_way
    found["grad_cam"] = {
        "compared": IMAGES,
        **_measured("spearman", 0.9 * alike, 0.02),
    }
    if one_way:
        return found | {"compared": 0, **_measured("explained", 0.0, 0.0)}
    for name in ("explained", "cosine", "spearman", "ssim"):
        found |= _measured(name, alike, 0.02)
    return found | {"compared": round(IMAGES * alike)}


def _walks(render: workdir.Stage) -> list[compare_files.Pictured]:
    with render.summary.open(newline="") as file:
        rows = list(csv.DictReader(file))[:2]
    return [_pictured(render, row) for row in rows]


def _pictured(
    render: workdir.Stage, row: dict[str, str]
) -> compare_files.Pictured:
    name = row["image_id"]
    with render.manifest.open(newline="") as file:
        frames = [r for r in csv.DictReader(file) if r["image_id"] == name]
    return compare_files.Pictured(
        image_id=name,
        original=_float(render.path / row["original"]),
        judged_original=float(row["predictor_original"]),
        frames=np.stack([_float(render.path / r["file"]) for r in frames]),
        judged=np.asarray([float(r["predictor_probability"]) for r in frames]),
        flip_frame=int(row["flip_frame"] or -1),
        status=row["status"],
    )


def _float(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image, np.float32) / 127.5 - 1


def _row(frames: np.ndarray) -> Image.Image:
    shown = [
        sheet.Tile("w plus", strips.to_rgb(frame), "f 0.50") for frame in frames
    ]
    drawn = sheet.Sheet.for_tiles(shown, None, False)
    drawn.add_tiles(shown)
    return drawn.finished()

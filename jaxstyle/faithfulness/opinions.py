"""What f and a second classifier say of the same saved pictures."""

import csv
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxstyle import run_log, workdir
from jaxstyle.config import Config
from jaxstyle.evaluation import statistics
from jaxstyle.evaluation import walks as walks_lib
from jaxstyle.explain.direction import decisions

# Images [n, R, R, C] in [-1, 1] -> probabilities of what is asked, [n].
Judge = Callable[[np.ndarray], np.ndarray]


class Answers(NamedTuple):
    """One classifier's probabilities of what is asked, in the walks' order.

    Attributes:
      original: [N], of the images themselves.
      reconstruction: [N]; like what follows NaN where f did not flip.
      flip: [N], of the smallest flip.
      end: [N], of the last frame on the side asked for.
    """

    original: np.ndarray
    reconstruction: np.ndarray
    flip: np.ndarray
    end: np.ndarray


def of_f(walks: list[walks_lib.Saved]) -> Answers:
    """f's answers, as the renderer saved them, with six digits."""
    told = np.full((len(walks), len(Answers._fields)), np.nan)
    told[:, 0] = walks_lib.judged_originals(walks)
    for n in _flipped(walks):
        told[n, 1:] = walks[n].judged[_frames(walks[n])]
    return Answers(*told.T)


def asked(judge: Judge, walks: list[walks_lib.Saved], size: int) -> Answers:
    """The answers of another classifier to the saved 8-bit files.

    Args:
      judge: the other classifier.
      walks: of N images, one at least.
      size: files that are read and shown to it at once.
    """
    flipped = _flipped(walks)
    files = [walk.original for walk in walks]
    for n in flipped:
        files += [walks[n].files[frame] for frame in _frames(walks[n])]
    p = _judged(judge, files, size)
    told = np.full((len(walks), len(Answers._fields)), np.nan)
    told[:, 0] = p[: len(walks)]
    told[flipped, 1:] = p[len(walks) :].reshape(-1, told.shape[1] - 1)
    return Answers(*told.T)


def compared(
    config: Config, walks: list[walks_lib.Saved], other: Answers
) -> np.ndarray:
    """Where f flipped and both start from one decision: bool [N].

    That is, the other classifier decides for the reconstruction as f does.
    """
    agreed = decisions(config, other.reconstruction) == _decided(walks)
    return (walks_lib.flips(walks) == 1) & agreed


def numbers(
    config: Config,
    walks: list[walks_lib.Saved],
    own: Answers,
    other: Answers,
    groups: np.ndarray,
) -> dict[str, Any]:
    """What the other classifier makes of f's counterfactuals.

    Args:
      config: the threshold of both, and how intervals are drawn.
      walks: of N images.
      own: f's answers.
      other: those of the other classifier.
      groups: the patient of each image, [N].

    Returns:
      images, N; flipped, for how many f flipped; compared, how many of these
      count below (see `compared`); left_out, how many do not. With 95 %
      intervals over patients, `<name>_low` and `<name>_high`:
        agrees: share of the N images for which both decide alike.
        flip.share: share of those compared for which the other classifier,
          too, decides at the smallest flip otherwise than before.
        end.share: likewise at the walk's end.
        end.change: mean change of its probability from the reconstruction to
          the end, positive towards the class asked for.
        f.end.change: the same of f.
      And the last four of these once more with their "compared", under
      "towards" by the class asked for, "0" or "1": what takes a finding away
      may convince where what adds one does not. What no image has is left
      out.
    """
    flipped, there = walks_lib.flips(walks) == 1, compared(config, walks, other)
    sign = 2.0 * walks_lib.asked(walks) - 1
    before = decisions(config, other.reconstruction)
    measured = {
        "flip.share": decisions(config, other.flip) != before,
        "end.share": decisions(config, other.end) != before,
        "end.change": sign * (other.end - other.reconstruction),
        "f.end.change": sign * (own.end - own.reconstruction),
    }
    agrees = decisions(config, other.original) == _decided(walks)
    counts = {"flipped": int(flipped.sum()), "compared": int(there.sum())}
    told = {
        "images": len(walks),
        **counts,
        "left_out": counts["flipped"] - counts["compared"],
        **_mean(config, "agrees", agrees, groups),
    }
    if not there.any():
        logging.warning(
            "%s are not defined: of %s images that f flipped, the second "
            "classifier decides for no reconstruction as f does",
            ", ".join(measured),
            counts["flipped"],
        )
        return told
    return {
        **told,
        **_means(config, measured, there, groups),
        "towards": {
            str(side): {
                "compared": int(some.sum()),
                **_means(config, measured, some, groups),
            }
            for side in (0, 1)
            if (some := there & (sign == 2 * side - 1)).any()
        },
    }


def write(
    path: Path, walks: list[walks_lib.Saved], own: Answers, other: Answers
) -> None:
    """Writes both answers to each image as a CSV, a row an image.

    Columns: image_id, status, asked, and of each of the four pictures f_...
    and second_...; empty where f did not flip.
    """
    told = {f"f_{name}": column for name, column in own._asdict().items()}
    told |= {f"second_{name}": p for name, p in other._asdict().items()}
    with (
        workdir.replacing(path) as draft,
        draft.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["image_id", "status", "asked", *told])
        for n, walk in enumerate(walks):
            names = [walk.row[key] for key in ("image_id", "status", "asked")]
            cells = (column[n] for column in told.values())
            writer.writerow(
                names + ["" if np.isnan(p) else f"{p:.6f}" for p in cells]
            )


def _judged(judge: Judge, files: list[Path], size: int) -> np.ndarray:
    progress = run_log.Progress("second opinion", len(files), "pictures")
    found = []
    for start in range(0, len(files), size):
        unit = walks_lib.read(files[start : start + size])
        found.append(judge(unit * np.float32(2) - np.float32(1)))
        progress.update(start + len(unit))
    return np.concatenate(found)


def _frames(walk: walks_lib.Saved) -> list[int]:
    """Reconstruction, smallest flip and end of a walk that flips."""
    start, flip = (
        int(walk.row[name]) for name in ("reconstruction_frame", "flip_frame")
    )
    return [start, flip, walks_lib.farthest_frame(walk)]


def _flipped(walks: list[walks_lib.Saved]) -> np.ndarray:
    return np.flatnonzero(walks_lib.flips(walks) == 1)


def _decided(walks: list[walks_lib.Saved]) -> np.ndarray:
    """f's decisions on the images, as it took them, bool [N]."""
    return np.asarray([walk.row["decision"] == "1" for walk in walks])


def _means(
    config: Config,
    measured: dict[str, np.ndarray],
    some: np.ndarray,
    groups: np.ndarray,
) -> dict[str, float]:
    told: dict[str, float] = {}
    for name, values in measured.items():
        told |= _mean(config, name, values[some], groups[some])
    return told


def _mean(
    config: Config, name: str, values: np.ndarray, groups: np.ndarray
) -> dict[str, float]:
    return statistics.mean_and_interval(
        name,
        values.astype(np.float64),
        groups,
        resamples=config.evaluation.bootstraps,
        seed=config.seed,
    )

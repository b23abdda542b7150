"""Reads what the renderer wrote: images, and the frames of their walks."""

import csv
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jaxstyle.workdir import Stage, WorkdirError


@dataclasses.dataclass(frozen=True)
class Frame:
    """One frame of a walk.

    Attributes:
      position: lambda, the distance gone along the direction alpha.
      latent: the latent predictor's probability.
      predictor: f's probability.
      flipped: f decides otherwise than on the original image.
      distance: mean absolute change of a pixel against the reconstruction,
        images in [0, 1].
      path: its PNG.
    """

    position: float
    latent: float
    predictor: float
    flipped: bool
    distance: float
    path: Path


@dataclasses.dataclass(frozen=True)
class Walk:
    """One image and its frames, from the negative to the positive class.

    Attributes:
      image_id: unique name.
      target: ground truth "0" or "1"; empty where there is none.
      predictor_original: f's probability on the image.
      predictor_reconstruction: likewise on its reconstruction.
      decision: f's decision on the image, 0 or 1.
      asked: the other class.
      flipped: whether the walk reached a flip.
      status: "flipped", or why not.
      flip_frame: index of the smallest flip.
      reconstruction_frame: index of the frame with lambda = 0.
      original: PNG at the model's resolution.
      reconstruction: likewise.
      grad_cam: PNG of the overlay; None for black boxes.
      sparse: PNG of the counterfactual of fewest channels; None where it
        was not asked for, or not found.
      sparse_channels: how many StyleSpace channels that one moves.
      sparse_probability: f's probability on it.
      frames: the walk.
    """

    image_id: str
    target: str
    predictor_original: float
    predictor_reconstruction: float
    decision: int
    asked: int
    flipped: bool
    status: str
    flip_frame: int | None
    reconstruction_frame: int | None
    original: Path
    reconstruction: Path
    grad_cam: Path | None
    sparse: Path | None
    sparse_channels: int
    sparse_probability: float | None
    frames: tuple[Frame, ...]

    @property
    def first_shown(self) -> int:
        """The flip, else the last frame on the side of the asked class."""
        if self.flip_frame is not None:
            return self.flip_frame
        return len(self.frames) - 1 if self.asked else 0

    @property
    def files(self) -> list[Path]:
        """Every image file of this walk."""
        files = [self.original, self.reconstruction, self.sparse, self.grad_cam]
        files += [frame.path for frame in self.frames]
        return [file for file in files if file is not None]


def read_walks(render: Stage) -> list[Walk]:
    """All walks that the renderer wrote, in its order.

    Raises:
      WorkdirError: naming the file and row that is missing or damaged.
    """
    numbered: dict[str, list[tuple[int, Frame]]] = {}
    for row in _rows(render.manifest):
        frame = _parsed(render.manifest, row, _frame, render.path)
        numbered.setdefault(row["image_id"], []).append(frame)
    walks = []
    for row in _rows(render.summary):
        frames = sorted(numbered.get(row["image_id"], []), key=lambda f: f[0])
        walks.append(
            _parsed(
                render.summary,
                row,
                _walk,
                render.path,
                tuple(frame for _, frame in frames),
            )
        )
    return walks


def _frame(row: dict[str, str], folder: Path) -> tuple[int, Frame]:
    return int(row["frame"]), Frame(
        position=float(row["lambda"]),
        latent=float(row["latent_probability"]),
        predictor=float(row["predictor_probability"]),
        flipped=_truth(row["flipped"]),
        distance=float(row["distance"]),
        path=folder / row["file"],
    )


def _walk(row: dict[str, str], folder: Path, frames: tuple[Frame, ...]) -> Walk:
    if not frames:
        raise ValueError("its frames are not in the manifest")
    walk = Walk(
        image_id=row["image_id"],
        target=row["target"],
        predictor_original=float(row["predictor_original"]),
        predictor_reconstruction=float(row["predictor_reconstruction"]),
        decision=int(row["decision"]),
        asked=int(row["asked"]),
        flipped=_truth(row["flipped"]),
        status=row["status"],
        flip_frame=_frame_index(row["flip_frame"], len(frames)),
        reconstruction_frame=_frame_index(
            row["reconstruction_frame"], len(frames)
        ),
        original=folder / row["original"],
        reconstruction=folder / row["reconstruction"],
        grad_cam=_path(folder, row["grad_cam"]),
        sparse=_path(folder, row["sparse"]),
        sparse_channels=len(row["sparse_channels"].split()),
        sparse_probability=_number(row["sparse_probability"]),
        frames=frames,
    )
    _require_whole(walk)
    return walk


def _require_whole(walk: Walk) -> None:
    if walk.flipped != (walk.flip_frame is not None):
        raise ValueError("flip_frame must be given just where it flipped")
    given = {
        walk.sparse is not None,
        walk.sparse_channels > 0,
        walk.sparse_probability is not None,
    }
    if len(given) > 1:
        raise ValueError(
            "give all of sparse, sparse_channels and sparse_probability, or "
            "none of them"
        )
    for file in walk.files:
        if not file.is_file():
            raise ValueError(f"{file} is missing")


def _path(folder: Path, text: str) -> Path | None:
    return folder / text if text else None


def _number(text: str) -> float | None:
    return float(text) if text else None


def _truth(text: str) -> bool:
    return bool(("0", "1").index(text))


def _frame_index(text: str, count: int) -> int | None:
    return range(count).index(int(text)) if text else None


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        raise WorkdirError(
            f"{path} is missing: run `python -m launch.render` with the same "
            "--config and --workdir first"
        )
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def _parsed(
    path: Path, row: dict[str, str], parse: Callable[..., Any], *rest: Any
) -> Any:
    try:
        return parse(row, *rest)
    except (KeyError, TypeError, ValueError) as error:
        raise WorkdirError(
            f"{path}, image {row.get('image_id')!r}: {error!r}; delete "
            f"{path.parent} and run `python -m launch.render` again"
        ) from error

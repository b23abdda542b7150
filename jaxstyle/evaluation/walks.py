"""Numbers about walks, read back from what the renderer saved."""

import dataclasses
from collections import defaultdict
from pathlib import Path

import numpy as np
from PIL import Image

from jaxstyle.data import ihc, pipeline
from jaxstyle.evaluation import statistics
from jaxstyle.explain import manifest, search


@dataclasses.dataclass(frozen=True)
class Saved:
    """The saved walks of one image.

    Attributes:
      row: its row of images.csv.
      lambdas: [K].
      judged: f on each frame, [K].
      distances: mean absolute change against the reconstruction, [K].
      files: K paths.
      original: path of the image itself.
    """

    row: dict[str, str]
    lambdas: np.ndarray
    judged: np.ndarray
    distances: np.ndarray
    files: list[Path]
    original: Path

    @property
    def reconstruction(self) -> Path:
        """The frame where lambda is 0."""
        return self.files[int(self.row["reconstruction_frame"])]


def load(directory: Path, frames: Path, images: Path) -> list[Saved]:
    """All walks in a renderer's folder, in its order."""
    rows = defaultdict(list)
    for row in manifest.read(frames):
        rows[row["image_id"]].append(row)
    return [
        Saved(
            image,
            _column(rows[image["image_id"]], "lambda"),
            _column(rows[image["image_id"]], "predictor_probability"),
            _column(rows[image["image_id"]], "distance"),
            [directory / row["file"] for row in rows[image["image_id"]]],
            directory / image["original"],
        )
        for image in manifest.read(images)
    ]


def flips(walks: list[Saved]) -> np.ndarray:
    """1 where f's decision flipped as asked inside the trust limit: [N].

    An image whose reconstruction f judges differently counts as a failure.
    """
    return np.asarray([float(walk.row["flipped"]) for walk in walks])


def groups(walks: list[Saved], split: pipeline.Split) -> np.ndarray:
    """The patient of each walk's image, [N]; `split` is what was rendered."""
    patients = dict(zip(split.ids, split.groups, strict=True))
    return np.asarray([patients[walk.row["image_id"]] for walk in walks])


def explained(walks: list[Saved]) -> np.ndarray:
    """1 where f decides for the reconstruction as for the image: [N]."""
    return np.asarray(
        [float(walk.row["status"] != search.NOT_EXPLAINED) for walk in walks]
    )


def asked(walks: list[Saved]) -> np.ndarray:
    """The class that each walk is to reach, int [N] of 0 and 1."""
    return np.asarray([int(walk.row["asked"]) for walk in walks])


def judged_originals(walks: list[Saved]) -> np.ndarray:
    """f on the images themselves, [N]."""
    return np.asarray([float(walk.row["predictor_original"]) for walk in walks])


def gaps(walks: list[Saved]) -> np.ndarray:
    """How far f moves from each image to its reconstruction: [N]."""
    after = [float(walk.row["predictor_reconstruction"]) for walk in walks]
    return np.abs(judged_originals(walks) - np.asarray(after))


def counterfactual_frame(walk: Saved) -> int:
    """The frame that answers for a walk.

    The smallest flip; without one, the farthest frame on the side asked
    for, so that a failure is measured by all that the walk could do.
    """
    if walk.row["flip_frame"]:
        return int(walk.row["flip_frame"])
    return farthest_frame(walk)


def farthest_frame(walk: Saved) -> int:
    """The walk's last frame on the side asked for."""
    towards = walk.lambdas if walk.row["asked"] == "1" else -walk.lambdas
    return int(np.argmax(towards))


def monotonicity(walks: list[Saved]) -> np.ndarray:
    """Spearman correlation of lambda and f along each walk: [N]."""
    return np.asarray(
        [statistics.spearman(walk.lambdas, walk.judged) for walk in walks]
    )


def proximity(walks: list[Saved]) -> np.ndarray:
    """Mean absolute pixel change at each flip, in [0, 1]: [flipped]."""
    return np.asarray(
        [
            walk.distances[int(walk.row["flip_frame"])]
            for walk in walks
            if walk.row["flip_frame"]
        ]
    )


def dab_monotonicity(walks: list[Saved]) -> np.ndarray:
    """Spearman correlation of lambda and the frame's mean DAB density: [N].

    The stain's optical density is computed from the saved pixels by colour
    deconvolution (Ruifrok and Johnston 2001); no model saw it.
    """
    return np.asarray(
        [
            statistics.spearman(walk.lambdas, ihc.dab_density(pixels(walk)))
            for walk in walks
        ]
    )


def pixels(walk: Saved) -> np.ndarray:
    """The saved frames, float32 [K, R, R, 1 or 3] in [0, 1]."""
    return read(walk.files)


def read(files: list[Path]) -> np.ndarray:
    """Saved pictures of one size, float32 [n, R, R, 1 or 3] in [0, 1]."""
    pictures = [np.asarray(Image.open(file)) for file in files]
    stack = np.stack(pictures).astype(np.float32) / np.float32(255)
    return stack[..., None] if stack.ndim == 3 else stack


def _column(rows: list[dict[str, str]], name: str) -> np.ndarray:
    return np.asarray([float(row[name]) for row in rows])

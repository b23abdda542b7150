"""What a finished run shows of its images, and what other methods show.

The counterfactual's map is read from the files that the renderer saved, as
a reader sees them; the others are computed of the same images and the same
classifier.
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from jaxstyle import workdir
from jaxstyle.classifier import train as classifier_train
from jaxstyle.config import Config
from jaxstyle.config.faithfulness import ScoresConfig
from jaxstyle.data import pipeline
from jaxstyle.evaluation import walks as walks_lib
from jaxstyle.explain import search
from jaxstyle.explain.attribution import (
    grad_cam,
    integrated_gradients,
    occlusion,
)
from jaxstyle.explain.attribution.grad_cam import Heatmaps

COUNTERFACTUAL, GRAD_CAM = "counterfactual", "grad_cam"
METHODS = (
    COUNTERFACTUAL,
    GRAD_CAM,
    "integrated_gradients_black",
    "integrated_gradients_mean",
    "occlusion",
)
_BATCH = 256


@dataclasses.dataclass(frozen=True)
class Explanations:
    """Explained images, in the renderer's order.

    Attributes:
      ids: names of the images.
      probabilities: f on the images themselves, [N].
      status: N of the renderer's (see `explain.search`).
      original: [N, R, R, C] in [-1, 1].
      reconstruction: likewise.
      flip: likewise; the reconstruction where nothing flips.
      maps: by method (`METHODS`) [N, R, R], >= 0; that of the
        counterfactual is 0 where nothing flips.
    """

    ids: list[str]
    probabilities: np.ndarray
    status: list[str]
    original: np.ndarray
    reconstruction: np.ndarray
    flip: np.ndarray
    maps: dict[str, np.ndarray]

    @property
    def flipped(self) -> np.ndarray:
        """Where there is a counterfactual, bool [N]."""
        return np.asarray([one == search.FLIPPED for one in self.status])


def explained(
    config: Config,
    root: str | Path,
    scores: ScoresConfig,
    wanted: Callable[[dict[str, str]], bool],
) -> Explanations | None:
    """The rendered images whose row of images.csv is wanted; None without.

    Attributions are to the decision that f takes; of signed ones the
    evidence for it is kept, as Grad-CAM does.

    Raises:
      WorkdirError: if the run is not rendered under this config.
    """
    if not workdir.is_complete(config, root, "render"):
        raise workdir.WorkdirError(
            f"{root}: its walks are not rendered under this config; run "
            "`python -m launch.pipeline` with the same --config and --workdir "
            "first"
        )
    stage = workdir.stage(config, root, "render")
    walks = [
        walk
        for walk in walks_lib.load(stage.path, stage.manifest, stage.summary)
        if wanted(walk.row)
    ]
    if not walks:
        return None
    original, reconstruction, flip = (
        np.stack(images)
        for images in zip(*(_shown(stage.path, w) for w in walks), strict=True)
    )
    signs = np.asarray([2.0 * int(walk.row["decision"]) - 1 for walk in walks])
    maps = {COUNTERFACTUAL: np.abs(flip - reconstruction).sum(axis=-1)}
    for name, heatmaps in attributions(config, root, scores).items():
        maps[name] = np.maximum(heatmaps(original, signs), 0)
    return Explanations(
        [walk.row["image_id"] for walk in walks],
        np.asarray([float(walk.row["predictor_original"]) for walk in walks]),
        [walk.row["status"] for walk in walks],
        original,
        reconstruction,
        flip,
        maps,
    )


def attributions(
    config: Config, root: str | Path, scores: ScoresConfig
) -> dict[str, Heatmaps]:
    """The methods that need f's network, by name.

    What an image looks like without evidence is the mean training image,
    for occlusion and for the second of the integrated gradients.
    """
    network, params, _ = classifier_train.load(config, root)
    side, batch = config.data.resolution, config.walk.batch_size
    mean = mean_image(pipeline.open_split(config, root, "train"))
    steps = scores.integration_steps
    integrated = {
        f"integrated_gradients_{name}": integrated_gradients.heatmaps(
            network, params, batch, baseline, steps
        )
        for name, baseline in (
            ("black", np.full_like(mean, -1)),
            ("mean", mean),
        )
    }
    return {
        GRAD_CAM: grad_cam.heatmaps(network, params, batch),
        **integrated,
        "occlusion": occlusion.heatmaps(
            network,
            params,
            config.predictor.batch_size,
            mean,
            max(1, scores.occlusion_patch * side // 32),
            max(1, scores.occlusion_stride * side // 32),
        ),
    }


def mean_image(split: pipeline.Split) -> np.ndarray:
    """Of all images of a split, float32 [R, R, C] in [-1, 1]."""
    total = sum(
        images.sum(axis=0, dtype=np.float64)
        for _, images in split.batches(_BATCH)
    )
    return np.asarray(total / len(split), np.float32)


def _shown(
    folder: Path, walk: walks_lib.Saved
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Original, reconstruction and smallest flip from their files."""
    reconstruction = _image(folder / walk.row["reconstruction"])
    flip = reconstruction
    if walk.row["flip_frame"]:
        flip = _image(walk.files[int(walk.row["flip_frame"])])
    return _image(folder / walk.row["original"]), reconstruction, flip


def _image(path: Path) -> np.ndarray:
    """An 8-bit PNG as float32 [R, R, 1 or 3] in [-1, 1]."""
    with Image.open(path) as file:
        levels = np.asarray(file, np.float32)
    image = levels / np.float32(127.5) - np.float32(1)
    return image[..., None] if image.ndim == 2 else image

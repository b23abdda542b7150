"""Projects images into the latent space, and tells how much that gains.

Writes WORKDIR/project/: codes/<id>.npz and images/<id>.png for each image,
and projections.csv. Images whose two files are whole are not projected
again.
"""

import dataclasses
import time
from pathlib import Path
from typing import Any

import numpy as np

from jaxstyle import predictors, run_log, workdir
from jaxstyle.config import Config
from jaxstyle.config.checks import require
from jaxstyle.data import problems
from jaxstyle.encoder import noise, projection
from jaxstyle.encoder import train as encoder_train
from jaxstyle.evaluation import images as image_metrics
from jaxstyle.explain import project_files, sources

_MEASURES = ("psnr", "ssim", "feature_distance", "loss")


def run(config: Config, root: str | Path) -> dict[str, Any]:
    """Projects what `config.project` names; goes on where it was stopped.

    Returns:
      The number of images and the means over them, before (E's code) and
      after: psnr (dB), ssim, feature_distance (see `encoder.losses`), loss
      (the total that is minimised), and, where the predictor can be asked,
      f and gap, the mean |f(x) - f(.)|.

    Raises:
      ConfigError: if project.images does not exist, or project.noise_weight
        asks for noise that G does not have.
      run_log.NonFiniteError: naming the image whose loss is no number.
    """
    started = time.monotonic()
    _check(config)
    stage = workdir.begin(config, root, "project")
    images = sources.open_images(_as_walked(config), root)
    examine = Examiner(config, root)
    if examine.predictor is not None:
        predictors.claim(stage.path, examine.predictor, config)
    files = project_files.Files(stage.path, examine.columns, config.target)
    waiting = {
        position
        for position, image_id in enumerate(images.ids)
        if not files.is_done(image_id, images.digest(position))
    }
    done = len(images.ids) - len(waiting)
    progress = run_log.Progress("project", len(images.ids), "images", done)
    for positions, batch in images.batches(config.project.batch_size, waiting):
        ids = [images.ids[position] for position in positions]
        for position, item in zip(positions, examine(ids, batch), strict=True):
            if position in waiting:
                files.write(item, images.digest(position))
                done += 1
        progress.update(done)
    # What could not be read has no row.
    unread = {file for file, _ in images.refused}
    rows = [
        (image_id, target)
        for image_id, target in zip(images.ids, images.targets, strict=True)
        if image_id not in unread
    ]
    if not rows:
        raise problems.DataError(
            config.project.images, [reason for _, reason in images.refused]
        )
    result = files.write_table(*map(list, zip(*rows, strict=True)))
    workdir.finish(stage, result, time.monotonic() - started)
    return result


class Examiner:
    """Everything that one batch needs: E, G, D, f and the optimisation.

    Args:
      config: the run.
      root: its workdir.

    Attributes:
      columns: names of the numbers that each image gets.
      predictor: f, where it can be asked.
    """

    def __init__(self, config: Config, root: str | Path) -> None:
        self._config = config
        self._codec = encoder_train.load(config, root)
        self._project = projection.load(config, root, self._codec)
        self.predictor = encoder_train.predictor_if_trained(config, root)
        self.columns = [
            f"{name}_{when}"
            for name in _MEASURES
            for when in ("before", "after")
        ]
        if self.predictor is not None:
            self.columns += ["f_real", "f_before", "f_after"]
            self.columns += ["gap_before", "gap_after"]

    def __call__(
        self, ids: list[str], images: np.ndarray
    ) -> list[project_files.Projected]:
        """Projects [N, R, R, C] images in [-1, 1]."""
        codes = self._codec.encode(images)
        before = self._codec.decode(codes)
        found = self._project(images, codes)
        projection.require_finite(ids, found.losses)
        numbers = self._measured(images, before, found)
        return [
            project_files.Projected(
                image_id=ids[n],
                panels=(images[n], before[n], found.images[n]),
                arrays={
                    "code": found.codes[n],
                    "losses": found.losses[n],
                    **{name: maps[n] for name, maps in found.noise.items()},
                },
                numbers={key: float(numbers[key][n]) for key in self.columns},
            )
            for n in range(len(ids))
        ]

    def _measured(
        self,
        images: np.ndarray,
        before: np.ndarray,
        found: projection.Projection,
    ) -> dict[str, np.ndarray]:
        """Each of the columns, [N]."""
        numbers = {
            "loss_before": found.losses[:, 0],
            "loss_after": found.losses.min(axis=1),
        }
        pictures = {"before": before, "after": found.images}
        for when, shown in pictures.items():
            numbers |= {
                f"psnr_{when}": image_metrics.psnr(images, shown),
                f"ssim_{when}": image_metrics.ssim(images, shown),
                f"feature_distance_{when}": self._codec.feature_distance(
                    images, shown
                ),
            }
        if self.predictor is None:
            return numbers
        for when, shown in ({"real": images} | pictures).items():
            numbers[f"f_{when}"] = predictors.probability(
                self.predictor, shown, self._config
            )
        for when in pictures:
            numbers[f"gap_{when}"] = np.abs(
                numbers[f"f_{when}"] - numbers["f_real"]
            )
        return numbers


def _check(config: Config) -> None:
    noise.optimised_layers(config)
    place = config.project.images
    require(
        not place or Path(place).exists(),
        "project.images",
        place,
        "name a folder, or a text file that lists one image file a line",
    )


def _as_walked(config: Config) -> Config:
    """The config whose walk is of the images to project."""
    wanted = config.project
    return dataclasses.replace(
        config,
        walk=dataclasses.replace(
            config.walk,
            split=wanted.split,
            images=wanted.images,
            limit=wanted.limit,
        ),
    )

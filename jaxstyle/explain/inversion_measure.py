"""How well a way to invert the generator serves, and what f says of it."""

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxstyle import predictors, run_log
from jaxstyle.config import Config
from jaxstyle.data import pipeline
from jaxstyle.encoder import projection
from jaxstyle.encoder import train as encoder_train
from jaxstyle.evaluation import images as image_metrics
from jaxstyle.evaluation import statistics
from jaxstyle.explain import direction
from jaxstyle.explain.compare_walks import Comparison

# Projection is per image and slow: of more, so many stand for all.
_MOST_PROJECTED = 100


@dataclasses.dataclass(frozen=True)
class Shown:
    """Reconstructions of the first images, for a picture.

    Attributes:
      original: [P, R, R, C] in [-1, 1].
      judged_original: f on them, [P].
      encoded: G(E(x)), likewise.
      judged_encoded: f on them, [P].
      projected: from projected codes, likewise.
      judged_projected: f on them, [P].
    """

    original: np.ndarray
    judged_original: np.ndarray
    encoded: np.ndarray
    judged_encoded: np.ndarray
    projected: np.ndarray
    judged_projected: np.ndarray


def measure(
    config: Config, root: str | Path, counts: Iterable[int], pictured: int
) -> tuple[list[dict[str, Any]], Shown]:
    """Measures the encoder in `root`, and projection from where it ends.

    Args:
      config: the encoder's.
      root: its workdir.
      counts: refinements to measure E with; those that it was trained for
        among them.
      pictured: how many images to show.

    Returns:
      A row for each count, one for projection, and pictures. A row has
      "refinements", "projected" (steps), "images", the means of psnr (dB),
      ssim, feature_distance, gap, |f(x) - f(G(.))|, and agreement, the share
      of images whose reconstruction f decides for alike; where walks were
      made, flip_rate, which counts the others as failures. `<name>_low` and
      `<name>_high` are 95 % intervals over patients.
    """
    codec = encoder_train.load(config, root)
    # How stable directions are is not asked here, and takes many fits.
    once = dataclasses.replace(config.direction, bootstraps=0)
    walks = Comparison(dataclasses.replace(config, direction=once), root)
    split = pipeline.open_asked(config, root, config.walk.split)
    originals = split.images(range(walks.count))
    judge = _Judge(config, root)
    compare = _Measure(
        config,
        *(judge, codec.feature_distance, originals),
        split.groups[: walks.count],
    )

    rows, encoded = [], originals
    for count in counts:
        changed = dataclasses.replace(config.encoder, refinements=count)
        other = dataclasses.replace(config, encoder=changed)
        again = encoder_train.load(other, root)
        images = again.decode(again.encode(originals))
        rows.append({"refinements": count, "projected": 0} | compare(images))
        if count == config.encoder.refinements:
            encoded = images
            rows[-1] |= compare.mean("flip_rate", walks.flipped())

    some = min(walks.count, _MOST_PROJECTED)
    found = _projected(config, root, codec, originals[:some])
    shown = codec.decode(found)
    rows.append(
        {
            "refinements": config.encoder.refinements,
            "projected": config.project.steps,
        }
        | compare(shown)
        | compare.mean("flip_rate", walks.flipped(found))
    )
    first = slice(min(pictured, some))
    return rows, Shown(
        originals[first],
        judge(originals[first]),
        encoded[first],
        judge(encoded[first]),
        shown[first],
        judge(shown[first]),
    )


class _Judge:
    """f on images [N, R, R, C] in [-1, 1]: probabilities [N]."""

    def __init__(self, config: Config, root: str | Path) -> None:
        self._config = config
        self._predictor = predictors.load(config, root)

    def __call__(self, images: np.ndarray) -> np.ndarray:
        return predictors.probability(self._predictor, images, self._config)


class _Measure:
    """Compares reconstructions of the first images with these."""

    def __init__(
        self,
        config: Config,
        judge: _Judge,
        distance: Any,
        images: np.ndarray,
        groups: Sequence[str],
    ) -> None:
        self._config, self._judge, self._groups = config, judge, groups
        self._distance, self._images = distance, images
        self._judged = judge(images)

    def __call__(self, again: np.ndarray) -> dict[str, Any]:
        images, judged = self._images[: len(again)], self._judged[: len(again)]
        after = self._judge(again)
        decided = direction.decisions(self._config, judged)
        found = {
            "psnr": image_metrics.psnr(images, again),
            "ssim": image_metrics.ssim(images, again),
            "feature_distance": self._distance(images, again),
            "gap": np.abs(after - judged),
            "agreement": decided == direction.decisions(self._config, after),
        }
        row: dict[str, Any] = {"images": len(again)}
        for name, values in found.items():
            row |= self.mean(name, values)
        return row

    def mean(self, name: str, values: np.ndarray) -> dict[str, float]:
        """The mean over the first images, and its interval over patients."""
        return statistics.mean_and_interval(
            name,
            values,
            self._groups[: len(values)],
            resamples=self._config.evaluation.bootstraps,
            seed=self._config.seed,
        )


def _projected(
    config: Config, root: str | Path, codec: Any, images: np.ndarray
) -> np.ndarray:
    """Codes [N, rows, w_dim] after projection from E's on."""
    project = projection.load(config, root, codec)
    size = config.project.batch_size
    progress = run_log.Progress("project", len(images), "images")
    codes = []
    for start in range(0, len(images), size):
        some = images[start : start + size]
        found = project(some, codec.encode(some))
        ids = [str(start + n) for n in range(len(some))]
        projection.require_finite(ids, found.losses)
        codes.append(found.codes)
        progress.update(start + len(some))
    return np.concatenate(codes)

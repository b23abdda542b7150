"""The saved pictures that a walk is judged by, read a batch at a time.

Pixels are those of the renderer's 8-bit files, which f was asked about. Of
each image the walk's frames stay on disk but for two: its reconstruction,
and its counterfactual (see `walks.counterfactual_frame`).
"""

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxstyle import run_log
from jaxstyle.evaluation import images
from jaxstyle.evaluation import walks as walks_lib
from jaxstyle.evaluation.features import Features

_NOISE_PERCENTILE = 95


class Pictures(NamedTuple):
    """Three arrays about the same N images, in the same order.

    Attributes:
      original: pixels float32 [N, R, R, C] in [-1, 1], or features [N, D].
      reconstruction: likewise.
      counterfactual: likewise.
    """

    original: np.ndarray
    reconstruction: np.ndarray
    counterfactual: np.ndarray


@dataclasses.dataclass(frozen=True)
class Seen:
    """What one pass over the pictures of N images has found.

    Attributes:
      psnr: of reconstructions against originals in dB, [N].
      ssim: likewise, in [-1, 1].
      change_ssim: SSIM of counterfactuals against reconstructions, [N].
      changed: `changed_share`, [N].
      features: [N, D] of the three pictures, by the network's name.
    """

    psnr: np.ndarray
    ssim: np.ndarray
    change_ssim: np.ndarray
    changed: np.ndarray
    features: dict[str, Pictures]


def batches(
    walks: list[walks_lib.Saved], size: int
) -> Iterator[tuple[list[walks_lib.Saved], Pictures]]:
    """Yields at most `size` walks with their pictures, in order."""
    for start in range(0, len(walks), size):
        some = walks[start : start + size]
        yield (
            some,
            Pictures(
                _read([walk.original for walk in some]),
                _read([walk.reconstruction for walk in some]),
                _read(
                    [
                        walk.files[walks_lib.counterfactual_frame(walk)]
                        for walk in some
                    ]
                ),
            ),
        )


def look(
    walks: list[walks_lib.Saved], networks: Mapping[str, Features], size: int
) -> Seen:
    """Reads each picture once; at most `size` images are in memory.

    Args:
      walks: of N images, one at least.
      networks: feature networks by name.
      size: images in a batch.
    """
    progress = run_log.Progress("pictures", len(walks), "images")
    numbers: dict[str, list[np.ndarray]] = {}
    features: dict[str, list[Pictures]] = {name: [] for name in networks}
    done = 0
    for some, pictures in batches(walks, size):
        for name, values in _compared(pictures).items():
            numbers.setdefault(name, []).append(values)
        for name, network in networks.items():
            features[name].append(Pictures(*map(network, pictures)))
        done += len(some)
        progress.update(done)
    return Seen(
        **{name: np.concatenate(parts) for name, parts in numbers.items()},
        features={
            name: Pictures(*map(np.concatenate, zip(*parts, strict=True)))
            for name, parts in features.items()
        },
    )


def changed_share(pictures: Pictures) -> np.ndarray:
    """Share of an image's pixels that the walk changed visibly, [N].

    A pixel has changed if counterfactual and reconstruction differ there by
    more than original and reconstruction do at 95 % of the image's pixels
    (by the sum over channels of absolute differences). An image that is
    reconstructed poorly hides more change: the share falls as the error
    grows, and compares only between runs that reconstruct equally well.
    """
    noise = _levels_apart(pictures.original, pictures.reconstruction)
    change = _levels_apart(pictures.counterfactual, pictures.reconstruction)
    limit = np.percentile(noise, _NOISE_PERCENTILE, axis=1, keepdims=True)
    return np.mean(change > limit, axis=1)


def _compared(pictures: Pictures) -> dict[str, np.ndarray]:
    original, reconstruction, counterfactual = pictures
    return {
        "psnr": images.psnr(original, reconstruction),
        "ssim": images.ssim(original, reconstruction),
        "change_ssim": images.ssim(reconstruction, counterfactual),
        "changed": changed_share(pictures),
    }


def _levels_apart(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Absolute difference of each pixel, float64 [N, R * R].

    In whole levels of the files: rounding must not decide between equals.
    """
    levels = np.rint(np.abs(a.astype(np.float64) - b) * 127.5)
    return levels.sum(axis=-1).reshape(len(a), -1)


def _read(files: list[Path]) -> np.ndarray:
    return walks_lib.read(files) * np.float32(2) - np.float32(1)

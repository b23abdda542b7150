"""Tells which model it is that is explained, from its answers.

A path or URL does not name a model: what lies there may be replaced. Its
answers to a few fixed images are a property of the model alone.
"""

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from jaxstyle.config import Config
from jaxstyle.predictors import question
from jaxstyle.predictors.answers import answers
from jaxstyle.predictors.protocol import Predictor

_SEED = "jaxstyle predictor probe"
# Each probe is smooth noise with so many cells along a side.
_CELLS = (2, 2, 4, 4, 8, 8, 16, 16)
_DECIMALS = 4


def probes(config: Config) -> np.ndarray:
    """The fixed images, the same for every run of this size and channels.

    Uniform noise on coarse grids, interpolated linearly and rounded to 8
    bits, so that the last bits of the arithmetic do not matter.

    Returns:
      float32 [8, R, R, C] in [0, 1].
    """
    # Unlike a Generator's, this stream is the same in every NumPy.
    seed = hashlib.sha256(_SEED.encode()).digest()
    random = np.random.RandomState(np.frombuffer(seed, "<u4"))
    side, channels = config.data.resolution, config.data.channels
    images = []
    for cells in _CELLS:
        weights = _interpolation(cells, side)
        grid = random.random_sample((cells, cells, channels))
        images.append(np.einsum("ia,jb,abc->ijc", weights, weights, grid))
    return (np.round(np.stack(images) * 255) / 255).astype(np.float32)


def _interpolation(cells: int, side: int) -> np.ndarray:
    """[side, cells]: linear interpolation from the grid to the pixels."""
    at = np.linspace(0, cells - 1, side)[:, None]
    return np.maximum(0, 1 - np.abs(at - np.arange(cells)))


def fingerprint(predictor: Predictor, config: Config) -> str:
    """A hash of f's answers to `probes`, never taken from the cache.

    Probabilities are rounded to 1e-4 first, so that the order in which a
    processor adds does not matter, as a rule: an answer that happens to lie
    on the edge between two roundings may still fall to either side. Equal
    fingerprints do not prove equal models: f may differ by less than the
    rounding here, or on images unlike these only.

    Returns:
      16 hexadecimal digits.

    Raises:
      PredictorError: if its answers are not probabilities.
    """
    return _hashed(_probed(predictor, config), config)


def identity(predictor: Predictor, config: Config) -> dict[str, Any]:
    """What to keep beside an explanation, to know f again; JSON values.

    Returns:
      "kind" and "address" of the config, "target", what is asked,
      "fingerprint", "probe_probabilities" of what is asked, "probe_answers",
      all that f says of the probes (compare these, where fingerprints
      differ: noise moves them by 1e-4), and "files", the sha256 of each file
      that f was read from, by name.
    """
    rows = _probed(predictor, config)
    return {
        "kind": config.predictor.kind,
        "address": config.predictor.address,
        "target": dataclasses.asdict(config.target),
        "fingerprint": _hashed(rows, config),
        "probe_probabilities": question.asked(rows, config).tolist(),
        "probe_answers": scaled(rows, config).tolist(),
        "files": files(predictor),
    }


def files(predictor: Predictor) -> dict[str, str]:
    """sha256 by name, of the files that a predictor says it was read from."""
    return getattr(uncached(predictor), "files", {})


def uncached(predictor: Predictor) -> Predictor:
    """The black box itself."""
    return getattr(predictor, "uncached", predictor)


def sha256(path: Path) -> str:
    """The file's hash, as `sha256sum` tells it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _probed(predictor: Predictor, config: Config) -> np.ndarray:
    """f's answers to the probes, [8, K]."""
    images, size = probes(config), config.predictor.batch_size
    return np.concatenate(
        [
            answers(uncached(predictor), images[start : start + size], config)
            for start in range(0, len(images), size)
        ]
    )


def scaled(rows: np.ndarray, config: Config) -> np.ndarray:
    """f's answers, float64; values in scales from their threshold."""
    rows = np.asarray(rows, np.float64)
    if config.target.kind == "value":
        rows = (rows - config.target.threshold) / config.target.scale
    return rows


def _hashed(rows: np.ndarray, config: Config) -> str:
    rounded = np.round(scaled(rows, config) * 10**_DECIMALS)
    # The widest values do not fit, and differ all the same.
    kind = "<i4" if np.abs(rounded).max() < 2**31 else "<f8"
    rounded = rounded.astype(kind)
    shape = repr(rows.shape).encode()
    return hashlib.sha256(shape + rounded.tobytes()).hexdigest()[:16]

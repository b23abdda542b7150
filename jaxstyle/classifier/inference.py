"""Networks over any number of images, compiled for one batch size."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from scipy import special

from jaxstyle import parallel


def batched(
    function: Callable[..., Any], batch_size: int, batched_arguments: int = 1
) -> Callable[..., Any]:
    """`function(constants, *arrays)` over [N, ...] arrays with any N.

    Every call of `function` sees `batch_size` rows, the last ones repeated
    where they run out, so that it compiles once. All local devices work.

    Args:
      function: maps (constants, *[B, ...] arrays) to a tree of [B, ...].
      batch_size: rows in one call.
      batched_arguments: how many arrays follow the constants.

    Returns:
      `run(constants, *arrays) -> tree of NumPy [N, ...]`, which raises
      ValueError for N = 0.
    """
    mapped = parallel.map_batch(function, batched_arguments)

    def run(constants: Any, *arrays: np.ndarray) -> Any:
        count = len(arrays[0])
        if count == 0:
            raise ValueError("there are no images to apply the network to")
        parts = []
        for start in range(0, count, batch_size):
            rows = [array[start : start + batch_size] for array in arrays]
            full = [parallel.padded(row, batch_size) for row in rows]
            kept = len(rows[0])
            out = mapped(constants, *full)
            parts.append(jax.tree.map(lambda leaf, n=kept: leaf[:n], out))
        return jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)

    return run


def sigmoid(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Calibrated probabilities sigmoid(logit / T), float32, same shape."""
    scaled = np.asarray(logits, np.float64) / temperature
    return special.expit(scaled).astype(np.float32)

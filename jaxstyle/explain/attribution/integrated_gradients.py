"""Integrated gradients (Sundararajan et al. 2017, arXiv:1703.01365)."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxstyle import parallel
from jaxstyle.classifier.networks import Classifier
from jaxstyle.explain.attribution.grad_cam import Heatmaps


def heatmaps(
    network: Classifier,
    params: Any,
    batch_size: int,
    baseline: np.ndarray,
    steps: int = 64,
) -> Heatmaps:
    """Attributions of a classifier's logit to pixels (eq. 1).

    The score is sign * logit. The path is the straight line from the
    baseline, its integral the sum at the middles of `steps` equal parts.

    Args:
      network: a classifier with one logit.
      params: its parameters.
      batch_size: images in one call.
      baseline: float32 [H, W, C] in [-1, 1], the image without evidence.
      steps: gradients an image.

    Returns:
      `heatmaps(images, signs)`: maps float32 [N, H, W], summed over the
      channels and signed. The sum of a map is the score's difference from
      the baseline's ("completeness", section 3), up to the integral's error.
      Any N, compiled once.
    """

    def begin(constants: Any, images: jax.Array, signs: jax.Array) -> Any:
        return {
            "images": images,
            "signs": signs,
            "total": jnp.zeros_like(images),
            "round": jnp.zeros((), jnp.int32),
        }

    def step(constants: Any, carry: Any) -> Any:
        params, baseline = constants
        share = (carry["round"].astype(jnp.float32) + 0.5) / steps
        points = baseline[None] + share * (carry["images"] - baseline[None])

        def score(points: jax.Array) -> jax.Array:
            logits = network.apply(params, points)
            # Images do not mix, so one gradient of the sum serves all.
            return jnp.sum(carry["signs"] * logits[:, 0])  # type: ignore[index]

        return {
            **carry,
            "total": carry["total"] + jax.grad(score)(points),
            "round": carry["round"] + 1,
        }

    integrate = parallel.in_batches(
        parallel.map_loop(begin, step, steps, 2), batch_size
    )
    start = np.asarray(baseline, np.float32)

    def apply(images: np.ndarray, signs: np.ndarray) -> np.ndarray:
        images = np.asarray(images, np.float32)
        end = integrate((params, start), images, np.asarray(signs, np.float32))
        mean = end["total"] / np.float32(steps)
        return np.sum((images - start) * mean, axis=-1)

    return apply

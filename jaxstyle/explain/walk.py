"""The latent walk: codes moved by offsets, rendered in one compiled call.

Schutte et al. 2021 (arXiv:2101.07563, section 2.4): G(E(x) + lambda alpha),
or wherever else a direction leads.
"""

import copy
from typing import Any

import jax
import numpy as np

from jaxstyle import parallel, predictors
from jaxstyle.config import Config
from jaxstyle.encoder.codec import Codec
from jaxstyle.explain.direction import Direction
from jaxstyle.stylegan2 import networks


def walk_frames(
    generator: networks.Generator,
    constants: Any,
    codes: jax.Array,
    offsets: jax.Array,
) -> jax.Array:
    """Frames of walks, under the fixed noise.

    Args:
      generator: the network.
      constants: its parameters and the noise.
      codes: [B, rows, w_dim], rows 1 (W) or L (W+).
      offsets: [B, K, 1 or rows, w_dim], added to every row or to each its
        own.

    Returns:
      [B, K, R, R, C], about [-1, 1].
    """
    params, noise = constants
    moved = codes[:, None] + offsets
    batch, count, rows, width = moved.shape
    images = generator.apply(
        params,
        moved.reshape(batch * count, rows, width),
        noise,
        method="render",
    )
    return images.reshape(batch, count, *images.shape[1:])  # type: ignore[union-attr]


class Walker:
    """Renders walks, and asks f about them, for any number of images.

    Compiles once: every call works on `config.walk.batch_size` images,
    padded where they run out, over all local devices.

    Args:
      config: sizes, and f's settings.
      codec: the trained generator.
      direction: where walks lead.
      predictor: f.
    """

    def __init__(
        self,
        config: Config,
        codec: Codec,
        direction: Direction,
        predictor: predictors.Predictor,
    ) -> None:
        self._config, self._predictor = config, predictor
        self._direction = direction
        self._constants = (codec.gan["g_ema"], codec.noise)
        generator = networks.generator(config)
        self._frames = parallel.batched(
            lambda *arrays: walk_frames(generator, *arrays),
            config.walk.batch_size,
            batched_arguments=2,
        )

    def redirected(self, direction: Direction) -> "Walker":
        """One for another direction, which need not compile again."""
        other = copy.copy(self)
        other._direction = direction
        return other

    def frames(self, codes: np.ndarray, lambdas: np.ndarray) -> np.ndarray:
        """[N, rows, w_dim], [N, K] -> [N, K, R, R, C] in [-1, 1].

        Values are those of 8-bit files, so that f is asked about exactly
        what a reader sees.
        """
        offsets = self._direction.offsets(codes, lambdas)
        return as_stored(self._frames(self._constants, codes, offsets))

    def judge(self, codes: np.ndarray, lambdas: np.ndarray) -> np.ndarray:
        """f's probabilities [N, K] on `frames`."""
        return self.judge_frames(self.frames(codes, lambdas))

    def judge_frames(self, frames: np.ndarray) -> np.ndarray:
        """f's probabilities [N, K] on frames [N, K, R, R, C]."""
        flat = frames.reshape(-1, *frames.shape[2:])
        p = predictors.probability(self._predictor, flat, self._config)
        return p.reshape(frames.shape[:2])


def as_stored(images: np.ndarray) -> np.ndarray:
    """Images as an 8-bit file gives them back: clipped, 256 levels."""
    levels = np.rint((np.clip(images, -1, 1) + 1) * np.float32(127.5))
    return (levels / np.float32(127.5) - 1).astype(np.float32)

"""The named feature networks of the distribution metrics.

- `classifier_penultimate`: what the built-in classifier sees before its
  last layer; only where it is the predictor and trained already. It looks
  at what matters to the question, and is blind to the rest.
- `random_conv`: a convolutional network with fixed random weights, the same
  for every data set and machine. Untrained, it favours no content; its
  distances compare texture at each scale.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxstyle import parallel, rng
from jaxstyle import workdir as workdir_lib
from jaxstyle.classifier import train
from jaxstyle.config import Config
from jaxstyle.convolution import conv3x3
from jaxstyle.resnet import pooled

# Images float32 [N, H, W, C] in [-1, 1] -> features float32 [N, D].
Features = Callable[[np.ndarray], np.ndarray]

# It knows neither f nor the data, so that its numbers exist for every black
# box and compare between runs.
DEFAULT = "random_conv"

_SEED = 20190204
_FIRST_WIDTH, _MOST_WIDTH, _LAST_SIDE = 16, 64, 8


def networks(config: Config, workdir: str | Path) -> dict[str, Features]:
    """The feature networks that a config allows, by name.

    Each takes any number of images and compiles once, for batches of
    `config.predictor.batch_size`.
    """
    found = {DEFAULT: _random_conv(config)}
    built_in = config.predictor.kind == "checkpoint"
    if built_in and workdir_lib.is_complete(config, workdir, "classifier"):
        found["classifier_penultimate"] = _penultimate(config, workdir)
    return found


def random_kernels(side: int, channels: int) -> list[jax.Array]:
    """He-normal 3x3 kernels; one a scale, from `side` down to 8 pixels."""
    key = rng.named(jax.random.PRNGKey(_SEED), "random_conv")
    kernels, width = [], _FIRST_WIDTH
    while side >= _LAST_SIDE:
        shape = (3, 3, channels, width)
        normal = jax.random.normal(
            jax.random.fold_in(key, len(kernels)), shape, jnp.float32
        )
        kernels.append(normal * np.float32((2 / (9 * channels)) ** 0.5))
        side, channels, width = side // 2, width, min(2 * width, _MOST_WIDTH)
    return kernels


def random_features(kernels: list[jax.Array], x: jax.Array) -> jax.Array:
    """Mean and deviation of each channel at each scale.

    Convolution and ReLU, then the statistics, then 2x2 average pooling. No
    normalisation, so that brightness and contrast count.

    Args:
      kernels: of `random_kernels`.
      x: float32 [B, H, W, C] in [-1, 1].

    Returns:
      float32 [B, D], D = 2 * the sum of the kernels' widths.
    """
    statistics = []
    for kernel in kernels:
        x = jax.nn.relu(conv3x3(x, kernel))
        mean = jnp.mean(x, axis=(1, 2))
        variance = jnp.mean(jnp.square(x - mean[:, None, None]), axis=(1, 2))
        statistics += [mean, jnp.sqrt(variance)]
        x = pooled(x)
    return jnp.concatenate(statistics, axis=1)


def _random_conv(config: Config) -> Features:
    kernels = random_kernels(config.data.resolution, config.data.channels)
    run = parallel.batched(random_features, config.predictor.batch_size)
    return lambda images: run(kernels, np.asarray(images, np.float32))


def _penultimate(config: Config, workdir: str | Path) -> Features:
    network, params, _ = train.load(config, workdir)

    def features(params: Any, images: jax.Array) -> Any:
        return network.apply(params, images, method="features")

    run = parallel.batched(features, config.predictor.batch_size)
    return lambda images: run(params, np.asarray(images, np.float32))

"""Sample grids: the same latents drawn throughout a training."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
from PIL import Image

from jaxstyle import parallel, rng, workdir
from jaxstyle.config import Config
from jaxstyle.stylegan2 import networks
from jaxstyle.stylegan2.state import GanState

_SIDE = 8


def drawer(config: Config) -> Callable[[GanState], Image.Image]:
    """A function state -> 8 x 8 grid of EMA samples, truncated.

    Where there are classes, columns take turns in them.
    """
    generator = networks.generator(config)
    noise = networks.fixed_noise(config)
    key = rng.named(jax.random.PRNGKey(config.seed), "sample_grid")
    shape = (_SIDE * _SIDE, config.gan.z_dim)
    z = np.asarray(jax.random.normal(key, shape, np.float32))
    columns = np.arange(_SIDE * _SIDE, dtype=np.int32) % _SIDE
    labels = columns % max(config.gan.classes, 1)

    def sample(constants: tuple, z: jax.Array, labels: jax.Array) -> jax.Array:
        params, w_avg, noise = constants
        w: Any = generator.apply(params, z, labels, method="map")
        w = networks.truncate(w, w_avg, config.gan.truncation_psi)
        return generator.apply(params, w, noise, method="render")  # type: ignore[return-value]

    render = parallel.map_batch(sample, 2)

    def draw(state: GanState) -> Image.Image:
        return grid(render((state.g_ema, state.w_avg, noise), z, labels), _SIDE)

    return draw


def save(picture: Image.Image, folder: Path, images: int) -> None:
    """Saves a grid under the number of images seen.

    Raises:
      WorkdirError: naming the file, if the disk is full.
    """
    file = folder / f"kimg_{images / 1000:09.3f}.png"
    with workdir.full_disk_told(file):
        folder.mkdir(exist_ok=True)
        picture.save(file)


def grid(images: np.ndarray, columns: int) -> Image.Image:
    """[N, R, R, C] in [-1, 1] as one picture, row by row; N / columns rows."""
    count, height, width, channels = images.shape
    rows = count // columns
    pixels = np.clip(images * 127.5 + 127.5, 0, 255).round().astype(np.uint8)
    pixels = pixels.reshape(rows, columns, height, width, channels)
    pixels = pixels.transpose(0, 2, 1, 3, 4)
    pixels = pixels.reshape(rows * height, columns * width, channels)
    return Image.fromarray(pixels[..., 0] if channels == 1 else pixels)

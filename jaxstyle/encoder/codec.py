"""Images to latent codes and back, for any number of images."""

from typing import Any

import jax
import numpy as np

from jaxstyle import parallel
from jaxstyle.config import Config
from jaxstyle.encoder import losses, networks, refinement
from jaxstyle.stylegan2 import networks as gan_networks


class Codec:
    """A trained encoder and generator.

    Each function compiles once, for `config.walk.batch_size` images over
    all local devices; ragged batches are padded.

    Args:
      config: describes both networks.
      gan: `stylegan2.exports.load`'s tree.
      encoder: `encoder.train.exported`'s tree.

    Attributes:
      noise: the fixed noise under which every code is rendered.
      gan: as given.
      trained: `encoder`, as given.
      w_spread: [w_dim], standard deviation of W.
    """

    def __init__(
        self, config: Config, gan: dict[str, Any], encoder: dict[str, Any]
    ) -> None:
        self.noise = gan_networks.fixed_noise(config)
        self.gan, self.trained = gan, encoder
        self.w_spread = np.asarray(encoder["w_spread"])
        self._z_dim, self._classes = config.gan.z_dim, config.gan.classes
        generator = gan_networks.generator(config)
        discriminator = networks.feature_network(config)
        network = networks.encoder(config)

        def decode(constants: Any, codes: jax.Array) -> Any:
            params, noise = constants
            return generator.apply(params, codes, noise, method="render")

        def encode(constants: Any, images: jax.Array) -> jax.Array:
            trained, *of_generator = constants
            found = refinement.passes(
                lambda *present: network.apply(  # type: ignore[arg-type,return-value]
                    trained["params"], *present, trained["w_spread"]
                ),
                lambda codes: decode(of_generator, codes),
                images,
                trained["w_mean"],
                network.rows,
                1 + config.encoder.refinements,
            )
            return found[-1][0]

        def distance(params: Any, a: jax.Array, b: jax.Array) -> jax.Array:
            return losses.feature_distance(
                discriminator.apply(params, b)[1],  # type: ignore[index]
                discriminator.apply(params, a)[1],  # type: ignore[index]
            )

        def sample(params: Any, z: jax.Array, labels: jax.Array) -> Any:
            return generator.apply(params, z, labels, method="map")

        size = config.walk.batch_size
        self._encode = parallel.batched(encode, size)
        self._decode = parallel.batched(decode, size)
        self._distance = parallel.batched(distance, size, 2)
        self._map = parallel.batched(sample, size, 2)

    def encode(self, images: np.ndarray) -> np.ndarray:
        """E: [N, R, R, C] in [-1, 1] -> [N, rows, w_dim], rows 1 or L."""
        return self._encode(
            (self.trained, self.gan["g_ema"], self.noise), images
        )

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """G: codes [N, 1 or L, w_dim] -> images [N, R, R, C], ~[-1, 1]."""
        return self._decode((self.gan["g_ema"], self.noise), codes)

    def feature_distance(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Distance [N] of images in the discriminator's features.

        See `losses.feature_distance`; `a` holds the targets.
        """
        return self._distance(self.gan["d_params"], a, b)

    def sample_codes(
        self, count: int, seed: int, labels: np.ndarray | None = None
    ) -> np.ndarray:
        """Codes of random latents, [count, 1, w_dim], untruncated.

        Args:
          count: how many.
          seed: of latents and labels.
          labels: int32 [count], used where the GAN has classes; None draws
            them, all classes alike.
        """
        random = np.random.default_rng(seed)
        z = random.standard_normal((count, self._z_dim)).astype(np.float32)
        if labels is None:
            labels = random.integers(0, max(self._classes, 1), count)
        labels = np.asarray(labels, np.int32)
        return self._map(self.gan["g_ema"], z, labels)[:, None]

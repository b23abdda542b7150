"""The encoder E: image -> latent code."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from jaxstyle.config import Config
from jaxstyle.resnet import ResNet
from jaxstyle.stylegan2 import networks as gan_networks


class Encoder(nn.Module):
    """ResNet trunk and one linear head.

    The head's output is in units of W's own spread, so that all latent
    dimensions start at the right scale. It is added to the present code (see
    `refinement`).

    Attributes:
      widths: channels of each stage; the last map should be about 4x4.
      blocks: residual blocks in each stage.
      rows: codes an image: 1 for W, L for W+.
      w_dim: width of W.
    """

    widths: tuple[int, ...]
    blocks: int
    rows: int
    w_dim: int

    @nn.compact
    def __call__(
        self,
        images: jax.Array,
        shown: jax.Array,
        codes: jax.Array,
        w_spread: jax.Array,
    ) -> jax.Array:
        """Mends codes.

        Args:
          images: [B, R, R, C] in [-1, 1].
          shown: likewise, G's renderings of the present codes.
          codes: the present codes, [B, rows, w_dim].
          w_spread: [w_dim], standard deviation of W.

        Returns:
          Codes [B, rows, w_dim].
        """
        x = jnp.concatenate([images, shown], axis=-1)
        x = ResNet(self.widths, self.blocks, name="trunk")(x)
        # Flattened, not averaged: a code holds where things are, too.
        x = x.reshape(x.shape[0], -1)
        small = nn.initializers.variance_scaling(0.1, "fan_in", "normal")
        x = nn.Dense(self.rows * self.w_dim, kernel_init=small, name="head")(x)
        x = x.reshape(x.shape[0], self.rows, self.w_dim)
        return codes + w_spread[None, None] * x


def encoder(config: Config) -> Encoder:
    """The encoder that a config describes."""
    rows = 1
    if config.encoder.space == "w_plus":
        rows = gan_networks.layer_count(config.data.resolution)
    return Encoder(
        config.encoder.widths, config.encoder.blocks, rows, config.gan.w_dim
    )


def feature_network(config: Config) -> gan_networks.Discriminator:
    """The discriminator, of which only the features are of use here.

    Groups of 1 for its minibatch deviation, which comes after the features,
    leave the batch free.
    """
    return gan_networks.discriminator(config).clone(mbstd_group=1)


def spread_of_w(
    generator: gan_networks.Generator,
    params: Any,
    z: jax.Array,
    labels: jax.Array | None = None,
) -> tuple[jax.Array, jax.Array]:
    """Mean and standard deviation of W over latents z: [w_dim] each."""
    w = generator.apply(params, z, labels, method="map")
    # Dimensions that never move keep a floor, so that nothing divides by 0.
    return jnp.mean(w, axis=0), jnp.maximum(jnp.std(w, axis=0), 1e-3)  # type: ignore[arg-type]

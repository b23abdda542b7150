"""StyleGAN2's mapping network, synthesis network and discriminator.

Configuration F of Karras et al. 2020 (arXiv:1912.04958): skip generator,
residual discriminator. Pure functions of their parameters: noise comes in
as an argument, so one image is one (w, noise) pair.

Where there are classes, labels (int32 [B], 0 to classes - 1) condition both:
G by an embedding beside z (Karras et al. 2020, arXiv:2006.06676, appendix
C), D by projection (Miyato and Koyama 2018, arXiv:1802.05637, equation 3).
"""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from jaxstyle import rng
from jaxstyle.config import Config
from jaxstyle.stylegan2 import layers


def resolutions(resolution: int) -> list[int]:
    """4, 8, ... up to `resolution`."""
    return [2**level for level in range(2, int(math.log2(resolution)) + 1)]


def layer_count(resolution: int) -> int:
    """L: the number of latent codes that one image takes (W+ rows)."""
    return 2 * int(math.log2(resolution)) - 2


def style_rows(resolution: int) -> dict[str, int]:
    """Which row of W+ each modulated layer of `Synthesis` reads, by name."""
    rows = {"conv_4_1": 0, "rgb_4": 1}
    for level, size in enumerate(resolutions(resolution)[1:]):
        row = 2 * level + 1
        rows[f"conv_{size}_0"] = row
        rows[f"conv_{size}_1"] = row + 1
        rows[f"rgb_{size}"] = row + 2
    return rows


def noise_shapes(resolution: int) -> list[tuple[int, int, int]]:
    """[H, W, 1] of each layer's noise, first layer first."""
    sizes = [4] + [size for size in resolutions(resolution)[1:] for _ in "ab"]
    return [(size, size, 1) for size in sizes]


class Mapping(nn.Module):
    """z -> w: normalisation and fully connected layers, slowed by 0.01.

    Attributes:
      w_dim: width of W.
      depth: number of layers.
      classes: number of labels; 0 without.
    """

    w_dim: int
    depth: int
    classes: int = 0

    @nn.compact
    def __call__(
        self, z: jax.Array, labels: jax.Array | None = None
    ) -> jax.Array:
        """[B, z_dim] and labels [B], where there are any -> [B, w_dim]."""
        x = layers.normalise_second_moment(z)
        if self.classes:
            embedding = layers.Dense(z.shape[1], name="embed")(
                _one_hot(labels, self.classes)
            )
            embedding = layers.normalise_second_moment(embedding)
            x = jnp.concatenate([x, embedding], axis=1)
        for index in range(self.depth):
            dense = layers.Dense(
                self.w_dim, lr_multiplier=0.01, name=f"dense_{index}"
            )
            x = layers.leaky_relu(dense(x))
        return x


class Synthesis(nn.Module):
    """W+ -> image.

    Attributes:
      resolution: side of the image, a power of two.
      image_channels: 1 or 3.
      widths: channels at 4, 8, ... `resolution`.
      noise_from: smallest side whose layers get noise.
      bfloat16_from: smallest side whose layers compute in bfloat16.
    """

    resolution: int
    image_channels: int
    widths: Sequence[int]
    noise_from: int
    bfloat16_from: int

    @nn.compact
    def __call__(self, ws: jax.Array, noise: Sequence[jax.Array]) -> jax.Array:
        """Renders images.

        Args:
          ws: [B, L, w_dim] with L = `layer_count(resolution)`.
          noise: one [B or 1, H, W, 1] for each of `noise_shapes`, those
            of sides below `noise_from` unused.

        Returns:
          float32 [B, resolution, resolution, image_channels], about
          [-1, 1].
        """
        batch = ws.shape[0]
        const = self.param(
            "const", nn.initializers.normal(1.0), (4, 4, self.widths[0])
        )
        x = jnp.broadcast_to(const[None], (batch, *const.shape))
        noisy = self.noise_from <= 4
        x = layers.StyledLayer(self.widths[0], noisy=noisy, name="conv_4_1")(
            x, ws[:, 0], noise[0]
        )
        image = layers.ToRGB(self.image_channels, name="rgb_4")(x, ws[:, 1])
        sizes = resolutions(self.resolution)[1:]
        for level, (size, width) in enumerate(
            zip(sizes, self.widths[1:], strict=True)
        ):
            # A block's pixels share their code with the next block's start.
            row, noisy = 2 * level + 1, size >= self.noise_from
            x = x.astype(_precision(size, self.bfloat16_from, ws.dtype))
            x = layers.StyledLayer(
                width, up=True, noisy=noisy, name=f"conv_{size}_0"
            )(x, ws[:, row], noise[row])
            x = layers.StyledLayer(width, noisy=noisy, name=f"conv_{size}_1")(
                x, ws[:, row + 1], noise[row + 1]
            )
            rgb = layers.ToRGB(self.image_channels, name=f"rgb_{size}")
            image = layers.convolution.upsample(image) + rgb(x, ws[:, row + 2])
        return image


class Generator(nn.Module):
    """Mapping and synthesis under one set of parameters.

    Attributes:
      w_dim: width of W.
      mapping_layers: depth of the mapping network.
      resolution: side of the image.
      image_channels: 1 or 3.
      widths: channels at 4, 8, ... `resolution`.
      noise_from: smallest side whose layers get noise.
      bfloat16_from: smallest side whose layers compute in bfloat16.
      classes: number of labels; 0 without.
    """

    w_dim: int
    mapping_layers: int
    resolution: int
    image_channels: int
    widths: Sequence[int]
    noise_from: int = 4
    bfloat16_from: int = 2048
    classes: int = 0

    def setup(self) -> None:
        """Makes both networks."""
        self.mapping = Mapping(self.w_dim, self.mapping_layers, self.classes)
        self.synthesis = Synthesis(
            self.resolution,
            self.image_channels,
            self.widths,
            self.noise_from,
            self.bfloat16_from,
        )

    def __call__(
        self,
        z: jax.Array,
        noise: Sequence[jax.Array],
        labels: jax.Array | None = None,
    ) -> jax.Array:
        """[B, z_dim] -> images, one code for all layers."""
        return self.render(self.map(z, labels), noise)

    def map(self, z: jax.Array, labels: jax.Array | None = None) -> jax.Array:
        """[B, z_dim], labels [B] where there are classes -> w [B, w_dim].

        Raises:
          ValueError: if there are classes, but no labels.
        """
        return self.mapping(z, labels)

    def broadcast(self, w: jax.Array) -> jax.Array:
        """[B, w_dim] or [B, 1 or L, w_dim] -> W+ [B, L, w_dim]."""
        if w.ndim == 2:
            w = w[:, None]
        rows = layer_count(self.resolution)
        return jnp.broadcast_to(w, (w.shape[0], rows, w.shape[2]))

    def synthesise(
        self, ws: jax.Array, noise: Sequence[jax.Array]
    ) -> jax.Array:
        """W+ [B, L, w_dim] -> images; see `Synthesis`."""
        return self.synthesis(ws, noise)

    def render(self, w: jax.Array, noise: Sequence[jax.Array]) -> jax.Array:
        """Codes as `broadcast` takes them -> images."""
        return self.synthesise(self.broadcast(w), noise)


class Discriminator(nn.Module):
    """Image -> logit that it is real; residual, with minibatch deviation.

    Attributes:
      widths: channels at 4, 8, ... up to the image's side.
      mbstd_group: see `layers.minibatch_deviation`.
      bfloat16_from: smallest side whose layers compute in bfloat16.
      classes: number of labels; 0 without.
    """

    widths: Sequence[int]
    mbstd_group: int
    bfloat16_from: int = 2048
    classes: int = 0

    @nn.compact
    def __call__(
        self, images: jax.Array, labels: jax.Array | None = None
    ) -> tuple[jax.Array, list[jax.Array]]:
        """Judges images.

        Args:
          images: [B, R, R, C] in [-1, 1].
          labels: int32 [B]; where there are classes and this is None, the
            features alone mean anything.

        Returns:
          Logits float32 [B], and the activations after each block, finest
          first (the encoder's f-independent features).
        """
        side, full = images.shape[1], images.dtype
        x = images.astype(_precision(side, self.bfloat16_from, full))
        x = layers.Conv(self.widths[-1], kernel_size=1, name="from_rgb")(x)
        features = []
        for level in range(len(self.widths) - 1, 0, -1):
            x = x.astype(_precision(4 * 2**level, self.bfloat16_from, full))
            x = self._block(x, level)
            features.append(x)
        x = x.astype(full)
        x = layers.minibatch_deviation(x, min(self.mbstd_group, x.shape[0]))
        x = layers.Conv(self.widths[0], name="last_conv")(x)
        x = x.reshape(x.shape[0], -1)
        x = layers.leaky_relu(layers.Dense(self.widths[0], name="last")(x))
        logits = layers.Dense(1, name="logit")(x)[:, 0]
        if self.classes and labels is not None:
            projection = layers.Dense(x.shape[1], name="project")(
                _one_hot(labels, self.classes)
            )
            product = jnp.sum(x * projection, axis=1)
            logits = logits + product / math.sqrt(x.shape[1])
        return logits, features

    def _block(self, x: jax.Array, level: int) -> jax.Array:
        size = 4 * 2**level
        before, after = self.widths[level], self.widths[level - 1]
        skip = layers.Conv(
            after,
            kernel_size=1,
            down=True,
            activate=False,
            name=f"skip_{size}",
        )(x)
        x = layers.Conv(before, name=f"conv_{size}_0")(x)
        x = layers.Conv(after, down=True, name=f"conv_{size}_1")(x)
        # The sum of two unit variances goes back to one.
        return (x + skip) * math.sqrt(0.5)


def _one_hot(labels: jax.Array | None, classes: int) -> jax.Array:
    if labels is None:
        raise ValueError(
            f"a network for {classes} classes needs labels: int32 [B]"
        )
    # At the scale of a latent: unit mean square.
    return jax.nn.one_hot(labels, classes) * math.sqrt(classes)


def _precision(
    size: int, bfloat16_from: int, otherwise: jnp.dtype
) -> jnp.dtype:
    return jnp.dtype(jnp.bfloat16) if size >= bfloat16_from else otherwise


def random_labels(
    key: jax.Array, ids: jax.Array, classes: int
) -> jax.Array | None:
    """Uniform labels int32 [B], drawn per sample; None without classes."""
    if not classes:
        return None
    draw = rng.uniform(rng.named(key, "labels"), ids, ())
    return jnp.floor(draw * classes).astype(jnp.int32)


def widths(config: Config) -> tuple[int, ...]:
    """Channels at 4, 8, ... up to the resolution."""
    gan = config.gan
    return tuple(
        min(gan.channel_base // size, gan.channel_max)
        for size in resolutions(config.data.resolution)
    )


def generator(config: Config) -> Generator:
    """The generator that a config describes."""
    return Generator(
        config.gan.w_dim,
        config.gan.mapping_layers,
        config.data.resolution,
        config.data.channels,
        widths(config),
        config.gan.noise_from,
        _bfloat16_from(config),
        config.gan.classes,
    )


def discriminator(config: Config) -> Discriminator:
    """The discriminator that a config describes."""
    return Discriminator(
        widths(config),
        config.gan.mbstd_group,
        _bfloat16_from(config),
        config.gan.classes,
    )


def _bfloat16_from(config: Config) -> int:
    # One resolution: the highest alone, and so on; 4 px stay in float32.
    halved = config.data.resolution // 2 ** max(
        config.gan.bfloat16_resolutions - 1, 0
    )
    off = config.gan.bfloat16_resolutions == 0
    return 2 * config.data.resolution if off else max(halved, 8)


def frozen_layers(config: Config) -> tuple[str, ...]:
    """D's layers that freeze-D keeps: its `freeze_d` finest blocks."""
    if not config.gan.freeze_d:
        return ()
    names = ["from_rgb"]
    sizes = resolutions(config.data.resolution)[:0:-1]
    for size in sizes[: config.gan.freeze_d]:
        names += [f"skip_{size}", f"conv_{size}_0", f"conv_{size}_1"]
    return tuple(names)


def truncate(w: jax.Array, w_avg: jax.Array, psi: float) -> jax.Array:
    """w [B, w_dim] pulled towards their mean (Karras et al. 2019, app. B)."""
    return w_avg[None] + psi * (w - w_avg[None])


def fixed_noise(config: Config) -> tuple[np.ndarray, ...]:
    """The one noise under which codes are rendered: [1, H, W, 1] each.

    With it G is a function of w alone, as encoder and walks need.
    """
    random = np.random.default_rng(config.seed)
    return tuple(
        random.standard_normal((1, *shape)).astype(np.float32)
        for shape in noise_shapes(config.data.resolution)
    )

"""The pre-activation ResNet trunk of the classifier and of the encoder.

He et al. 2016, "Identity mappings in deep residual networks"
(arXiv:1603.05027, fig. 4e), with two changes: group normalisation
(arXiv:1803.08494), so that a batch of one behaves as any other, and 2x2
average pooling instead of strides (He et al. 2019, arXiv:1812.01187,
section 4.2), so that no pixel is skipped.
"""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxstyle.convolution import conv3x3

_HE = nn.initializers.variance_scaling(2.0, "fan_in", "truncated_normal")
_MOST_GROUPS = 8


class Conv3x3(nn.Module):
    """3x3 'SAME' convolution without bias: [B,H,W,I] -> [B,H,W,features]."""

    features: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Convolves [B, H, W, I]."""
        kernel = self.param(
            "kernel", _HE, (3, 3, x.shape[-1], self.features), jnp.float32
        )
        return conv3x3(x, kernel)


class Block(nn.Module):
    """Residual block, [B,H,W,I] -> [B,H,W,features] or half the side.

    Both branches start from the pooled pre-activation where the block
    changes shape, and the skip is the untouched input where it does not.
    """

    features: int
    downsample: bool

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Applies the block to [B, H, W, I]."""
        h = normalised(x, "norm_0")
        if self.downsample:
            h = pooled(h)
        if self.downsample or x.shape[-1] != self.features:
            x = nn.Dense(
                self.features, use_bias=False, kernel_init=_HE, name="skip"
            )(h)
        h = Conv3x3(self.features, name="conv_0")(h)
        h = normalised(h, "norm_1")
        return x + Conv3x3(self.features, name="conv_1")(h)


class ResNet(nn.Module):
    """Images to a low-resolution activation map.

    Attributes:
      widths: channels of each stage; every stage after the first halves
        the side.
      blocks: residual blocks in each stage.
    """

    widths: tuple[int, ...]
    blocks: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Activations of images.

        Args:
          x: float32 [B, H, W, C] in [-1, 1]; H and W are multiples of
            2^(stages - 1).

        Returns:
          float32 [B, h, w, F], normalised and rectified (so >= 0), with
          h = H / 2^(stages - 1) and F = widths[-1].

        Raises:
          ValueError: if a side cannot be halved often enough.
        """
        x = Conv3x3(self.widths[0], name="stem")(x)
        for stage, width in enumerate(self.widths):
            for block in range(self.blocks):
                first = stage > 0 and block == 0
                name = f"stage_{stage}_block_{block}"
                x = Block(width, downsample=first, name=name)(x)
        return normalised(x, "norm")


def normalised(x: jax.Array, name: str) -> jax.Array:
    """Group normalisation and ReLU, inside of a compact `__call__`."""
    groups = math.gcd(x.shape[-1], _MOST_GROUPS)
    return nn.relu(nn.GroupNorm(num_groups=groups, name=name)(x))


def pooled(x: jax.Array) -> jax.Array:
    """Means of 2x2 pixels: [B, H, W, C] -> [B, H/2, W/2, C].

    Raises:
      ValueError: if H or W is odd.
    """
    batch, height, width, channels = x.shape
    if height % 2 or width % 2:
        raise ValueError(
            f"a map of {height} x {width} pixels cannot be halved: use fewer "
            "widths, or images whose side is a larger power of two"
        )
    cells = x.reshape(batch, height // 2, 2, width // 2, 2, channels)
    return cells.mean(axis=(2, 4))

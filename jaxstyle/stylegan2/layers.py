"""StyleGAN2's layers (Karras et al. 2020, arXiv:1912.04958).

Every weight is stored with unit variance and scaled at run time (equalised
learning rate; Karras et al. 2018, arXiv:1710.10196, section 4.1).

Convolutions compute in the type of the activations that they are given,
float32 or bfloat16; weights, styles and demodulation are float32.
"""

import math

import jax
import jax.numpy as jnp
from flax import linen as nn

from jaxstyle import convolution

# Where the generator is applied with changed styles (see `ModulatedConv`).
STYLES = "style_offsets"

_LEAKY_GAIN = math.sqrt(2.0)


def leaky_relu(x: jax.Array) -> jax.Array:
    """Leaky ReLU (0.2) times sqrt(2), which keeps the variance."""
    return jax.nn.leaky_relu(x, 0.2) * _LEAKY_GAIN


def normalise_second_moment(z: jax.Array) -> jax.Array:
    """Scales each row of [B, D] to mean square 1."""
    return z * jax.lax.rsqrt(jnp.mean(z**2, axis=1, keepdims=True) + 1e-8)


def minibatch_deviation(x: jax.Array, group: int) -> jax.Array:
    """Appends the standard deviation over groups: [B,H,W,C] -> [B,H,W,C+1].

    A group is `group` consecutive images, so that a batch split over
    devices has the same groups as the whole one (Karras et al. 2018,
    section 3).
    """
    batch, height, width, channels = x.shape
    grouped = x.reshape(batch // group, group, height, width, channels)
    deviation = jnp.sqrt(jnp.var(grouped, axis=1) + 1e-8)
    mean = jnp.mean(deviation, axis=(1, 2, 3))
    plane = jnp.repeat(mean, group).reshape(batch, 1, 1, 1)
    plane = jnp.broadcast_to(plane, (batch, height, width, 1))
    return jnp.concatenate([x, plane], axis=-1)


def equalised(
    kernel: jax.Array, x: jax.Array, lr_multiplier: float = 1.0
) -> jax.Array:
    """[I, O] of unit variance and [B, I] -> [B, O], scaled at run time."""
    return x @ (kernel * (lr_multiplier / math.sqrt(len(kernel))))


class Dense(nn.Module):
    """Equalised fully connected layer: [B, I] -> [B, O].

    Attributes:
      features: O.
      bias_init: initial bias.
      lr_multiplier: slows this layer's learning down.
    """

    features: int
    bias_init: float = 0.0
    lr_multiplier: float = 1.0

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Applies weights and bias, no activation."""
        fan_in, slow = x.shape[-1], self.lr_multiplier
        kernel = self.param(
            "kernel",
            nn.initializers.normal(1.0 / slow),
            (fan_in, self.features),
        )
        bias = self.param(
            "bias",
            nn.initializers.constant(self.bias_init / slow),
            (self.features,),
        )
        return equalised(kernel, x, slow) + (bias * slow)[None]


class ModulatedConv(nn.Module):
    """Convolution whose input channels are scaled by a style (section 2.2).

    Instead of a kernel per image, activations are scaled before and after
    one shared kernel, which is the same by linearity.

    A variable "offset" [B, I] of the collection `STYLES`, if there is one, is
    added to the styles.

    Attributes:
      features: output channels.
      kernel_size: 3 or 1.
      up: double the size.
      demodulate: bring the outputs back to unit variance.
    """

    features: int
    kernel_size: int = 3
    up: bool = False
    demodulate: bool = True

    @nn.compact
    def __call__(self, x: jax.Array, w: jax.Array) -> jax.Array:
        """[B,H,W,I], [B,w_dim] -> [B,H,W,O] (or twice the size)."""
        channels, size = x.shape[-1], self.kernel_size
        style = Dense(channels, bias_init=1.0, name="affine")(w)
        if self.has_variable(STYLES, "offset"):
            style = style + self.get_variable(STYLES, "offset")
        kernel = self.param(
            "kernel",
            nn.initializers.normal(1.0),
            (size, size, channels, self.features),
        )
        kernel = kernel / math.sqrt(size * size * channels)
        x = x * style.astype(x.dtype)[:, None, None, :]
        if size == 1:
            x = convolution.conv1x1(x, kernel[0, 0])
        elif self.up:
            x = convolution.upsample_conv3x3(x, kernel)
        else:
            x = convolution.conv3x3(x, kernel)
        if self.demodulate:
            # Equation 3: 1 / sqrt(sum over i and taps of (s_i w_ijk)^2).
            power = jnp.sum(kernel**2, axis=(0, 1))
            scale = jax.lax.rsqrt(style**2 @ power + 1e-8)
            x = x * scale.astype(x.dtype)[:, None, None, :]
        return x


class StyledLayer(nn.Module):
    """Modulated convolution, noise, bias and activation.

    Attributes:
      features: output channels.
      up: double the size.
      noisy: add the noise, at a strength that is learned.
    """

    features: int
    up: bool = False
    noisy: bool = True

    @nn.compact
    def __call__(
        self, x: jax.Array, w: jax.Array, noise: jax.Array
    ) -> jax.Array:
        """`noise` is [B or 1, H, W, 1] at the output's size."""
        x = ModulatedConv(self.features, up=self.up, name="conv")(x, w)
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        if self.noisy:
            strength = self.param("noise_strength", nn.initializers.zeros, ())
            x = x + (noise * strength).astype(x.dtype)
        return leaky_relu(x + bias.astype(x.dtype)[None, None, None, :])


class ToRGB(nn.Module):
    """Pixels from activations: 1x1 modulated convolution, no demodulation.

    Attributes:
      channels: 1 or 3.
    """

    channels: int

    @nn.compact
    def __call__(self, x: jax.Array, w: jax.Array) -> jax.Array:
        """[B,H,W,I], [B,w_dim] -> float32 [B,H,W,channels]."""
        y = ModulatedConv(
            self.channels, kernel_size=1, demodulate=False, name="conv"
        )(x, w)
        bias = self.param("bias", nn.initializers.zeros, (self.channels,))
        return y.astype(w.dtype) + bias[None, None, None, :]


class Conv(nn.Module):
    """Equalised plain convolution of the discriminator.

    Attributes:
      features: output channels.
      kernel_size: 3 or 1.
      down: halve the size.
      activate: add a bias and apply the leaky ReLU.
    """

    features: int
    kernel_size: int = 3
    down: bool = False
    activate: bool = True

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """[B,H,W,I] -> [B,H,W,O] (or half the size)."""
        channels, size = x.shape[-1], self.kernel_size
        kernel = self.param(
            "kernel",
            nn.initializers.normal(1.0),
            (size, size, channels, self.features),
        )
        kernel = kernel / math.sqrt(size * size * channels)
        if size == 1:
            x = convolution.downsample(x) if self.down else x
            x = convolution.conv1x1(x, kernel[0, 0])
        elif self.down:
            x = convolution.downsample_conv3x3(x, kernel)
        else:
            x = convolution.conv3x3(x, kernel)
        if not self.activate:
            return x
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        return leaky_relu(x + bias.astype(x.dtype)[None, None, None, :])

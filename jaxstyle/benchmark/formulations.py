"""Other ways to compute what `jaxstyle.convolution` computes.

Each is equal to the library's in values and gradients; figures and the
reasons for the choice are in docs/performance.md. The filter is [1, 3, 3, 1]
in each direction, at gain 4 after zeros were inserted (Karras et al. 2020,
arXiv:1912.04958, appendix B).
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxstyle import convolution

Operation = Callable[..., Any]

_LAYOUT = ("NHWC", "HWIO", "NHWC")
_FILTER = (0.125, 0.375, 0.375, 0.125)
_TAPS = [(row, column) for row in range(3) for column in range(3)]
_convolve = partial(jax.lax.conv_general_dilated, dimension_numbers=_LAYOUT)


# --- 3x3 convolutions: x [B,H,W,I], kernel [3,3,I,O] -> [B,H,W,O]


@jax.custom_vjp
def nine_tap_gradient(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """The native convolution; its weight gradient as nine products."""
    return convolution.conv3x3(x, kernel)


def _nine_tap_backward(
    saved: tuple[jax.Array, jax.Array], slope: jax.Array
) -> tuple[jax.Array, jax.Array]:
    x, kernel = saved
    _, height, width, _ = x.shape
    padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    products = [
        jnp.einsum(
            "bhwi,bhwo->io",
            padded[:, row : row + height, column : column + width],
            slope,
        )
        for row, column in _TAPS
    ]
    by_kernel = jnp.stack(products).reshape(kernel.shape)
    return nine_tap_gradient(slope, _turned(kernel)), by_kernel


nine_tap_gradient.defvjp(
    lambda x, kernel: (nine_tap_gradient(x, kernel), (x, kernel)),
    _nine_tap_backward,
)


def columns(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """All nine neighbours beside each other, then one matrix product."""
    _, height, width, channels = x.shape
    padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    neighbours = jnp.concatenate(
        [
            padded[:, row : row + height, column : column + width]
            for row, column in _TAPS
        ],
        axis=-1,
    )
    return jnp.einsum(
        "bhwk,ko->bhwo", neighbours, kernel.reshape(9 * channels, -1)
    )


# --- modulated convolutions: style [B,I] scales the input channels


def scaled_activations(
    x: jax.Array, kernel: jax.Array, style: jax.Array
) -> jax.Array:
    """One kernel for all images, as in `layers.ModulatedConv`."""
    y = convolution.conv3x3(x * style[:, None, None, :], kernel)
    power = jnp.sum(kernel**2, axis=(0, 1))
    scale = jax.lax.rsqrt(style**2 @ power + 1e-8)
    return y * scale[:, None, None, :]


def grouped_convolution(
    x: jax.Array, kernel: jax.Array, style: jax.Array
) -> jax.Array:
    """A kernel for each image, all images side by side as groups."""
    batch, height, width, channels = x.shape
    kernels = kernel[None] * style[:, None, None, :, None]
    power = jnp.sum(kernels**2, axis=(1, 2, 3), keepdims=True)
    kernels = kernels * jax.lax.rsqrt(power + 1e-8)
    side_by_side = x.transpose(1, 2, 0, 3).reshape(1, height, width, -1)
    y = _convolve(
        side_by_side,
        kernels.transpose(1, 2, 3, 0, 4).reshape(3, 3, channels, -1),
        (1, 1),
        "SAME",
        feature_group_count=batch,
    )
    y = y.reshape(height, width, batch, kernel.shape[-1])
    return y.transpose(2, 0, 1, 3)


# --- filters along an axis, after `pad` zeros on either side


def shift_and_add(x: jax.Array, axis: int, pad: int) -> jax.Array:
    """Four shifted copies; the gradient is JAX's own, of pads and sums."""
    padding = [(0, 0)] * x.ndim
    padding[axis] = (pad, pad)
    padded = jnp.pad(x, padding)
    size = padded.shape[axis] - 3
    a, b, c, d = (
        jax.lax.slice_in_dim(padded, tap, tap + size, axis=axis)
        for tap in range(4)
    )
    return (a + d) * _FILTER[0] + (b + c) * _FILTER[1]


@partial(jax.custom_vjp, nondiff_argnums=(1, 2))
def self_adjoint_filter(x: jax.Array, axis: int, pad: int) -> jax.Array:
    """The same; its gradient is this filter again, as it is symmetric."""
    return shift_and_add(x, axis, pad)


self_adjoint_filter.defvjp(
    lambda x, axis, pad: (self_adjoint_filter(x, axis, pad), None),
    lambda axis, pad, _, slope: (self_adjoint_filter(slope, axis, 3 - pad),),
)


# --- a closed system: strided convolution, its transpose, its weight gradient
#
# JAX differentiates a convolution of dilated inputs into a weight gradient
# that XLA:CPU computes tens of times slower than the convolution itself. The
# three below are each other's derivatives, to any order, so that it never
# comes up. x [B,2h+1,2w+1,I], kernel [3,3,I,O], y [B,h,w,O].


@jax.custom_vjp
def _strided(x: jax.Array, kernel: jax.Array) -> jax.Array:
    return _convolve(x, kernel, (2, 2), "VALID")


@jax.custom_vjp
def _transposed(y: jax.Array, kernel: jax.Array) -> jax.Array:
    pads = ((2, 2), (2, 2))
    return _convolve(y, _turned(kernel), (1, 1), pads, lhs_dilation=(2, 2))


@jax.custom_vjp
def _weight_gradient(x: jax.Array, y: jax.Array) -> jax.Array:
    _, height, width, _ = y.shape
    products = [
        jnp.einsum(
            "bhwi,bhwo->io",
            x[:, row : row + 2 * height : 2, column : column + 2 * width : 2],
            y,
        )
        for row, column in _TAPS
    ]
    return jnp.stack(products).reshape(3, 3, x.shape[-1], y.shape[-1])


_strided.defvjp(
    lambda x, kernel: (_strided(x, kernel), (x, kernel)),
    lambda saved, y: (
        _transposed(y, saved[1]),
        _weight_gradient(saved[0], y),
    ),
)
_transposed.defvjp(
    lambda y, kernel: (_transposed(y, kernel), (y, kernel)),
    lambda saved, x: (
        _strided(x, saved[1]),
        _weight_gradient(x, saved[0]),
    ),
)
_weight_gradient.defvjp(
    lambda x, y: (_weight_gradient(x, y), (x, y)),
    lambda saved, kernel: (
        _transposed(saved[1], kernel),
        _strided(saved[0], kernel),
    ),
)


# --- upsampling: x [B,H,W,I], kernel [3,3,I,O] -> [B,2H,2W,O]


def transposed_pair(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Transposed convolution, then filter; both with their own gradients."""
    y = _transposed(x, 4.0 * _turned(kernel))
    return self_adjoint_filter(self_adjoint_filter(y, 1, 1), 2, 1)


def transposed_then_filter(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """The same with JAX's own gradients."""
    pads = ((2, 2), (2, 2))
    y = _convolve(x, 4.0 * kernel, (1, 1), pads, lhs_dilation=(2, 2))
    return shift_and_add(shift_and_add(y, 1, 1), 2, 1)


def transposed_6x6(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Kernel and filter as one kernel of 6x6, on dilated inputs."""
    pads = ((3, 3), (3, 3))
    fused = 4.0 * _filtered_kernel(kernel)
    return _convolve(x, fused, (1, 1), pads, lhs_dilation=(2, 2))


# --- downsampling: x [B,H,W,I], kernel [3,3,I,O] -> [B,H/2,W/2,O]


def strided_pair(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Filter, then strided convolution; both with their own gradients."""
    x = self_adjoint_filter(self_adjoint_filter(x, 1, 2), 2, 2)
    return _strided(x, kernel)


def strided_6x6(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Filter and kernel as one kernel of 6x6, at stride 2."""
    pads = ((2, 2), (2, 2))
    return _convolve(x, _filtered_kernel(kernel), (2, 2), pads)


def space_to_depth(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """That kernel at stride 1 on blocks of 2x2 pixels as 4 I channels."""
    batch, height, width, channels = x.shape
    blocks = x.reshape(batch, height // 2, 2, width // 2, 2, channels)
    blocks = blocks.transpose(0, 1, 3, 2, 4, 5)
    fused = _filtered_kernel(kernel)
    fused = fused.reshape(3, 2, 3, 2, channels, -1).transpose(0, 2, 1, 3, 4, 5)
    return convolution.conv3x3(
        blocks.reshape(batch, height // 2, width // 2, 4 * channels),
        fused.reshape(3, 3, 4 * channels, -1),
    )


def _turned(kernel: jax.Array) -> jax.Array:
    """Upside down and mirrored, inputs and outputs exchanged."""
    return jnp.flip(kernel, (0, 1)).swapaxes(2, 3)


def _filtered_kernel(kernel: jax.Array) -> jax.Array:
    """[3,3,I,O] -> [6,6,I,O]: kernel and filter, one after the other."""
    spread = np.zeros((6, 3))
    for tap in range(3):
        spread[tap : tap + 4, tap] = _FILTER
    spread = jnp.asarray(spread, kernel.dtype)
    return jnp.einsum("as,bt,stio->abio", spread, spread, kernel)


MODULATED: dict[str, Operation] = {
    "scaled activations": scaled_activations,
    "grouped convolution": grouped_convolution,
}
PLAIN: dict[str, Operation] = {
    "native": convolution.conv3x3,
    "nine-tap weight gradient": nine_tap_gradient,
    "columns": columns,
}
UP: dict[str, Operation] = {
    "fused phases": convolution.upsample_conv3x3,
    "transposed pair": transposed_pair,
    "transposed, then filter": transposed_then_filter,
    "transposed 6x6": transposed_6x6,
}
DOWN: dict[str, Operation] = {
    "filter, then stride": convolution.downsample_conv3x3,
    "strided pair": strided_pair,
    "strided 6x6": strided_6x6,
    "space to depth": space_to_depth,
}
FILTERS: dict[str, Operation] = {
    "shift and add": shift_and_add,
    "self-adjoint": self_adjoint_filter,
}

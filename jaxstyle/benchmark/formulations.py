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


def native(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """XLA's convolution with JAX's own gradients."""
    return _convolve(x, kernel, (1, 1), "SAME")


@jax.custom_vjp
def nine_tap_gradient(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """The native convolution; its weight gradient as nine products."""
    return native(x, kernel)


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


# --- upsampling: x [B,H,W,I], kernel [3,3,I,O] -> [B,2H,2W,O]


def fused_phases(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """One 3x3 convolution at the low resolution, then a pixel shuffle."""
    batch, height, width, _ = x.shape
    out = kernel.shape[-1]
    phases = jnp.asarray(_phase_matrices(), kernel.dtype)
    # a, b: taps at the low resolution; p, q: phases of the output pixel.
    fused = jnp.einsum("pas,qbt,stio->abipqo", phases, phases, kernel)
    y = convolution.conv3x3(x, fused.reshape(3, 3, x.shape[-1], 4 * out))
    y = y.reshape(batch, height, width, 2, 2, out)
    y = y.transpose(0, 1, 3, 2, 4, 5)
    return y.reshape(batch, 2 * height, 2 * width, out)


def transposed_then_filter(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """As in use, but with JAX's own gradients."""
    pads = ((2, 2), (2, 2))
    y = _convolve(x, 4.0 * kernel, (1, 1), pads, lhs_dilation=(2, 2))
    return shift_and_add(shift_and_add(y, 1, 1), 2, 1)


def transposed_6x6(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Kernel and filter as one kernel of 6x6, on dilated inputs."""
    pads = ((3, 3), (3, 3))
    fused = 4.0 * _filtered_kernel(kernel)
    return _convolve(x, fused, (1, 1), pads, lhs_dilation=(2, 2))


# --- downsampling: x [B,H,W,I], kernel [3,3,I,O] -> [B,H/2,W/2,O]


def filter_then_stride(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """As in use, but with JAX's own gradients."""
    x = shift_and_add(shift_and_add(x, 1, 2), 2, 2)
    return _convolve(x, kernel, (2, 2), "VALID")


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


def _phase_matrices() -> np.ndarray:
    """[phase, low-resolution tap, kernel tap]: the filter fused per phase.

    Kernel tap t of output phase p reads the filtered image at 2n + p + t,
    which is 0.25 / 0.75 of the two input pixels around it.
    """
    matrices = np.zeros((2, 3, 3))
    neighbours = {0: ((-1, 0.25), (0, 0.75)), 1: ((0, 0.75), (1, 0.25))}
    for phase in (0, 1):
        for tap in (-1, 0, 1):
            low, parity = divmod(phase + tap, 2)
            for offset, weight in neighbours[parity]:
                matrices[phase, low + offset + 1, tap + 1] += weight
    return matrices


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
    "native, in tiles where large": convolution.conv3x3,
    "native": native,
    "nine-tap weight gradient": nine_tap_gradient,
    "columns": columns,
}
UP: dict[str, Operation] = {
    "transposed pair": convolution.upsample_conv3x3,
    "fused phases": fused_phases,
    "transposed, then filter": transposed_then_filter,
    "transposed 6x6": transposed_6x6,
}
DOWN: dict[str, Operation] = {
    "strided pair": convolution.downsample_conv3x3,
    "filter, then stride": filter_then_stride,
    "strided 6x6": strided_6x6,
    "space to depth": space_to_depth,
}
FILTERS: dict[str, Operation] = {
    "self-adjoint": convolution.filtered,
    "shift and add": shift_and_add,
}

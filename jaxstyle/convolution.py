"""Convolutions and resampling under every network here.

Formulations are chosen by measurement on XLA:CPU, values, gradients and
gradients of gradients together (docs/performance.md): up- and downsampling are
native transposed and strided convolutions beside a filter by shift and add.
JAX differentiates those two into convolutions over dilated inputs, which
XLA:CPU computes many times slower than anything else here, in the second
derivative above all, which R1 and path length regularisation take. So a strided
convolution, its transpose and its weight gradient are made each other's
derivatives, to any order; and the filter, being symmetric, its own. Large
images have their own ways on CPU, where caches and cores ask for them;
accelerators take what XLA has.

The resampling filter is [1, 3, 3, 1] in each direction (Karras et al. 2020,
arXiv:1912.04958, appendix B). Activations are surrounded by zeros, but
pixels by copies of the border: zero is mid-grey there, and short trainings
would keep a grey frame around every image.

The type of the images is the type of the computation: kernels, float32, are
rounded to bfloat16 at the last moment where images are.
"""

import math
from functools import partial

import jax
import jax.numpy as jnp

_convolve = partial(
    jax.lax.conv_general_dilated, dimension_numbers=("NHWC", "HWIO", "NHWC")
)


def conv3x3(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """'SAME' cross-correlation: [B,H,W,I], [3,3,I,O] -> [B,H,W,O]."""
    kernel = kernel.astype(x.dtype)
    if _large(x, 16):
        return _strided(x, kernel, 1)
    return _convolve(x, kernel, (1, 1), "SAME")


def conv1x1(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Pointwise: [B,H,W,I], [I,O] -> [B,H,W,O]."""
    return jnp.einsum("bhwi,io->bhwo", x, kernel.astype(x.dtype))


def upsample_conv3x3(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Doubles the size, filters, convolves: [B,H,W,I] -> [B,2H,2W,O].

    Equal to inserting zeros, convolving with `kernel` and filtering with
    [1,3,3,1] at gain 4, in any order, on an image surrounded by zeros.
    """
    y = _transposed(x, 4.0 * _turned(kernel.astype(x.dtype)), 2)
    y = filtered(y, 1, 1)  # type: ignore[arg-type]
    return filtered(y, 2, 1)


def downsample_conv3x3(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Filters, convolves and halves the size: [B,H,W,I] -> [B,H/2,W/2,O]."""
    x = filtered(filtered(x, 1, 2), 2, 2)
    return _strided(x, kernel.astype(x.dtype), 2)


def upsample(x: jax.Array) -> jax.Array:
    """Doubles the size of pixels: [B,H,W,C] -> [B,2H,2W,C]."""
    return _upsample_axis(_upsample_axis(x, 1), 2)


def downsample(x: jax.Array) -> jax.Array:
    """Halves the size after the filter: [B,H,W,C] -> [B,H/2,W/2,C]."""
    return filtered(filtered(x, 1, 1)[:, ::2], 2, 1)[:, :, ::2]


# --- the filter [1, 3, 3, 1] / 8


def filtered(x: jax.Array, axis: int, pad: int) -> jax.Array:
    """Filters along `axis` (of n, with n + 2 pad - 3 left) after `pad` zeros.

    Its own derivative, with 3 - `pad` zeros, as the filter is symmetric.
    """
    return _filtered(x, axis, pad)


@partial(jax.custom_vjp, nondiff_argnums=(1, 2))
def _filtered(x: jax.Array, axis: int, pad: int) -> jax.Array:
    a, b, c, d = _shifts(x, axis, pad, 4)
    return (a + d) * 0.125 + (b + c) * 0.375


_filtered.defvjp(
    lambda x, axis, pad: (filtered(x, axis, pad), None),
    lambda axis, pad, _, slope: (filtered(slope, axis, 3 - pad),),
)


def _shifts(
    x: jax.Array, axis: int, pad: int, taps: int, mode: str = "constant"
) -> list[jax.Array]:
    """The padded input seen from each tap of a filter along `axis`."""
    padding = [(0, 0)] * x.ndim
    padding[axis] = (pad, pad)
    padded = jnp.pad(x, padding, mode=mode)
    size = padded.shape[axis] - taps + 1
    return [
        jax.lax.slice_in_dim(padded, tap, tap + size, axis=axis)
        for tap in range(taps)
    ]


def _upsample_axis(x: jax.Array, axis: int) -> jax.Array:
    before, here, after = _shifts(x, axis, 1, 3, "edge")
    even, odd = 0.25 * before + 0.75 * here, 0.75 * here + 0.25 * after
    shape = list(x.shape)
    shape[axis] *= 2
    return jnp.stack([even, odd], axis + 1).reshape(shape)


# --- x, kernel [3,3,I,O] and y [B,h,w,O] are each the others' derivative; x is
#     [B,h,w,I], to be surrounded by zeros, at stride 1, [B,2h+1,2w+1,I] at 2

# Channels from which on large images fill more than the caches.
_WIDE = 64


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def _strided(x: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
    padding = "SAME" if stride == 1 else "VALID"
    return _convolve(x, kernel, (stride, stride), padding)


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def _transposed(y: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
    if stride == 1:
        return _strided(y, _turned(kernel), 1)
    if _large(y, 16):
        return _by_phases(y, kernel.swapaxes(2, 3))
    pads = ((2, 2), (2, 2))
    return _convolve(y, _turned(kernel), (1, 1), pads, lhs_dilation=(2, 2))


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def _weight_gradient(x: jax.Array, y: jax.Array, stride: int) -> jax.Array:
    if stride == 1:
        x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    return (_by_tiles if _large(y, 8) else _correlation)(x, y, stride)


def _large(x: jax.Array, side: int) -> bool:
    """Whether XLA:CPU's own way is the slower one (docs/performance.md)."""
    large = x.shape[-1] >= _WIDE and max(x.shape[1:3]) > side
    return large and jax.default_backend() == "cpu"


def _by_phases(y: jax.Array, kernel: jax.Array) -> jax.Array:
    """Even and odd rows and columns by themselves: no zero is multiplied.

    An odd row 2 i + 1 sees row i through the middle of the kernel; an even
    row 2 i sees rows i - 1 and i through its last row and its first.
    """
    even, odd = (slice(None, None, -2), 1), (slice(1, 2), 0)
    outputs = []
    for row, above in (even, odd):
        for column, before in (even, odd):
            pads = ((above, above), (before, before))
            phase = _convolve(y, kernel[row, column], (1, 1), pads)
            outputs.append(_spread(phase, 1 - above, 1 - before))
    return sum(outputs[1:], outputs[0])


def _spread(x: jax.Array, row: int, column: int) -> jax.Array:
    """Zeros between the pixels, and `row` and `column` of them around."""
    zero = jnp.zeros((), x.dtype)
    config = ((0, 0, 0), (row, row, 1), (column, column, 1), (0, 0, 0))
    return jax.lax.pad(x, zero, config)


def _by_tiles(x: jax.Array, y: jax.Array, stride: int) -> jax.Array:
    """The sum of small tiles' gradients, which stay in the cores' caches.

    At most 8 x 8 of them, as each takes time to compile.
    """
    _, height, width, _ = y.shape
    side = max(16 // stride, math.ceil(max(height, width) / 8))
    seen = stride * (side - 1) + 3
    tiles = [
        _correlation(
            x[:, stride * row :, stride * column :][:, :seen, :seen],
            y[:, row : row + side, column : column + side],
            stride,
        )
        for row in range(0, height, side)
        for column in range(0, width, side)
    ]
    return sum(tiles[1:], tiles[0])


def _correlation(x: jax.Array, y: jax.Array, stride: int) -> jax.Array:
    """JAX's own gradient with respect to the kernel."""
    shape = jax.ShapeDtypeStruct((3, 3, x.shape[-1], y.shape[-1]), x.dtype)
    pull = jax.linear_transpose(
        lambda kernel: _convolve(x, kernel, (stride, stride), "VALID"), shape
    )
    return pull(y)[0]


def _turned(kernel: jax.Array) -> jax.Array:
    """Upside down and mirrored, inputs and outputs exchanged."""
    return jnp.flip(kernel, (0, 1)).swapaxes(2, 3)


_strided.defvjp(
    lambda x, kernel, stride: (_strided(x, kernel, stride), (x, kernel)),
    lambda stride, saved, y: (
        _transposed(y, saved[1], stride),
        _weight_gradient(saved[0], y, stride),
    ),
)
_transposed.defvjp(
    lambda y, kernel, stride: (_transposed(y, kernel, stride), (y, kernel)),
    lambda stride, saved, x: (
        _strided(x, saved[1], stride),
        _weight_gradient(x, saved[0], stride),
    ),
)
_weight_gradient.defvjp(
    lambda x, y, stride: (_weight_gradient(x, y, stride), (x, y)),
    lambda stride, saved, kernel: (
        _transposed(saved[1], kernel, stride),
        _strided(saved[0], kernel, stride),
    ),
)

"""Convolutions and resampling under every network here.

One formulation an operation, chosen by measurement on XLA:CPU, values,
gradients and gradients of gradients together (docs/performance.md): up- and
downsampling are native transposed and strided convolutions beside a filter by
shift and add. JAX differentiates those two into convolutions over dilated
inputs, which XLA:CPU computes many times slower than anything else here, in
the second derivative above all, which R1 and path length regularisation take.
So a strided convolution, its transpose and its weight gradient are made each
other's derivatives, to any order; and the filter, being symmetric, its own.

The resampling filter is [1, 3, 3, 1] in each direction (Karras et al. 2020,
arXiv:1912.04958, appendix B). Activations are surrounded by zeros, but
pixels by copies of the border: zero is mid-grey there, and short trainings
would keep a grey frame around every image.

The type of the images is the type of the computation: kernels, float32, are
rounded to bfloat16 at the last moment where images are.
"""

from functools import partial

import jax
import jax.numpy as jnp

_convolve = partial(
    jax.lax.conv_general_dilated, dimension_numbers=("NHWC", "HWIO", "NHWC")
)
_TAPS = [(row, column) for row in range(3) for column in range(3)]


def conv3x3(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """'SAME' cross-correlation: [B,H,W,I], [3,3,I,O] -> [B,H,W,O]."""
    return _convolve(x, kernel.astype(x.dtype), (1, 1), "SAME")


def conv1x1(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Pointwise: [B,H,W,I], [I,O] -> [B,H,W,O]."""
    return jnp.einsum("bhwi,io->bhwo", x, kernel.astype(x.dtype))


def upsample_conv3x3(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Doubles the size, filters, convolves: [B,H,W,I] -> [B,2H,2W,O].

    Equal to inserting zeros, convolving with `kernel` and filtering with
    [1,3,3,1] at gain 4, in any order, on an image surrounded by zeros.
    """
    y = _transposed(x, 4.0 * _turned(kernel.astype(x.dtype)))
    return filtered(filtered(y, 1, 1), 2, 1)


def downsample_conv3x3(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Filters, convolves and halves the size: [B,H,W,I] -> [B,H/2,W/2,O]."""
    x = filtered(filtered(x, 1, 2), 2, 2)
    return _strided(x, kernel.astype(x.dtype))


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


# --- x [B,2h+1,2w+1,I], kernel [3,3,I,O], y [B,h,w,O]: each the others'
#     derivative


@jax.custom_vjp
def _strided(x: jax.Array, kernel: jax.Array) -> jax.Array:
    return _convolve(x, kernel, (2, 2), "VALID")


@jax.custom_vjp
def _transposed(y: jax.Array, kernel: jax.Array) -> jax.Array:
    pads = ((2, 2), (2, 2))
    return _convolve(y, _turned(kernel), (1, 1), pads, lhs_dilation=(2, 2))


@jax.custom_vjp
def _weight_gradient(x: jax.Array, y: jax.Array) -> jax.Array:
    if jax.default_backend() == "cpu":
        return _by_taps(x, y)
    return _by_dilation(x, y)


def _by_taps(x: jax.Array, y: jax.Array) -> jax.Array:
    """Nine matrix products, one a tap of the kernel."""
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


def _by_dilation(x: jax.Array, y: jax.Array) -> jax.Array:
    """JAX's own, for which accelerators have a kernel."""
    shape = jax.ShapeDtypeStruct((3, 3, x.shape[-1], y.shape[-1]), x.dtype)
    pull = jax.linear_transpose(
        lambda kernel: _convolve(x, kernel, (2, 2), "VALID"), shape
    )
    return pull(y)[0]


def _turned(kernel: jax.Array) -> jax.Array:
    """Upside down and mirrored, inputs and outputs exchanged."""
    return jnp.flip(kernel, (0, 1)).swapaxes(2, 3)


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

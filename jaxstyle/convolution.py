"""Convolutions and resampling under every network here.

One formulation an operation, chosen by measurement on XLA:CPU (forward and
backward together): upsampling convolutions are fused with their filter into
one 3x3 convolution at the low resolution followed by a pixel shuffle, which
avoids the slow gradients of transposed convolutions; downsampling ones
filter by shift and add and then stride.

The resampling filter is [1, 3, 3, 1] in each direction (Karras et al. 2020,
arXiv:1912.04958, appendix B). Activations are surrounded by zeros, but
pixels by copies of the border: zero is mid-grey there, and short trainings
would keep a grey frame around every image.

The type of the images is the type of the computation: kernels, float32, are
rounded to bfloat16 at the last moment where images are.
"""

import jax
import jax.numpy as jnp
import numpy as np

_LAYOUT = ("NHWC", "HWIO", "NHWC")


def conv3x3(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """'SAME' cross-correlation: [B,H,W,I], [3,3,I,O] -> [B,H,W,O]."""
    return jax.lax.conv_general_dilated(
        x,
        kernel.astype(x.dtype),
        (1, 1),
        "SAME",
        dimension_numbers=_LAYOUT,
    )


def conv1x1(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Pointwise: [B,H,W,I], [I,O] -> [B,H,W,O]."""
    return jnp.einsum("bhwi,io->bhwo", x, kernel.astype(x.dtype))


def upsample_conv3x3(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Doubles the size, filters, convolves: [B,H,W,I] -> [B,2H,2W,O].

    Equal to inserting zeros, convolving with `kernel` and filtering with
    [1,3,3,1] at gain 4, in any order, on an image surrounded by zeros.
    """
    batch, height, width, _ = x.shape
    out = kernel.shape[-1]
    phases = jnp.asarray(_PHASES, kernel.dtype)
    # a, b: taps at the low resolution; p, q: phases of the output pixel.
    fused = jnp.einsum("pas,qbt,stio->abipqo", phases, phases, kernel)
    y = conv3x3(x, fused.reshape(3, 3, x.shape[-1], 4 * out))
    y = y.reshape(batch, height, width, 2, 2, out)
    y = y.transpose(0, 1, 3, 2, 4, 5)
    return y.reshape(batch, 2 * height, 2 * width, out)


def downsample_conv3x3(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Filters, convolves and halves the size: [B,H,W,I] -> [B,H/2,W/2,O]."""
    return jax.lax.conv_general_dilated(
        _filter(_filter(x, 1, 2), 2, 2),
        kernel.astype(x.dtype),
        (2, 2),
        "VALID",
        dimension_numbers=_LAYOUT,
    )


def upsample(x: jax.Array) -> jax.Array:
    """Doubles the size of pixels: [B,H,W,C] -> [B,2H,2W,C]."""
    return _upsample_axis(_upsample_axis(x, 1), 2)


def downsample(x: jax.Array) -> jax.Array:
    """Halves the size after the filter: [B,H,W,C] -> [B,H/2,W/2,C]."""
    return _filter(_filter(x, 1, 1)[:, ::2], 2, 1)[:, :, ::2]


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


def _filter(x: jax.Array, axis: int, pad: int) -> jax.Array:
    a, b, c, d = _shifts(x, axis, pad, 4)
    return (a + d) * 0.125 + (b + c) * 0.375


def _upsample_axis(x: jax.Array, axis: int) -> jax.Array:
    before, here, after = _shifts(x, axis, 1, 3, "edge")
    even, odd = 0.25 * before + 0.75 * here, 0.75 * here + 0.25 * after
    shape = list(x.shape)
    shape[axis] *= 2
    return jnp.stack([even, odd], axis + 1).reshape(shape)


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


_PHASES = _phase_matrices()

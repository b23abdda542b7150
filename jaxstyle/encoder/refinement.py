"""E, applied again to the image and to what it has reconstructed so far.

Alaluf et al. 2021 (ReStyle, arXiv:2104.02699, section 3): the encoder sees
the image beside the rendering of the present code and predicts what is to be
added to that code. It starts at the mean of W.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

Render = Callable[[jax.Array], jax.Array]
# (images, renderings of the present codes, present codes) -> codes
Encode = Callable[[jax.Array, jax.Array, jax.Array], jax.Array]


def passes(
    encode: Encode,
    render: Render,
    images: jax.Array,
    w_mean: jax.Array,
    rows: int,
    count: int,
) -> list[tuple[jax.Array, jax.Array]]:
    """Codes after each pass, and their renderings.

    Each pass learns to mend what it is given: no gradient flows from one to
    those before it (section 3.1). Passes are unrolled, as loops slow
    convolutions down on CPU, and are few.

    Args:
      encode: E.
      render: G, codes [B, rows, w_dim] -> images.
      images: [B, R, R, C] in [-1, 1].
      w_mean: [w_dim].
      rows: of a code, 1 (W) or L (W+).
      count: passes, 1 or more.

    Returns:
      `count` pairs of codes [B, rows, w_dim] and images [B, R, R, C].
    """
    start = jnp.broadcast_to(w_mean[None, None], (1, rows, len(w_mean)))
    shown = jnp.broadcast_to(render(start), images.shape)
    codes = jnp.broadcast_to(start, (len(images), *start.shape[1:]))
    found = []
    for _ in range(count):
        codes, shown = jax.lax.stop_gradient((codes, shown))
        codes = encode(images, shown, codes)
        shown = render(codes)
        found.append((codes, shown))
    return found

"""One probability of all that a black box says: what is asked.

Each is given twice, from f's probabilities and from its logits, through
which gradients flow; the second one's sigmoid is the first.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp
from scipy import special

from jaxstyle.config import Config


def asked(rows: np.ndarray, config: Config) -> np.ndarray:
    """The probability of what `config.target` asks (see `TargetConfig`).

    Args:
      rows: float32 [N, K], checked by `answers`.
      config: what is asked.

    Returns:
      float32 [N] in [0, 1]; where a pair has no probability at all, 0.5.
    """
    target = config.target
    found = rows[:, target.column].astype(np.float64)
    if target.kind == "pair":
        both = found + rows[:, target.against]
        found = np.where(both > 0, found / np.where(both > 0, both, 1), 0.5)
    elif target.kind == "grade":
        higher = rows[:, target.column :].sum(axis=1, dtype=np.float64)
        found = higher / rows.sum(axis=1, dtype=np.float64)
    elif target.kind == "value":
        found = special.expit((found - target.threshold) / target.scale)
    return found.astype(np.float32)


def asked_logit(logits: jax.Array, config: Config) -> jax.Array:
    """The logit of the same probability.

    Args:
      logits: float32 [B, K] of K classes that exclude each other, of which
        the probabilities are the softmax; or [B, 1], of a sigmoid.
      config: what is asked, but no "value".

    Returns:
      float32 [B].
    """
    if logits.shape[1] == 1:
        return logits[:, 0]
    target, classes = config.target, jnp.arange(logits.shape[1])
    positive = classes == target.column
    if target.kind == "pair":
        return logits[:, target.column] - logits[:, target.against]
    if target.kind == "grade":
        positive = classes >= target.column
    for_it, against = (
        logsumexp(logits, axis=1, where=chosen[None])
        for chosen in (positive, ~positive)
    )
    return for_it - against

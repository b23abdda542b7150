"""Passes of E over its own reconstruction."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxstyle.encoder import refinement

MEAN = jnp.asarray([1.0, -2.0])


def _render(codes):
    """A picture of two pixels: the mean over a code's rows."""
    return jnp.mean(codes, axis=1).reshape(-1, 1, 2, 1)


def _halfway(share):
    """An encoder that goes a share of the way it sees is missing."""

    def encode(images, shown, codes):
        missing = (images - shown).reshape(-1, 1, 2)
        return codes + share * missing

    return encode


def _images():
    return jnp.asarray(
        np.random.default_rng(0).normal(size=(3, 1, 2, 1)), jnp.float32
    )


def test_each_pass_starts_where_the_last_one_ended():
    images = _images()
    found = refinement.passes(_halfway(0.5), _render, images, MEAN, 4, 3)
    assert len(found) == 3
    target = np.asarray(images).reshape(3, 1, 2)
    for number, (codes, rendered) in enumerate(found, 1):
        left = (np.asarray(MEAN) - target) * 0.5**number
        np.testing.assert_allclose(
            codes, np.broadcast_to(target + left, (3, 4, 2)), rtol=1e-5
        )
        np.testing.assert_array_equal(rendered, _render(codes))


def test_no_gradient_flows_from_pass_to_pass():
    """d code_2 / d share is what is missing after the first pass."""
    images = _images()

    def second(share):
        found = refinement.passes(_halfway(share), _render, images, MEAN, 1, 2)
        return found[1][0]

    slope = jax.jacrev(second)(0.5)
    missing = (np.asarray(images).reshape(3, 1, 2) - np.asarray(MEAN)) * 0.5
    np.testing.assert_allclose(slope, missing, rtol=1e-5)

"""R1 and path lengths against finite differences and Jacobians.

In float64, so that finite differences are sharp.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxstyle.stylegan2 import losses, networks
from tests import tiny

KEY = jax.random.PRNGKey(0)


@pytest.fixture(scope="module", autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def _float64(tree, seed=0):
    """Parameters in float64, with the zeros replaced."""
    random = np.random.default_rng(seed)
    return jax.tree.map(
        lambda leaf: (
            np.float64(leaf) + 0.3 * random.standard_normal(leaf.shape)
        ),
        tree,
    )


def _directional(function, params, seed):
    """<gradient, v> and the finite difference along a random v."""
    random = np.random.default_rng(seed)
    v = jax.tree.map(lambda leaf: random.standard_normal(leaf.shape), params)
    gradient = jax.grad(function)(params)
    inner = sum(
        float(np.vdot(a, b))
        for a, b in zip(
            jax.tree.leaves(gradient), jax.tree.leaves(v), strict=True
        )
    )
    eps = 1e-6

    def along(distance):
        moved = jax.tree.map(lambda p, d: p + distance * d, params, v)
        return float(function(moved))

    return inner, (along(eps) - along(-eps)) / (2 * eps)


@pytest.fixture(scope="module")
def critic(double):
    """logits(params, images [2, 8, 8, 3]), its parameters, the images."""
    discriminator = networks.discriminator(tiny.config())
    images = np.float64(tiny.images(2))
    params = _float64(jax.jit(discriminator.init)(KEY, jnp.asarray(images)))
    return lambda p, x: discriminator.apply(p, x)[0], params, images


def test_r1_is_the_squared_slope_at_each_image(critic):
    logits, params, images = critic
    penalty = jax.jit(
        lambda p, x: losses.r1_penalty(lambda x: logits(p, x), x)
    )(params, images)
    assert penalty.shape == (2,) and penalty.dtype == jnp.float64
    eps = 1e-6
    steps = eps * np.eye(images.size).reshape(-1, *images.shape)
    total = jax.jit(
        lambda xs: jax.lax.map(lambda x: jnp.sum(logits(params, x)), xs)
    )
    slopes = (total(images + steps) - total(images - steps)) / (2 * eps)
    expected = np.sum(np.square(slopes).reshape(2, -1), axis=1)
    np.testing.assert_allclose(penalty, expected, rtol=1e-6)
    assert penalty[0] != penalty[1]


def test_gradient_of_r1_is_the_finite_difference(critic):
    logits, params, images = critic

    @jax.jit
    def penalty(p):
        return jnp.mean(losses.r1_penalty(lambda x: logits(p, x), images))

    for seed in (1, 2):
        inner, difference = _directional(penalty, params, seed)
        assert inner == pytest.approx(difference, rel=1e-5)
        assert abs(inner) > 1e-3


@pytest.fixture(scope="module")
def painter(double):
    """synthesis(params, ws), parameters, ws [2, 4, 8], image directions."""
    config = tiny.config()
    generator = networks.generator(config)
    random = np.random.default_rng(0)
    noise = [
        random.standard_normal((2, *shape))
        for shape in networks.noise_shapes(tiny.SIDE)
    ]
    z = jnp.ones((2, config.gan.z_dim))
    params = _float64(jax.jit(generator.init)(KEY, z, noise))
    ws = random.standard_normal((2, 4, config.gan.w_dim))
    directions = random.standard_normal((2, tiny.SIDE, tiny.SIDE, 3))

    def synthesis(p, ws):
        return generator.apply(p, ws, noise, method="synthesise")

    return synthesis, params, ws, directions


def _finite_differences(function, at, step=1e-5):
    """[*function(at).shape, *at.shape]: the Jacobian by central differences."""
    function = jax.jit(function)
    columns = []
    for index in np.ndindex(*at.shape):
        move = np.zeros(at.shape)
        move[index] = step
        change = np.asarray(function(at + move) - function(at - move))
        columns.append(change / (2 * step))
    jacobian = np.stack(columns, axis=-1)
    return jacobian.reshape(*jacobian.shape[:-1], *at.shape)


def test_path_lengths_are_those_of_the_jacobian(painter):
    synthesis, params, ws, directions = painter
    lengths = jax.jit(
        lambda p, ws: losses.path_lengths(
            lambda ws: synthesis(p, ws), ws, directions
        )
    )(params, ws)
    jacobian = _finite_differences(lambda ws: synthesis(params, ws), ws)
    expected = []
    for image in range(2):
        own = jacobian[image, ..., image, :, :]
        pulled = np.tensordot(directions[image], own, axes=3) / tiny.SIDE
        by_row = np.sum(pulled**2, axis=1)
        expected.append(np.sqrt(np.mean(by_row)))
    np.testing.assert_allclose(lengths, expected, rtol=1e-6)
    assert not np.any(jacobian[0, ..., 1, :, :])


def test_gradient_of_path_lengths_is_the_finite_difference(painter):
    synthesis, params, ws, directions = painter

    @jax.jit
    def penalty(p):
        lengths = losses.path_lengths(
            lambda ws: synthesis(p, ws), ws, directions
        )
        return jnp.mean((lengths - 0.5) ** 2)

    inner, difference = _directional(penalty, params, 1)
    assert inner == pytest.approx(difference, rel=1e-5)
    assert abs(inner) > 1e-3

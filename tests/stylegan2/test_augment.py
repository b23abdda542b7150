"""The augmentations as a whole; filter, noise and cutout."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxstyle.config import AUGMENT_OPERATIONS, AUGMENT_PRESETS
from jaxstyle.stylegan2 import augment as augment_lib
from jaxstyle.stylegan2 import augment_draws, wavelets
from tests import compilations

KEY = jax.random.PRNGKey(0)
GREY = tuple(n for n in AUGMENT_OPERATIONS if n not in ("hue", "saturation"))


def _images(count, size, channels=3, seed=0):
    random = np.random.default_rng(seed)
    shape = (count, size, size, channels)
    return random.uniform(-1, 1, shape).astype(np.float32)


def _ids(count):
    return jnp.arange(count, dtype=jnp.int32)


@functools.partial(jax.jit, static_argnames="names")
def _augmented(images, ids, p, names, key=KEY):
    return augment_lib.augment(images, key, ids, jnp.float32(p), names)


def test_gains_keep_the_power_of_a_typical_image():
    power = np.array([10, 1, 1, 1]) / 13
    gains = 2 ** np.random.default_rng(0).normal(size=(6, 4))
    expected = np.ones((6, 4))
    for band in range(4):
        alone = np.ones((6, 4))
        alone[:, band] = gains[:, band]
        expected *= alone / np.sqrt(alone**2 @ power)[:, None]
    actual = augment_lib.normalised_gains(jnp.asarray(gains, jnp.float32))
    np.testing.assert_allclose(actual, expected, rtol=1e-5)


def test_unit_gains_change_nothing():
    images = _images(2, 8)
    actual = augment_lib.amplify(
        images, augment_lib.normalised_gains(jnp.ones((2, 4)))
    )
    np.testing.assert_allclose(actual, images, atol=1e-6)


def test_filter_amplifies_bands_of_rows_and_columns():
    images, gains = _images(2, 16), np.array([[1, 2, 0.5, 3], [0, 0, 0, 1]])
    bands = np.float64(wavelets.bands(16))
    expected = []
    for image, gain in zip(images, gains, strict=True):
        matrix = np.tensordot(gain, bands, 1)
        rows = np.tensordot(matrix, image, 1)
        expected.append(np.tensordot(matrix, rows, (1, 1)).transpose(1, 0, 2))
    actual = augment_lib.amplify(images, jnp.asarray(gains, jnp.float32))
    np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_noise_is_white_with_the_sigma_that_was_drawn():
    images = np.zeros((64, 16, 16, 3), np.float32)
    noisy = np.asarray(_augmented(images, _ids(64), 1, ("noise",)))
    sigma = augment_draws.draw(KEY, _ids(64), jnp.float32(1), ("noise",))
    unit = noisy / np.asarray(sigma["noise"])[:, :, None, None]
    np.testing.assert_allclose(unit.std(axis=(1, 2, 3)), 1, atol=0.12)
    assert abs(unit.mean()) < 0.02
    neighbours = np.mean(unit[:, 1:] * unit[:, :-1])
    channels = np.mean(unit[..., 0] * unit[..., 1])
    others = np.mean(unit[1:] * unit[:-1])
    assert max(abs(neighbours), abs(channels), abs(others)) < 0.03


@pytest.mark.parametrize(
    ("centre", "columns", "rows"),
    [
        ((0.5, 0.5), (4, 12), (4, 12)),
        ((0.25, 0.75), (0, 8), (8, 16)),
        ((0.0, 1.0), (0, 4), (12, 16)),
        ((-1.0, -1.0), (0, 0), (0, 0)),
    ],
)
def test_cutout_greys_a_square(centre, columns, rows):
    images = _images(1, 16)
    expected = images.copy()
    expected[:, slice(*rows), slice(*columns)] = 0
    actual = augment_lib.cut_out(images, jnp.array([centre]))
    np.testing.assert_array_equal(actual, expected)


def test_cutout_has_half_the_side_anywhere_inside():
    centres = np.random.default_rng(0).uniform(0.3, 0.7, (50, 2))
    ones = np.ones((50, 32, 32, 1), np.float32)
    cut = 1 - np.asarray(
        augment_lib.cut_out(ones, jnp.asarray(centres, jnp.float32))
    )
    np.testing.assert_array_equal(cut.sum(axis=(1, 2, 3)), 16 * 16)


# The whole.


@pytest.mark.parametrize(("size", "channels"), [(8, 3), (16, 1), (32, 3)])
def test_nothing_happens_at_p_zero(size, channels):
    images = _images(4, size, channels)
    names = AUGMENT_OPERATIONS if channels == 3 else GREY
    actual = _augmented(images, _ids(4), 0, names)
    np.testing.assert_array_equal(actual, images)


def test_no_operations_change_nothing():
    images = _images(2, 8)
    np.testing.assert_array_equal(_augmented(images, _ids(2), 1, ()), images)


@pytest.mark.parametrize("name", AUGMENT_OPERATIONS)
def test_each_operation_is_reached_by_its_name(name):
    images = _images(8, 8)
    actual = _augmented(images, _ids(8), 1, (name,))
    assert (actual.shape, actual.dtype) == (images.shape, images.dtype)
    changed = np.any(np.asarray(actual) != images, axis=(1, 2, 3))
    assert np.mean(changed) > 0.2


def test_grey_images_take_all_but_colours():
    images = _images(8, 8, 1)
    actual = _augmented(images, _ids(8), 1, GREY)
    assert actual.shape == images.shape
    assert np.all(np.any(np.asarray(actual) != images, axis=(1, 2, 3)))


@pytest.mark.parametrize("name", ["hue", "saturation"])
def test_grey_images_refuse_colours(name):
    with pytest.raises(ValueError, match=f"{name!r} needs 3 channels"):
        _augmented(_images(1, 8, 1), _ids(1), 1, (name,))


def test_blits_only_copy_pixels():
    images = np.arange(6 * 64, dtype=np.float32).reshape(6, 8, 8, 1)
    out = _augmented(images, _ids(6), 1, AUGMENT_PRESETS["blit"])
    for before, after in zip(images, np.asarray(out), strict=True):
        assert set(after.flat) <= set(before.flat)


def test_batch_split_over_devices_gets_the_same():
    images, ids = _images(6, 8), _ids(6)
    whole = _augmented(images, ids, 0.7, AUGMENT_OPERATIONS)
    halves = [
        _augmented(images[half], ids[half], 0.7, AUGMENT_OPERATIONS)
        for half in (slice(0, 3), slice(3, 6))
    ]
    np.testing.assert_allclose(whole, np.concatenate(halves), atol=1e-6)


def test_same_key_and_id_do_the_same_and_others_do_not():
    images = np.tile(_images(1, 8), (6, 1, 1, 1))
    ids, names = jnp.array([5, 9, 5, 1, 2, 3], jnp.int32), AUGMENT_OPERATIONS
    a, b, c = np.asarray(_augmented(images, ids, 1, names))[:3]
    np.testing.assert_array_equal(a, c)
    assert np.abs(a - b).max() > 0.1
    key = jax.random.PRNGKey(1)
    other = _augmented(images, ids, 1, names, key)[0]
    assert np.abs(a - other).max() > 0.1


def test_one_compilation_serves_every_p():
    run = functools.partial(_augmented, _images(2, 8), _ids(2))
    run(0.5, AUGMENT_OPERATIONS)
    with compilations.counted() as count:
        results = [run(p, AUGMENT_OPERATIONS) for p in (0.0, 0.25, 1.0)]
    assert count.names == []
    assert np.abs(results[0] - results[2]).max() > 0.1


def test_gradient_is_the_adjoint():
    random = np.random.default_rng(0)
    x, y = random.standard_normal((2, 6, 8, 8, 3)).astype(np.float32)

    def run(images):
        return _augmented(images, _ids(6), 0.8, AUGMENT_OPERATIONS)

    result, pull = jax.vjp(run, x)
    linear = np.asarray(result - run(jnp.zeros_like(x)))  # no noise, no offset
    back = np.asarray(pull(y)[0])
    np.testing.assert_allclose(
        np.einsum("bijc,bijc->b", linear, y),
        np.einsum("bijc,bijc->b", x, back),
        atol=1e-3,
    )
    # Pixel by pixel: the derivative along one direction.
    _, pushed = jax.jvp(run, (x,), (y,))
    np.testing.assert_allclose(run(x + y) - result, pushed, atol=1e-4)


def test_gradients_can_be_differentiated_again():
    x, direction = _images(2, 8, 1), _images(2, 8, 1, seed=1)

    @jax.jit
    def slope(images):
        def energy(images):
            names = (*AUGMENT_PRESETS["geom"], "filter")
            return jnp.sum(_augmented(images, _ids(2), 1, names) ** 3)

        return jnp.sum(jax.grad(energy)(images) ** 2)

    step = 1e-2
    numeric = (slope(x + step * direction) - slope(x - step * direction)) / (
        2 * step
    )
    exact = jax.jvp(slope, (x,), (direction,))[1]
    assert float(exact) == pytest.approx(float(numeric), rel=1e-2)


# Laterality: nothing mirrors or turns unless it is listed.


def _ramps(count, vertical):
    ramp = np.linspace(-1, 1, 16, dtype=np.float32)
    ramp = ramp[None, :, None, None] if vertical else ramp[None, None, :, None]
    return np.broadcast_to(ramp, (count, 16, 16, 1))


def _slopes(images, vertical):
    """Around the centre, which no reflection reaches."""
    centre = np.asarray(images)[:, 7:9, 7:9]
    return np.diff(centre, axis=1 if vertical else 2)


@pytest.mark.parametrize("vertical", [False, True])
def test_left_stays_left_unless_listed(vertical):
    names = tuple(
        name
        for name in AUGMENT_PRESETS["bgc"]
        if name in GREY
        and name not in ("x_flip", "rotate90", "rotate", "luma_flip")
    )
    out = _augmented(_ramps(64, vertical), _ids(64), 1, names)
    assert np.all(_slopes(out, vertical) > 0)


@pytest.mark.parametrize("name", ["x_flip", "rotate90", "rotate"])
def test_left_does_not_stay_left_when_listed(name):
    out = _augmented(_ramps(64, False), _ids(64), 1, (name,))
    turned = np.mean(_slopes(out, False) < -0.01)
    assert 0.2 < turned < 0.7

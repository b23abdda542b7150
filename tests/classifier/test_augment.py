"""Augmentation against NumPy, and its independence of the batch."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxstyle.classifier import augment
from jaxstyle.config import ClassifierConfig


def _images(count=6, side=8, channels=3):
    generator = np.random.default_rng(0)
    shape = (count, side, side, channels)
    return generator.uniform(-0.8, 0.8, shape).astype(np.float32)


def test_tone_scales_around_the_mean_of_each_image():
    images = _images(2)
    brightness = np.float32([0.1, -0.2]).reshape(2, 1, 1, 1)
    contrast = np.float32([1.5, 0.5]).reshape(2, 1, 1, 1)
    actual = augment.tone(images, brightness, contrast)
    for n in range(2):
        mean = images[n].mean()
        expected = mean + (images[n] - mean) * contrast[n] + brightness[n]
        np.testing.assert_allclose(
            actual[n], np.clip(expected, -1, 1), rtol=1e-5, atol=1e-6
        )
    assert float(jnp.max(actual)) <= 1


def test_shift_moves_down_and_right_and_repeats_the_border():
    images = _images(3, side=4, channels=1)
    moves = np.int32([[0, 0], [1, -2], [-2, 2]])
    actual = augment.shift(images, moves, 2)
    np.testing.assert_array_equal(actual[0], images[0])
    for n in (1, 2):
        rows = np.clip(np.arange(4) - moves[n, 0], 0, 3)
        columns = np.clip(np.arange(4) - moves[n, 1], 0, 3)
        np.testing.assert_array_equal(actual[n], images[n][rows][:, columns])


def test_nothing_is_the_identity():
    images = _images()
    config = ClassifierConfig(
        augment_brightness=0.0, augment_contrast=0.0, augment_shift=0
    )
    out = augment.augment(
        images, jax.random.PRNGKey(0), jnp.arange(6, dtype=jnp.int32), config
    )
    np.testing.assert_allclose(out, images, atol=1e-6)


def test_a_sample_s_draw_depends_on_its_index_and_the_key_only():
    images = _images()
    config = ClassifierConfig(augment_brightness=0.3, augment_contrast=0.3)
    key = jax.random.PRNGKey(1)
    ids = jnp.arange(6, dtype=jnp.int32)
    whole = augment.augment(images, key, ids, config)
    half = augment.augment(images[3:], key, ids[3:], config)
    np.testing.assert_array_equal(whole[3:], half)
    other = augment.augment(images, jax.random.PRNGKey(2), ids, config)
    assert not np.allclose(whole, other)
    same = np.repeat(images[:1], 6, axis=0)
    drawn = np.asarray(augment.augment(same, key, ids, config))
    assert len({image.tobytes() for image in drawn}) == 6


def test_every_shift_is_drawn():
    side, most = 8, 1
    image = np.zeros((1, side, side, 1), np.float32)
    image[0, 4, 4] = 1
    images = np.repeat(image, 200, axis=0)
    config = ClassifierConfig(
        augment_brightness=0.0, augment_contrast=0.0, augment_shift=most
    )
    ids = jnp.arange(200, dtype=jnp.int32)
    out = augment.augment(images, jax.random.PRNGKey(0), ids, config)
    found = {
        divmod(int(n), side) for n in np.argmax(out.reshape(200, -1), axis=1)
    }
    assert found == {(r, c) for r in (3, 4, 5) for c in (3, 4, 5)}

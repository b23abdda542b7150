"""Colours against the paper's matrices, with planted draws."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from jaxstyle.stylegan2 import augment_colour

PIXEL = np.array([0.7, -0.4, 0.3])
AXIS = np.ones(3) / np.sqrt(3)
LUMA = np.outer(AXIS, AXIS)


def _column(*values):
    return jnp.array(values, jnp.float32)[:, None]


def _recoloured(pixel, **draws):
    image = np.asarray(pixel, np.float32)[None, None, None]
    draws = {name: _column(value) for name, value in draws.items()}
    return np.asarray(augment_colour.recolour(image, draws))[0, 0, 0]


@pytest.mark.parametrize(
    ("name", "value", "matrix", "offset"),
    [
        ("brightness", 0.3, np.eye(3), 0.3),
        ("contrast", 1.7, 1.7 * np.eye(3), 0),
        ("luma_flip", 1, np.eye(3) - 2 * LUMA, 0),
        ("luma_flip", 0, np.eye(3), 0),
        ("hue", 1.1, Rotation.from_rotvec(1.1 * AXIS).as_matrix(), 0),
        ("hue", -2.9, Rotation.from_rotvec(-2.9 * AXIS).as_matrix(), 0),
        ("saturation", 2.5, LUMA + 2.5 * (np.eye(3) - LUMA), 0),
        ("saturation", 0, LUMA, 0),
    ],
)
def test_colour_operation_is_the_papers_matrix(name, value, matrix, offset):
    actual = _recoloured(PIXEL, **{name: value})
    np.testing.assert_allclose(actual, matrix @ PIXEL + offset, atol=1e-6)


def test_colour_operations_compose_in_order():
    hue = Rotation.from_rotvec(0.8 * AXIS).as_matrix()
    expected = 1.5 * (PIXEL + 0.2)
    expected = hue @ (expected - 2 * LUMA @ expected)
    expected = (LUMA + 0.4 * (np.eye(3) - LUMA)) @ expected
    actual = _recoloured(
        PIXEL,
        brightness=0.2,
        contrast=1.5,
        luma_flip=1,
        hue=0.8,
        saturation=0.4,
    )
    np.testing.assert_allclose(actual, expected, atol=1e-6)


def test_grey_images_have_brightness_contrast_and_luma():
    assert _recoloured([0.5], brightness=0.25) == pytest.approx([0.75])
    assert _recoloured([0.5], contrast=0.5) == pytest.approx([0.25])
    assert _recoloured([0.5], luma_flip=1) == pytest.approx([-0.5])
    assert _recoloured(
        [0.5], brightness=0.25, contrast=2, luma_flip=1
    ) == pytest.approx([-1.5])


@pytest.mark.parametrize("name", ["hue", "saturation"])
def test_grey_images_have_no_colours(name):
    with pytest.raises(ValueError, match=f"{name!r} needs 3 channels"):
        _recoloured([0.5], **{name: 1})

"""Where pixels go, against NumPy and algebra, with planted draws."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxstyle.stylegan2 import augment_geometry


def _images(count, size, channels=3, seed=0):
    random = np.random.default_rng(seed)
    shape = (count, size, size, channels)
    return random.uniform(-1, 1, shape).astype(np.float32)


def _column(*values):
    return jnp.array(values, jnp.float32)[:, None]


@pytest.mark.parametrize("flip", [0, 1])
@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_turns_are_numpys_to_the_bit(flip, turns):
    images = _images(2, 8)
    expected = images[:, :, ::-1] if flip else images
    expected = np.rot90(expected, turns, axes=(1, 2))
    draws = {"x_flip": _column(flip, flip), "rotate90": _column(turns, turns)}
    actual = augment_geometry.transform(images, draws)
    np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize(
    ("right", "down"), [(0, 0), (1, 0), (0, 1), (-3, 2), (7, -7), (-20, 45)]
)
@pytest.mark.parametrize("size", [8, 11])
def test_shift_is_exact_and_reflects(right, down, size):
    images = _images(2, size)
    far = 64
    wide = np.pad(images, ((0, 0), (far,) * 2, (far,) * 2, (0, 0)), "reflect")
    rows, columns = far - down, far - right
    expected = wide[:, rows : rows + size, columns : columns + size]
    moves = jnp.tile(jnp.array([[right, down]], jnp.float32), (2, 1))
    actual = augment_geometry.shift(images, moves)
    np.testing.assert_array_equal(actual, expected)


def test_integer_translation_is_rounded_to_pixels():
    images = _images(1, 16)
    draws = {"translate_integer": jnp.array([[0.1, -0.06]])}  # 1.6, -0.96
    actual = augment_geometry.transform(images, draws)
    np.testing.assert_array_equal(
        actual[:, :-1, 2:], np.asarray(images)[:, 1:, :-2]
    )


def _map(linear, offset=(0, 0)):
    matrix = np.concatenate([linear, np.array(offset)[:, None]], axis=1)
    return jnp.asarray(matrix[None], jnp.float32)


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
@pytest.mark.parametrize("size", [8, 32])
def test_resampler_turns_by_right_angles(turns, size):
    images = _images(1, size)
    linear = np.linalg.matrix_power(np.array([[0, -1], [1, 0]]), turns)
    actual = augment_geometry.resample(images, _map(linear))
    expected = np.rot90(images, turns, axes=(1, 2))
    np.testing.assert_allclose(actual, expected, atol=1e-5)


@pytest.mark.parametrize("move", [(3, 0), (0, -2), (-5, 4), (25, -40)])
def test_resampler_moves_by_whole_pixels(move):
    images = _images(1, 16)
    matrix = _map(np.eye(2), (-move[0], -move[1]))
    expected = augment_geometry.shift(images, jnp.array([move], jnp.float32))
    actual = augment_geometry.resample(images, matrix)
    np.testing.assert_allclose(actual, expected, atol=2e-5)


def _smooth(x, y):
    return np.sin(0.23 * x + 0.5) * np.cos(0.19 * y) + 0.3 * np.sin(0.1 * y)


def _smooth_image(size, linear=((1, 0), (0, 1)), offset=(0, 0)):
    places = np.arange(size) - (size - 1) / 2
    x, y = np.meshgrid(places, places)
    (a, b), (c, d) = linear
    x, y = a * x + b * y + offset[0], c * x + d * y + offset[1]
    return _smooth(x, y).astype(np.float32)[None, :, :, None]


@pytest.mark.parametrize(
    ("linear", "offset"),
    [
        ([[0.5, 0], [0, 0.5]], (0, 0)),
        ([[1, 0], [0, 1]], (0.4, -1.3)),
        ([[0.6, 0.3], [-0.2, 0.7]], (2.5, -1.25)),
        ([[-0.8, 0.1], [0, 0.9]], (0, 0.7)),
    ],
)
def test_resampler_reads_a_smooth_image_where_the_map_says(linear, offset):
    image = _smooth_image(48)
    matrix = _map(np.array(linear), offset)
    actual = augment_geometry.resample(image, matrix)
    expected = _smooth_image(48, linear, offset)
    inside = slice(10, -10)  # the source is inside of the image
    np.testing.assert_allclose(
        actual[:, inside, inside], expected[:, inside, inside], atol=1e-2
    )


def test_resampler_filters_what_shrinking_would_alias():
    columns = np.where(np.arange(32) % 2, 1.0, -1.0).astype(np.float32)
    image = np.broadcast_to(columns[None, None, :, None], (1, 32, 32, 1))
    shrunk = augment_geometry.resample(image, _map(np.diag([1.6, 1.6])))
    # Columns picked every 1.6 pixels would still be between -1 and 1.
    assert np.sqrt(np.mean(np.square(shrunk))) < 0.5


def test_affine_composes_all_in_the_papers_order():
    random = np.random.default_rng(0)
    scale, aspect = 2 ** random.normal(0, 0.3, (2, 5))
    angles, translate = random.normal(size=(2, 5, 2))
    moves = np.array(random.integers(-4, 4, (5, 2)), np.float64)
    draws = {
        "scale": scale[:, None],
        "rotate": angles,
        "anisotropic_scale": aspect[:, None],
        "translate": translate,
    }
    draws = {name: jnp.asarray(v, jnp.float32) for name, v in draws.items()}
    actual = augment_geometry.affine(draws, 16, jnp.asarray(moves, jnp.float32))

    def moving(by):
        return np.array([[1, 0, by[0]], [0, 1, by[1]], [0, 0, 1]])

    def turning(angle):
        # Counterclockwise to the eye: y points down.
        cos, sin = np.cos(angle), np.sin(angle)
        return np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]])

    for n in range(5):
        forward = moving(moves[n])
        forward = np.diag([scale[n], scale[n], 1]) @ forward
        forward = turning(angles[n, 0]) @ forward
        forward = np.diag([aspect[n], 1 / aspect[n], 1]) @ forward
        forward = turning(angles[n, 1]) @ forward
        forward = moving(16 * translate[n]) @ forward
        expected = np.linalg.inv(forward)[:2]
        np.testing.assert_allclose(actual[n], expected, atol=1e-4)


def _centre_and_mass(image, **draws):
    draws = {name: jnp.array([value]) for name, value in draws.items()}
    result = np.asarray(augment_geometry.transform(image, draws))[0, ..., 0]
    rows, columns = np.indices(result.shape) - 16
    mass = result.sum()
    x, y = (result * columns).sum() / mass, (result * rows).sum() / mass
    return x, y, mass / 25


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("translate", [-0.15, 0], (4 - 33 * 0.15, 0, 1)),
        ("translate", [0, 0.125], (4, 33 / 8, 1)),
        ("scale", [1.5], (6, 0, 1.5**2)),
        ("anisotropic_scale", [1.5], (6, 0, 1)),
        ("rotate", [np.pi / 4, np.pi / 4], (0, -4, 1)),
        ("rotate", [np.pi, 0], (-4, 0, 1)),
    ],
)
def test_geometric_operations_do_what_they_are_called(name, values, expected):
    image = np.zeros((1, 33, 33, 1), np.float32)
    image[0, 14:19, 18:23] = 1  # right of the centre by 4
    actual = _centre_and_mass(image, **{name: np.float32(values)})
    np.testing.assert_allclose(actual, expected, atol=0.05)


def test_only_images_that_need_it_are_resampled():
    images = _images(3, 16)
    draws = {
        "x_flip": _column(1, 1, 0),
        "translate_integer": jnp.array([[0.125, 0.0], [0.125, 0], [0, 0]]),
        "scale": _column(1, 1.2, 1),
    }
    actual = augment_geometry.transform(images, draws)
    np.testing.assert_array_equal(actual[0, :, 2:], images[0, :, :1:-1])
    np.testing.assert_array_equal(actual[2], images[2])
    matrix = _map(np.eye(2) / 1.2, (-2, 0))
    expected = augment_geometry.resample(images[1:2, :, ::-1], matrix)
    np.testing.assert_allclose(actual[1:2], expected, atol=1e-5)

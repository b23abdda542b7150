"""Planters: what changes, where, how strongly, and that it comes again."""

import numpy as np
import pytest
from scipy import ndimage

from jaxstyle.config.faithfulness import KINDS, PlantsConfig
from jaxstyle.faithfulness import planters

STRENGTHS = {kind: getattr(PlantsConfig(), kind) for kind in KINDS}


def _image(side=32, channels=1, seed=0):
    """Grey levels in the middle, where nothing is clipped at first."""
    random = np.random.default_rng(seed)
    image = random.uniform(0.45, 0.55, (side, side, channels))
    return image.astype(np.float32)


def _planted(kind, image, seed=0, strength=None):
    strength = STRENGTHS[kind] if strength is None else strength
    random = np.random.default_rng(seed)
    return planters.PLANTERS[kind](image, random, strength)


def test_there_is_a_planter_for_each_kind():
    assert tuple(planters.PLANTERS) == KINDS


@pytest.mark.parametrize("side", [8, 16, 32, 64])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_only_pixels_in_the_mask_change(kind, channels, side):
    for seed in range(5):
        image = _image(side, channels, seed)
        before = image.copy()
        after, mask = _planted(kind, image, seed)
        np.testing.assert_array_equal(image, before)
        assert after.shape == image.shape and after.dtype == np.float32
        assert mask.shape == (side, side) and mask.dtype == np.bool_
        assert after.min() >= 0 and after.max() <= 1
        changed = (after != image).any(axis=-1)
        assert not (changed & ~mask).any()
        # Inside, all of them but a blob's rim and what a blur leaves alike.
        assert changed[mask].mean() > 0.9
        assert 0 < mask.mean() < 0.35


@pytest.mark.parametrize("kind", KINDS)
def test_more_strength_changes_more(kind):
    image = _image()
    changes = []
    for factor in (0.25, 0.5, 1):
        after, mask = _planted(kind, image, 1, STRENGTHS[kind] * factor)
        changes.append(np.abs(after - image).sum())
        np.testing.assert_array_equal(mask, _planted(kind, image, 1)[1])
    assert changes[0] > 0
    assert changes[0] < changes[1] < changes[2]


@pytest.mark.parametrize("kind", KINDS)
def test_the_place_follows_from_the_seed_alone(kind):
    places = []
    for seed in range(8):
        first, mask = _planted(kind, _image(seed=0), seed)
        again, same = _planted(kind, _image(seed=0), seed)
        np.testing.assert_array_equal(first, again)
        np.testing.assert_array_equal(mask, same)
        # Whatever is in the image.
        _, other = _planted(kind, _image(seed=1), seed)
        np.testing.assert_array_equal(mask, other)
        places.append(mask.tobytes())
    assert len(set(places)) > 2


def test_a_marker_is_a_letter_the_right_way_up_in_the_upper_right():
    image = _image()
    after, mask = _planted("marker", image, 3, 0.5)
    rows, columns = np.nonzero(mask)
    letter = mask[rows.min() :, columns.min() :][:5, :4]
    lines = ["".join(".#"[int(c)] for c in line) for line in letter]
    assert lines == ["###.", "#..#", "###.", "#.#.", "#..#"]
    assert mask.sum() == letter.sum()
    assert rows.max() < 16 <= columns.min()
    np.testing.assert_allclose(after[mask], (image[mask] + 1) / 2, atol=1e-6)


def test_a_blur_is_a_gaussian_inside_of_a_disc():
    image = _image()
    after, mask = _planted("blur", image, 2, 1.5)
    smooth = ndimage.gaussian_filter(image[..., 0], 1.5, mode="nearest")
    np.testing.assert_allclose(after[mask][:, 0], smooth[mask], atol=1e-6)
    # A disc: the area of a circle of its greatest width.
    width = np.ptp(np.nonzero(mask)[0]) + 1
    assert mask.sum() == pytest.approx(np.pi * width**2 / 4, rel=0.15)


def test_brightness_is_a_step_at_the_left():
    image = _image()
    after, mask = _planted("brightness", image, 4, 0.25)
    width = mask[0].sum()
    assert 0.15 * 32 < width < 0.35 * 32
    np.testing.assert_array_equal(
        mask, np.arange(32)[None] < width * np.ones((32, 1))
    )
    np.testing.assert_allclose(after[mask], image[mask] + 0.25, atol=1e-6)
    bright, _ = _planted("brightness", np.ones_like(image), 4, 0.25)
    np.testing.assert_array_equal(bright, 1)


def test_a_blob_is_soft():
    after, mask = _planted("blob", np.zeros((32, 32, 1), np.float32), 5, 0.3)
    rise = after[..., 0]
    middle = ndimage.center_of_mass(mask)
    y, x = np.indices(mask.shape)
    distance = np.hypot(y - middle[0], x - middle[1])
    assert rise.max() == pytest.approx(0.3, abs=0.02)
    # It falls from the centre to the rim, where it is next to nothing.
    order = np.argsort(distance[mask])
    fallen = rise[mask][order]
    assert np.corrcoef(np.arange(len(order)), fallen)[0, 1] < -0.95
    rim = mask & ~ndimage.binary_erosion(mask)
    assert rise[rim].max() < 0.12


def test_a_texture_changes_at_every_pixel():
    image = _image()
    after, mask = _planted("texture", image, 6, 0.1)
    assert mask.sum() == 64
    change = (after - image)[..., 0]
    np.testing.assert_allclose(np.abs(change[mask]), 0.1, atol=1e-6)
    rows, columns = (slice(i.min(), i.max() + 1) for i in np.nonzero(mask))
    inside = np.sign(change[rows, columns])
    np.testing.assert_array_equal(inside[1:], -inside[:-1])
    np.testing.assert_array_equal(inside[:, 1:], -inside[:, :-1])


def test_kinds_rarely_overlap():
    image, overlap = _image(), []
    for seed in range(50):
        masks = [_planted(kind, image, seed)[1] for kind in KINDS]
        for n, first in enumerate(masks):
            for second in masks[:n]:
                smaller = min(first.sum(), second.sum())
                overlap.append((first & second).sum() / smaller)
    assert np.mean(np.asarray(overlap) > 0.5) < 0.1

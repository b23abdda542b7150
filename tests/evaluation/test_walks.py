"""Numbers about walks against those worked out by hand."""

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import color

from jaxstyle.evaluation import walks as walks_lib
from jaxstyle.explain import manifest, search

# id: (flipped, flip frame, lambdas, f, distances, brown)
WALKS = {
    "rising": (1, 3, [-1, 0, 1, 2], [0.1, 0.2, 0.4, 0.9], [2, 0, 3, 4], 1),
    "falling": (1, 0, [-2, -1, 0], [0.4, 0.6, 0.3], [5, 1, 0], -1),
    "still": (0, "", [0, 1, 2], [0.2, 0.2, 0.2], [0, 1, 2], 0),
}


@pytest.fixture
def saved(tmp_path):
    """A renderer's folder of RGB frames; some turn brown along the walk."""
    images, frames = [], []
    for name, (flipped, flip, lambdas, f, distances, brown) in WALKS.items():
        (tmp_path / name).mkdir()
        images.append(
            dict.fromkeys(manifest.IMAGE_FIELDS, "")
            | {
                "image_id": name,
                "flipped": flipped,
                "flip_frame": flip,
                "original": f"{name}/original.png",
            }
        )
        for k, place in enumerate(lambdas):
            file = f"{name}/{k}.png"
            share = 0.5 + brown * place / 8
            pixels = _tissue(share)
            Image.fromarray(pixels).save(tmp_path / file)
            frames.append(
                dict.fromkeys(manifest.FRAME_FIELDS, "")
                | {
                    "image_id": name,
                    "frame": k,
                    "lambda": place,
                    "predictor_probability": f[k],
                    "distance": distances[k] / 100,
                    "file": file,
                }
            )
    # The renderer writes frames image by image, but not in this order.
    _write(tmp_path / "manifest.csv", manifest.FRAME_FIELDS, frames)
    _write(tmp_path / "images.csv", manifest.IMAGE_FIELDS, images[::-1])
    return walks_lib.load(
        tmp_path, tmp_path / "manifest.csv", tmp_path / "images.csv"
    )


def _tissue(share):
    """Blue, with so much of brown (DAB) mixed in."""
    hed = np.zeros((4, 4, 3))
    hed[..., 0], hed[..., 2] = 0.1, 0.2 * share
    return np.rint(color.hed2rgb(hed) * 255).astype(np.uint8)


def _write(path, fields, rows):
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, fields)
        writer.writeheader()
        writer.writerows(rows)


def test_each_image_has_its_own_frames(saved):
    assert [walk.row["image_id"] for walk in saved] == list(WALKS)[::-1]
    for walk in saved:
        _, _, lambdas, f, distances, _ = WALKS[walk.row["image_id"]]
        np.testing.assert_array_equal(walk.lambdas, lambdas)
        np.testing.assert_array_equal(walk.judged, f)
        np.testing.assert_allclose(walk.distances, np.array(distances) / 100)
        assert [file.stem for file in walk.files] == [
            str(k) for k in range(len(f))
        ]
        folder = walk.files[0].parent
        assert walk.original == folder / "original.png"
        assert folder.name == walk.row["image_id"]


def test_flips_count_failures(saved):
    np.testing.assert_array_equal(walks_lib.flips(saved), [0, 1, 1])


def _walk(lambdas=(), files=(), **row):
    nothing = np.zeros(len(lambdas))
    return walks_lib.Saved(
        row, np.asarray(lambdas), nothing, nothing, list(files), Path()
    )


@pytest.mark.parametrize(
    ("lambdas", "asked", "flip", "frame"),
    [
        ([-1, 0, 1, 2], "1", "2", 2),
        ([-1, 0, 1, 2], "0", "0", 0),
        ([-1, 0, 1, 2], "1", "", 3),
        ([-1, 0, 1, 2], "0", "", 0),
        # Not a step on the side asked for: the reconstruction answers.
        ([0, 1, 2], "0", "", 0),
        ([-2, -1, 0], "1", "", 2),
    ],
)
def test_the_frame_that_answers(lambdas, asked, flip, frame):
    walk = _walk(lambdas, asked=asked, flip_frame=flip)
    assert walks_lib.counterfactual_frame(walk) == frame


def test_columns_of_the_images():
    walks = [
        _walk(
            status=status,
            asked=asked,
            predictor_original=before,
            predictor_reconstruction=after,
            reconstruction_frame="1",
            files=["a", "b"],
        )
        for status, asked, before, after in (
            (search.FLIPPED, "0", "0.9", "0.7"),
            (search.NO_FLIP, "1", "0.2", "0.2"),
            (search.NOT_EXPLAINED, "1", "0.4", "0.6"),
        )
    ]
    np.testing.assert_array_equal(walks_lib.explained(walks), [1, 1, 0])
    np.testing.assert_array_equal(walks_lib.asked(walks), [0, 1, 1])
    np.testing.assert_allclose(
        walks_lib.judged_originals(walks), [0.9, 0.2, 0.4]
    )
    np.testing.assert_allclose(walks_lib.gaps(walks), [0.2, 0, 0.2])
    assert walks[0].reconstruction == "b"


def test_monotonicity(saved):
    # Ranks 1 2 3 against 2 3 1: 1 - 6 (1 + 1 + 4) / (3 * 8) = -0.5.
    np.testing.assert_allclose(
        walks_lib.monotonicity(saved), [0, -0.5, 1], atol=1e-12
    )


def test_proximity_is_the_distance_at_the_flip(saved):
    np.testing.assert_allclose(walks_lib.proximity(saved), [0.05, 0.04])


def test_the_stain_is_measured_on_the_pixels(saved):
    np.testing.assert_allclose(
        walks_lib.dab_monotonicity(saved), [0, -1, 1], atol=1e-12
    )
    pixels = walks_lib.pixels(saved[0])
    assert pixels.shape == (3, 4, 4, 3) and pixels.dtype == np.float32
    expected = np.stack([_tissue(0.5)] * 3) / 255
    np.testing.assert_allclose(pixels, expected, atol=1e-6)


def test_grey_frames_get_a_channel(tmp_path):
    files = []
    for k in range(2):
        files.append(tmp_path / f"{k}.png")
        Image.fromarray(np.full((4, 4), 51 * k, np.uint8)).save(files[-1])
    pixels = walks_lib.pixels(_walk(files=files))
    assert pixels.shape == (2, 4, 4, 1)
    np.testing.assert_allclose(pixels[1], 0.2, rtol=1e-6)

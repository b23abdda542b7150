import itertools

import numpy as np
import pytest
from skimage import data as skimage_data

from jaxstyle import config as config_lib
from jaxstyle.data import ihc, pipeline, prepare
from jaxstyle.data.problems import DataError

TILE = 32


@pytest.fixture(scope="module")
def section() -> np.ndarray:
    return skimage_data.immunohistochemistry()


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    config = config_lib.Config()
    workdir = tmp_path_factory.mktemp("ihc")
    result = prepare.run(config, workdir)
    names = ("train", "val", "test")
    return result, {n: pipeline.open_split(config, workdir, n) for n in names}


def _dab(pixels: np.ndarray) -> np.ndarray:
    """DAB density by inverting Ruifrok and Johnston's stain matrix."""
    stains = np.array(
        [[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]]
    )
    density = np.log(np.maximum(pixels / 255, 1e-6)) / np.log(1e-6)
    return np.maximum(
        np.linalg.solve(stains.T, density[..., None])[..., 2, 0], 0
    )


def _corner(name: str) -> tuple[int, int]:
    _, y, x = name.rsplit("-", 2)
    return int(y[1:]), int(x[1:])


def test_tiles_are_where_their_ids_say(opened, section):
    for split in opened[1].values():
        images = split.images(range(len(split)))
        for name, image in zip(split.ids, images, strict=True):
            y, x = _corner(name)
            original = section[y : y + TILE, x : x + TILE]
            np.testing.assert_array_equal(
                np.rint((image + 1) * 127.5), original
            )


def test_splits_share_no_pixel(opened):
    covered = {}
    for name, split in opened[1].items():
        covered[name] = np.zeros((512, 512), np.bool_)
        for tile in split.ids:
            y, x = _corner(tile)
            covered[name][y : y + TILE, x : x + TILE] = True
    for one, other in itertools.combinations(covered.values(), 2):
        assert not (one & other).any()
    assert sum(mask.sum() for mask in covered.values()) == 512 * 512


def test_splits_share_no_region_and_no_tile(opened):
    for one, other in itertools.combinations(opened[1].values(), 2):
        assert not set(one.groups) & set(other.groups)
        tiles = [
            {image.tobytes() for image in split.images(range(len(split)))}
            for split in (one, other)
        ]
        assert not tiles[0] & tiles[1]


def test_only_training_tiles_overlap(opened):
    for name in ("val", "test"):
        corners = [_corner(tile) for tile in opened[1][name].ids]
        assert all(y % TILE == 0 and x % TILE == 0 for y, x in corners)
    assert len(opened[1]["train"]) == 36 * 81


def test_labels_follow_the_stain(opened, section):
    stained = _dab(section) > 0.05
    for split in opened[1].values():
        expected = []
        for tile in split.ids:
            y, x = _corner(tile)
            share = stained[y : y + TILE, x : x + TILE].mean()
            expected.append(share >= 0.5)
        np.testing.assert_array_equal(split.labels, expected)
        np.testing.assert_array_equal(split.targets, expected)


def test_classes_are_balanced_as_documented(opened):
    assert opened[0]["classes"] == {
        "train": {"negative": 1337, "positive": 1579},
        "val": {"negative": 20, "positive": 24},
        "test": {"negative": 31, "positive": 37},
    }


def test_dab_density_is_the_mean_of_the_stain(section):
    tiles = section.reshape(16, TILE, 16, TILE, 3).swapaxes(1, 2)
    tiles = tiles.reshape(-1, TILE, TILE, 3)
    density = ihc.dab_density((tiles / 255).astype(np.float32))
    np.testing.assert_allclose(
        density, _dab(tiles).mean(axis=(1, 2)), atol=1e-6
    )


def test_dab_density_rises_with_the_label(opened):
    split = opened[1]["test"]
    density = ihc.dab_density((split.images(range(len(split))) + 1) / 2)
    positive = split.targets == 1
    assert density[positive].mean() > density[~positive].mean() + 0.02


@pytest.mark.parametrize("resolution", [16, 32, 64])
def test_other_sizes_keep_the_rules(resolution):
    data = config_lib.DataConfig(resolution=resolution, channels=1)
    source = ihc.open_source(config_lib.Config(data=data))
    assert {entry.split for entry in source.entries} == {"train", "val", "test"}
    sample = source.load(0)
    assert sample.image.shape == (resolution, resolution, 1)
    assert sample.size == (resolution, resolution)


def test_tiles_too_large_for_the_section_are_refused():
    data = config_lib.DataConfig(resolution=256)
    with pytest.raises(DataError, match=r"too small for tiles"):
        ihc.open_source(config_lib.Config(data=data))


def test_grades_are_equal_parts_of_the_stained_share(section):
    names = ("none", "some", "half", "more", "most")
    config = config_lib.Config(
        data=config_lib.DataConfig(class_names=names),
        target=config_lib.TargetConfig(kind="grade", column=2),
    )
    entries = ihc.open_source(config).entries
    for entry in entries[::97]:
        y, x = _corner(entry.id)
        share = ihc.stained_share(section[None, y : y + TILE, x : x + TILE])[0]
        assert entry.label == min(int(share * 5 + 1e-9), 4)
    assert {entry.label for entry in entries} == set(range(5))

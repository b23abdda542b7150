"""Planted data sets: what is in them, and that it comes again."""

import dataclasses

import numpy as np
import pytest

from jaxstyle import workdir
from jaxstyle.config import ConfigError
from jaxstyle.config.faithfulness import KINDS
from jaxstyle.data import (
    geometry,
    pipeline,
    prepare,
    problems,
    pseudonyms,
)
from jaxstyle.faithfulness import planting
from tests.faithfulness import small


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """(config, path, arrays of the file, what `load` makes of it)."""
    folder = tmp_path_factory.mktemp("planted")
    small.save(folder / "source.npz")
    config = small.config(folder / "source.npz")
    path = folder / "seed_3" / "planted.npz"
    planting.write(config, 3, path)
    with np.load(path) as file:
        arrays = dict(file)
    return config, path, arrays, planting.load(config, 3, path)


def test_clean_images_are_the_source_s(written):
    config, path, arrays, planted = written
    with np.load(config.run.data.path) as file:
        source = dict(file)
    # Names stay where they were.
    of = pseudonyms.existing(path.parent).of
    assert planted.ids == [of(str(name)) for name in source["name"]]
    np.testing.assert_array_equal(arrays["split"], source["split"])
    assert list(arrays["patient"]) == [of(str(p)) for p in source["patient"]]
    for number, image in enumerate(source["image"]):
        unit = geometry.model_image(image[..., None], small.SIDE, 1, None)
        expected = np.rint(unit * 255)
        np.testing.assert_array_equal(planted.clean[number], expected)


def test_images_change_where_something_is_and_nowhere_else(written):
    _, _, arrays, planted = written
    seen = 0
    for number, image in enumerate(arrays["image"]):
        there = planted.places[number][planted.present[number]]
        mask = there.any(axis=0)
        changed = (image != planted.clean[number])[..., 0]
        assert not (changed & ~mask).any()
        assert not mask.any() or changed[mask].mean() > 0.8
        seen += mask.any()
    assert 0.8 < seen / len(arrays["image"]) < 1


def test_kinds_come_independently_of_each_other_and_of_the_class(written):
    _, _, arrays, planted = written
    ill = arrays["label"] & 1
    columns = np.column_stack([planted.present, ill]).astype(float)
    assert np.all(np.abs(planted.present.mean(axis=0) - 0.5) < 0.2)
    correlations = np.corrcoef(columns.T) - np.eye(len(KINDS) + 1)
    assert np.abs(correlations).max() < 0.35


def test_labels_tell_of_each_kind_and_of_the_class(written):
    config, path, arrays, planted = written
    with np.load(config.run.data.path) as file:
        ill = file["label"] == 2
    assert (arrays["label"] % 2 == ill).all()
    for place, kind in enumerate(KINDS):
        mine = planting.target_config(config, 3, path, kind)
        positive = np.isin(arrays["label"], mine.data.positive_labels)
        np.testing.assert_array_equal(positive, planted.present[:, place])
        assert mine.data.class_names == (f"no {kind}", kind)
        assert mine.seed == 3
    mine = planting.target_config(config, 3, path, planting.CLASS)
    positive = np.isin(arrays["label"], mine.data.positive_labels)
    np.testing.assert_array_equal(positive, ill)
    assert mine.data.class_names == ("well", "ill")


def test_it_is_an_ordinary_source_of_data(written, tmp_path):
    config, path, arrays, planted = written
    mine = planting.target_config(config, 3, path, "blob")
    prepare.run(mine, tmp_path)
    split = pipeline.open_split(mine, tmp_path, "test")
    rows = planted.rows(split.ids)
    assert [planted.ids[row] for row in rows] == split.ids
    np.testing.assert_array_equal(
        split.targets, planted.present[rows, KINDS.index("blob")]
    )
    pixels = np.rint((split.images(range(len(split))) + 1) * 127.5)
    np.testing.assert_array_equal(pixels, arrays["image"][rows])


def test_an_image_without_one_of_its_kinds(written):
    _, _, arrays, planted = written
    for number in range(20):
        kinds = np.asarray(KINDS)[planted.present[number]]
        image = arrays["image"][number]
        for kind in KINDS:
            without = planted.without(number, kind)
            place = planted.places[number, KINDS.index(kind)]
            changed = (without != image)[..., 0]
            if kind not in kinds:
                assert not changed.any()
                continue
            # A blur after it may carry the change farther.
            if "blur" not in kinds or kind != "marker":
                assert not (changed & ~place).any()
            assert changed.any()
        if len(kinds) == 1:
            np.testing.assert_array_equal(
                planted.without(number, kinds[0]), planted.clean[number]
            )


def test_the_same_seed_plants_the_same(written, tmp_path):
    config, _, arrays, _ = written
    for seed, same in ((3, True), (4, False)):
        path = tmp_path / f"{seed}.npz"
        planting.write(config, seed, path)
        with np.load(path) as file:
            for name in ("image", "label", "places"):
                assert np.array_equal(file[name], arrays[name]) == same, name


def test_fewer_images_and_kinds_are_a_part_of_all(written, tmp_path):
    """What is planted into an image does not depend on the others."""
    config, _, arrays, _ = written
    less = small.config(
        config.run.data.path,
        kinds=("texture", "marker"),
        train_images=10,
        test_images=5,
    )
    path = tmp_path / "less.npz"
    planting.write(less, 3, path)
    planted = planting.load(less, 3, path)
    with np.load(path) as file:
        splits = file["split"].tolist()
    counts = [splits.count(name) for name in ("train", "val", "test")]
    assert counts == [10, small.VAL, 5]
    assert len(set(planted.ids)) == len(planted.ids)
    rows = planted.sources
    np.testing.assert_array_equal(planted.clean, arrays["clean"][rows])
    for place, kind in enumerate(KINDS):
        if kind in less.plants.kinds:
            expected = arrays["present"][rows, place]
            np.testing.assert_array_equal(planted.present[:, place], expected)
        else:
            assert not planted.present[:, place].any()
            assert not planted.places[:, place].any()


def test_other_settings_are_not_mixed_with_what_is_there(written):
    config, path, _, _ = written
    assert planting.is_written(config, 3, path)
    assert not planting.is_written(config, 3, path.with_name("none.npz"))
    stronger = dataclasses.replace(
        config, plants=dataclasses.replace(config.plants, blob=0.9)
    )
    with pytest.raises(workdir.WorkdirError, match="planted under other"):
        planting.is_written(stronger, 3, path)


def test_a_file_that_was_not_finished_does_not_count(written, tmp_path):
    config, path, _, _ = written
    half = tmp_path / "planted.npz"
    half.write_bytes(path.read_bytes()[:100])
    assert not planting.is_written(config, 3, half)


def test_the_source_s_problems_are_told(tmp_path):
    config = small.config(tmp_path / "missing.npz")
    with pytest.raises(problems.DataError, match="does not exist"):
        planting.write(config, 0, tmp_path / "planted.npz")


@pytest.mark.parametrize(
    ("plants", "said"),
    [
        ({"kinds": ("marker", "marker")}, "plants.kinds"),
        ({"kinds": ("hat",)}, "plants.kinds"),
        ({"probability": 1.0}, "plants.probability"),
        ({"blob": 0.0}, "plants.blob"),
        ({"marker": 1.5}, "plants.marker"),
        ({"test_images": -1}, "plants.test_images"),
    ],
)
def test_wrong_settings_are_named(plants, said):
    with pytest.raises(ConfigError, match=said):
        small.config("x.npz", **plants)

import numpy as np
import pytest

from jaxstyle import config as config_lib
from jaxstyle.data import npz, pipeline, prepare
from jaxstyle.data.problems import DataError
from tests import shared_data
from tests.data import images

SPLITS = np.repeat(["train", "val", "test"], [6, 4, 2])


def _config(path, **data) -> config_lib.Config:
    values = {"resolution": 8, "channels": 1, "pseudonyms": False} | data
    return config_lib.Config(
        data=config_lib.DataConfig(source="npz", path=str(path), **values)
    )


def _arrays(**changes) -> dict[str, np.ndarray]:
    arrays = {
        "image": images.random_pixels(12, 8, 8),
        "label": np.arange(12) % 2,
        "split": SPLITS,
        "patient": np.array([f"p{i // 2}" for i in range(12)]),
        "name": np.array([f"scan {i}.jpeg" for i in range(12)]),
    }
    arrays |= changes
    return {key: value for key, value in arrays.items() if value is not None}


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
def test_round_trip(tmp_path, dtype, channels):
    pixels = images.random_pixels(12, 8, 8, channels, dtype=dtype)
    path = tmp_path / "arrays.npz"
    np.savez(path, **_arrays(image=pixels))
    config = _config(path, channels=channels)
    result = prepare.run(config, tmp_path / "run")
    assert result["stored_as"] == np.dtype(dtype).name
    limit = np.iinfo(dtype).max
    for name in ("train", "val", "test"):
        split = pipeline.open_split(config, tmp_path / "run", name)
        mine = name == SPLITS
        np.testing.assert_allclose(
            split.images(range(len(split))),
            pixels[mine] / (limit / 2) - 1,
            atol=3e-7,
        )
        np.testing.assert_array_equal(split.labels, np.arange(12)[mine] % 2)
        numbers = np.arange(12)[mine]
        assert split.ids == [f"scan_{i}" for i in numbers]
        assert split.groups == [f"p{i // 2}" for i in numbers]
        np.testing.assert_array_equal(split.sizes, np.full((mine.sum(), 2), 8))


def test_floats_stay_floats(tmp_path):
    pixels = np.random.default_rng(0).normal(size=(12, 8, 8))
    path = tmp_path / "arrays.npz"
    np.savez(path, **_arrays(image=pixels))
    config = _config(path, intensity_range=(-1.0, 3.0))
    assert prepare.run(config, tmp_path)["stored_as"] == "float32"
    split = pipeline.open_split(config, tmp_path, "train")
    expected = np.clip((pixels[:6] + 1) / 4, 0, 1) * 2 - 1
    np.testing.assert_allclose(
        split.images(range(6))[..., 0], expected, atol=3e-7
    )


def test_images_are_shrunk_by_areas(tmp_path):
    pixels = images.random_pixels(12, 16, 16)
    path = tmp_path / "arrays.npz"
    np.savez(path, **_arrays(image=pixels))
    config = _config(path)
    prepare.run(config, tmp_path)
    split = pipeline.open_split(config, tmp_path, "train")
    means = pixels[:6].reshape(6, 8, 2, 8, 2).mean(axis=(2, 4))
    # Stored in 8 bits, so half a step off at most.
    np.testing.assert_allclose(
        (split.images(range(6))[..., 0] + 1) * 127.5, means, atol=0.501
    )
    np.testing.assert_array_equal(split.sizes, np.full((6, 2), 16))


def test_missing_splits_are_made_by_patient(tmp_path):
    patients = np.array([f"p{i // 3}" for i in range(60)])
    path = tmp_path / "arrays.npz"
    np.savez(
        path,
        image=images.random_pixels(60, 8, 8),
        label=(np.arange(60) // 3) % 2,
        patient=patients,
    )
    entries = npz.open_source(_config(path)).entries
    assert {entry.split for entry in entries} == {"train", "val", "test"}
    pairs = {(entry.group, entry.split) for entry in entries}
    assert len(pairs) == 20


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"label": None}, ["no array 'label'"]),
        (
            {"image": np.zeros((12, 8, 8, 4), np.uint8), "label": np.ones(12)},
            ["image has shape (12, 8, 8, 4)", "label has type float64"],
        ),
        (
            {"label": np.arange(11), "split": SPLITS[:5]},
            ["label has shape (11,)", "split has shape (5,)"],
        ),
        (
            {"split": np.where(np.arange(12) < 2, "Train", SPLITS)},
            ["row 0: split is 'Train'", "row 1: split is 'Train'"],
        ),
        (
            {"patient": np.array(["p0"] * 12)},
            ["patient 'p0' is in more than one split: train, val, test"],
        ),
        (
            {"label": np.zeros(12, np.int32)},
            ["split 'train' has no image of"],
        ),
        (
            {"image": np.linspace(0, 12, 12 * 64).reshape(12, 8, 8)},
            ["row 1: image has float values", "row 11: image has float values"],
        ),
        ({"image": np.full((12, 8, 8), "x")}, ["image has type <U1"]),
    ],
)
def test_all_problems_are_listed(tmp_path, changes, expected):
    path = tmp_path / "arrays.npz"
    np.savez(path, **_arrays(**changes))
    with pytest.raises(DataError) as error:
        npz.open_source(_config(path))
    for text in (str(path), *expected):
        assert text in str(error.value)


def test_pickles_and_other_files_are_refused(tmp_path):
    pickled = tmp_path / "pickled.npz"
    objects = np.array([{"code": 1}] * 12, dtype=object)
    np.savez(pickled, **_arrays(image=objects), allow_pickle=True)
    text = tmp_path / "text.npz"
    text.write_text("hello")
    single = tmp_path / "single.npz"
    with single.open("wb") as file:
        np.save(file, np.zeros(3))
    for path in (pickled, text, single):
        with pytest.raises(DataError, match="not an npz file"):
            npz.open_source(_config(path))
    with pytest.raises(DataError, match="does not exist"):
        npz.open_source(_config(tmp_path / "missing.npz"))


def test_chest_x_rays(tmp_path):
    path = shared_data.path("chest_xray_64.npz")
    config = _config(path, resolution=32)
    result = prepare.run(config, tmp_path)
    assert result["images"] == {"train": 4106, "val": 561, "test": 1189}
    assert result["labels"]["test"] == {"0": 308, "1": 881}
    groups = {}
    with np.load(path, allow_pickle=False) as arrays:
        pixels, names = arrays["image"], arrays["split"]
    for name in ("train", "val", "test"):
        split = pipeline.open_split(config, tmp_path, name)
        groups[name] = set(split.groups)
        some = pixels[names == name][:50]
        means = some.reshape(50, 32, 2, 32, 2).mean(axis=(2, 4))
        np.testing.assert_allclose(
            (split.images(range(50))[..., 0] + 1) * 127.5, means, atol=0.501
        )
    assert not groups["train"] & groups["val"]
    assert not groups["train"] & groups["test"]
    assert not groups["val"] & groups["test"]


def test_named_arrays_travel_with_the_images(tmp_path):
    path = tmp_path / "arrays.npz"
    ages = np.arange(12) / 2
    ages[3] = np.nan
    sexes = np.array(["f", "m", ""] * 4)
    np.savez(path, **_arrays(age=ages, sex=sexes, surname=sexes))
    config = _config(path, columns=("age", "sex"))
    prepare.run(config, tmp_path / "run")
    for name in ("train", "val", "test"):
        mine = name == SPLITS
        columns = pipeline.open_split(config, tmp_path / "run", name).columns
        assert set(columns) == {"age", "sex"}
        np.testing.assert_array_equal(columns["age"], ages[mine])
        np.testing.assert_array_equal(columns["sex"], sexes[mine])


def test_named_arrays_that_cannot_be_used(tmp_path):
    path = tmp_path / "arrays.npz"
    np.savez(path, **_arrays(age=np.zeros(12, np.complex64)))
    with pytest.raises(DataError, match="has no array 'sex'"):
        npz.open_source(_config(path, columns=("age", "sex")))
    with pytest.raises(DataError, match="age has type complex64"):
        npz.open_source(_config(path, columns=("age",)))
    np.savez(path, **_arrays(age=np.zeros(11)))
    with pytest.raises(DataError, match=r"age has shape \(11,\)"):
        npz.open_source(_config(path, columns=("age",)))


def test_wide_arrays_may_be_cropped(tmp_path):
    path = tmp_path / "arrays.npz"
    pixels = images.random_pixels(12, 8, 12)
    np.savez(path, **_arrays(image=pixels))
    source = npz.open_source(_config(path, fit="crop"))
    sample = source.load(5)
    assert sample.size == (8, 12) and sample.ends == (0, 255)
    np.testing.assert_allclose(
        sample.image[..., 0] * 255, pixels[5, :, 2:10], atol=1e-4
    )

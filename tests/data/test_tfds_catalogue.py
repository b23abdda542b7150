"""Prepared sets of the TFDS catalogue, read without TensorFlow."""

import importlib
import json
import shutil
import sys

import numpy as np
import pytest
import tensorflow_datasets as tfds

from jaxstyle import config as config_lib
from jaxstyle.data import pipeline, prepare, pseudonyms, tfds_catalogue
from jaxstyle.data.problems import DataError
from jaxstyle.explain import look_up
from tests.data import tfds_sets

SETS = ("patch_camelyon", "colorectal_histology", "malaria")
SHARD = "patch_camelyon-train.array_record-00000-of-00001"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folder of each set."""
    folder = tmp_path_factory.mktemp("tfds")
    return {name: getattr(tfds_sets, name)(folder) for name in SETS}


@pytest.fixture
def camelyon(made, tmp_path):
    """A copy that may be spoilt."""
    path = tmp_path / "patch_camelyon" / "2.0.0"
    shutil.copytree(made["patch_camelyon"], path)
    return path


def _config(path, **data) -> config_lib.Config:
    values = {"resolution": 8} | data
    return config_lib.Config(
        data=config_lib.DataConfig(source="tfds", path=str(path), **values)
    )


def _refused(path, **data) -> list[str]:
    with pytest.raises(DataError) as error:
        tfds_catalogue.open_source(_config(path, **data))
    assert str(error.value).startswith(str(path))
    return error.value.problems


def _set_config(name, path) -> config_lib.Config:
    config = importlib.import_module(f"configs.{name}").get_config("tiny")
    config.data.path = str(path)
    return config_lib.validated(config)


def _splits(name, made, tmp_path):
    """What the set's own config makes of it, and the result."""
    config = _set_config(name, made[name])
    result = prepare.run(config, tmp_path)
    assert result["source"] == "tfds" and result["stored_as"] == "uint8"
    opened = {
        split: pipeline.open_split(config, tmp_path, split)
        for split in ("train", "val", "test")
    }
    return opened, result


# --- the three sets


@pytest.mark.parametrize("name", SETS)
def test_configs_agree_with_the_catalogue(name):
    """Version, and the classes that count as the finding."""
    config = importlib.import_module(f"configs.{name}").get_config()
    builder = tfds.builder_cls(name)
    assert config.data.path == f"tfds/{name}/{builder.VERSION}"
    label = tfds_sets.features(name)["label"]
    positive = set(config.data.positive_labels)
    assert positive < set(range(label.num_classes))
    module = sys.modules[builder.__module__]
    if name == "colorectal_histology":
        assert len(config.data.class_names) == label.num_classes
        assert module._CLASS_NAMES[config.target.column] == "tumor"
    elif name == "malaria":
        assert {module._NAMES[n] for n in positive} == {"parasitized"}


def test_patch_camelyon(made, tmp_path):
    """Published splits, names and pixels: 96 px shrink threefold."""
    splits, result = _splits("patch_camelyon", made, tmp_path)
    assert result["images"] == {"train": 40, "val": 16, "test": 16}
    assert any("its own patient" in text for text in result["warnings"])
    first = 0
    for name, part in (("train", "train"), ("val", "valid"), ("test", "test")):
        split = splits[name]
        count = len(split)
        assert split.ids == [f"{part}_{n}" for n in range(count)]
        np.testing.assert_array_equal(split.labels, np.arange(count) % 2)
        np.testing.assert_array_equal(split.targets, np.arange(count) % 2)
        np.testing.assert_array_equal(split.sizes, np.full((count, 2), 96))
        whole = np.stack(
            [tfds_sets.pixels(96, 96, first + n) for n in range(count)]
        )
        means = whole.reshape(count, 32, 3, 32, 3, 3).mean(axis=(2, 4))
        np.testing.assert_allclose(
            (split.images(range(count)) + 1) * 127.5, means, atol=0.501
        )
        first += count


def test_colorectal_histology(made, tmp_path):
    """Splits by slide; tumour epithelium against the other kinds."""
    splits, result = _splits("colorectal_histology", made, tmp_path)
    assert sum(result["images"].values()) == tfds_sets.COLORECTAL
    slides = [set(split.groups) for split in splits.values()]
    assert sum(map(len, slides)) == len(set.union(*slides)) == 10
    assert not any("its own patient" in text for text in result["warnings"])
    for split in splits.values():
        np.testing.assert_array_equal(split.targets, split.labels == 0)
        for id_, label, group in zip(
            split.ids, split.labels, split.groups, strict=True
        ):
            number = int(id_.partition("_")[0], 16)
            assert label == number // 10 % 8
            assert group == f"CRC-Prim-HE-{number % 10 + 1:02d}"


def test_malaria(made, tmp_path):
    """Cells of any size; TFDS's class 0, parasitized, is the finding."""
    splits, result = _splits("malaria", made, tmp_path)
    assert sum(result["images"].values()) == tfds_sets.MALARIA
    assert any("its own patient" in text for text in result["warnings"])
    seen = set()
    for split in splits.values():
        for id_, target, size in zip(
            split.ids, split.targets, split.sizes, strict=True
        ):
            assert id_.startswith("train-")
            number = int(id_.removeprefix("train-"))
            seen.add(number)
            assert target == (number < tfds_sets.MALARIA // 2)
            assert tuple(size) == (60 + number, 150 - number)
    assert seen == set(range(tfds_sets.MALARIA))


def test_colorectal_names_may_be_carried(made, tmp_path):
    config = _config(
        made["colorectal_histology"],
        positive_labels=(0,),
        columns=("filename",),
        pseudonyms=False,
    )
    source = tfds_catalogue.open_source(config)
    for number, entry in enumerate(source.entries):
        name = entry.columns["filename"]
        assert name.startswith(f"{number:X}_CRC-Prim-HE-")
        assert name.endswith(".tif_Row_1_Col_151.tif")


def test_names_become_pseudonyms_unless_they_are_public(made, tmp_path):
    """Images by their names, groups by the slides, and both found again."""
    config = _config(made["colorectal_histology"], positive_labels=(0,))
    public = tfds_catalogue.open_source(config)
    source = prepare.open_source(config, tmp_path)
    known = pseudonyms.existing(tmp_path)
    for entry, name, old in zip(
        source.entries, public.names, public.entries, strict=True
    ):
        assert "CRC-Prim" in name.image and "CRC-Prim" in old.group
        assert (entry.id, entry.group) == (
            known.of(name.image),
            known.of(old.group),
        )
    told = look_up.run(config, tmp_path, source.entries[3].id)
    assert told == {"1": f"image 3 of {config.data.path}"}


# --- sets of other features


def _records(count, /, **more):
    return [
        {
            "image": tfds_sets.png(tfds_sets.pixels(8, 8, n)),
            "label": n % 2,
            **{key: value(n) for key, value in more.items()},
        }
        for n in range(count)
    ]


def _features(**more):
    return tfds.features.FeaturesDict(
        {
            "image": tfds.features.Image(shape=(None, None, 3)),
            "label": tfds.features.ClassLabel(num_classes=2),
        }
        | more
    )


def test_columns_of_numbers_and_words(tmp_path):
    kinds = _features(
        site=tfds.features.Text(),
        age=tfds.features.Scalar(np.float32),
        count=tfds.features.Scalar(np.int64),
        smoker=tfds.features.Scalar(np.bool_),
        # Not asked for.
        surname=tfds.features.Text(),
    )
    given = _records(
        40,
        site=lambda n: f"sité {n % 3}",
        age=lambda n: np.float32("nan") if n == 3 else np.float32(n / 2),
        count=lambda n: 3 * n,
        smoker=lambda n: n % 5 == 0,
        surname=lambda n: "Smith",
    )
    path = tfds_sets.write(tmp_path, "made", "1.0.0", kinds, {"train": given})
    columns = ("site", "age", "count", "smoker")
    config = _config(path, columns=columns)
    for number, entry in enumerate(tfds_catalogue.open_source(config).entries):
        assert entry.columns == {
            "site": f"sité {number % 3}",
            "age": None if number == 3 else number / 2,
            "count": 3 * number,
            "smoker": float(number % 5 == 0),
        }
    assert _refused(path, columns=("sex",)) == [
        "has no feature 'sex'; it has age, count, image, label, site, smoker, "
        "surname"
    ]


@pytest.mark.parametrize(
    ("more", "given", "columns", "expected"),
    [
        (
            {"label": tfds.features.Text()},
            {"label": str},
            (),
            "feature 'label' is no class and no integer",
        ),
        (
            {"label": tfds.features.Tensor(shape=(2,), dtype=np.int64)},
            {"label": lambda n: np.array([n, n])},
            (),
            "feature 'label' is no class and no integer",
        ),
        (
            {"box": tfds.features.Tensor(shape=(2,), dtype=np.float32)},
            {"box": lambda n: np.zeros(2, np.float32)},
            ("box",),
            "feature 'box' is no single number or word",
        ),
        (
            {"image": tfds.features.Tensor(shape=(2,), dtype=np.uint8)},
            {"image": lambda n: np.zeros(2, np.uint8)},
            (),
            "feature 'image' is no image of 8 bits",
        ),
        (
            {"image": tfds.features.Image(dtype=np.uint16)},
            {},
            (),
            "feature 'image' is no image of 8 bits",
        ),
    ],
)
def test_features_of_other_kinds(tmp_path, more, given, columns, expected):
    splits = {"train": _records(4, **given)}
    kinds = _features(**more)
    path = tfds_sets.write(tmp_path, "made", "1.0.0", kinds, splits)
    assert _refused(path, columns=columns) == [expected]


def test_sets_without_a_label_or_an_image(tmp_path):
    kinds = tfds.features.FeaturesDict({"word": tfds.features.Text()})
    splits = {"train": [{"word": "a"}]}
    path = tfds_sets.write(tmp_path, "made", "1.0.0", kinds, splits)
    assert _refused(path) == [
        "has no feature 'image'; it has word",
        "has no feature 'label'; it has word",
    ]


def test_two_splits_of_three_are_made_anew(tmp_path, caplog):
    given = _records(40)
    splits = {"train": given[:30], "test": given[30:]}
    path = tfds_sets.write(tmp_path, "made", "1.0.0", _features(), splits)
    entries = tfds_catalogue.open_source(_config(path)).entries
    assert {entry.split for entry in entries} == {"train", "val", "test"}
    assert "split anew" in caplog.text
    # Names tell where they were.
    assert entries[29].id == "train-000029" and entries[30].id == "test-000000"


def test_unknown_splits_are_named(tmp_path):
    splits = {"train": _records(4), "extra": _records(4)}
    path = tfds_sets.write(tmp_path, "made", "1.0.0", _features(), splits)
    (text,) = _refused(path)
    assert "has a split 'extra'; known are train, validation, test" in text


def test_records_without_a_class_are_listed(tmp_path):
    given = _records(12, label=lambda n: -1 if n in (2, 7) else n % 2)
    splits = {"train": given}
    path = tfds_sets.write(tmp_path, "made", "1.0.0", _features(), splits)
    assert _refused(path) == [
        "train, record 2: label is -1",
        "train, record 7: label is -1",
    ]


def test_a_set_of_one_class(tmp_path):
    splits = {"train": _records(12, label=lambda n: 0)}
    path = tfds_sets.write(tmp_path, "made", "1.0.0", _features(), splits)
    assert any("has no image of 'positive'" in t for t in _refused(path))


# --- memory, and images that cannot be decoded


def test_images_are_decoded_when_they_are_asked_for(tmp_path):
    """Three of them are none: opening does not see it, preparing lists it."""
    given = _records(40)
    for number in (3, 11, 30):
        given[number]["image"] = b"no image"
    splits = {"train": given}
    path = tfds_sets.write(tmp_path, "made", "1.0.0", _features(), splits)
    source = tfds_catalogue.open_source(_config(path))
    assert len(source.entries) == 40
    with pytest.raises(DataError) as error:
        prepare.run(_config(path), tmp_path / "run")
    expected = [
        f"{path}: train, record {number}: is no PNG, JPEG or TIFF image"
        for number in (3, 11, 30)
    ]
    assert error.value.problems == expected


def test_labels_are_read_a_few_at_a_time(made, monkeypatch):
    monkeypatch.setattr(tfds_catalogue, "_BATCH", 7)
    kind = tfds.core.data_sources.array_record.ArrayRecordDataSource
    read, asked = kind.__getitems__, []

    def counted(self, keys):
        asked.append(len(keys))
        return read(self, keys)

    monkeypatch.setattr(kind, "__getitems__", counted)
    config = _config(made["patch_camelyon"])
    assert len(tfds_catalogue.open_source(config).entries) == 72
    # 40 of train, 16 of validation, 16 of test.
    assert asked == [7, 7, 7, 7, 7, 5, 7, 7, 2, 7, 7, 2]


# --- folders that are no prepared set, or a damaged one


def test_folders_that_are_no_set(made, tmp_path):
    path = made["patch_camelyon"]
    for other in (tmp_path / "nothing", path.parent, path / SHARD):
        (text,) = _refused(other)
        assert text.startswith("is no prepared TFDS set: dataset_info.json")
        assert "tfds/patch_camelyon/2.0.0" in text


def _edit(path, change):
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))


@pytest.mark.parametrize("found", ["tfrecord", "parquet", None])
def test_other_formats(camelyon, found):
    def change(info):
        del info["fileFormat"]
        if found:
            info["fileFormat"] = found

    _edit(camelyon / "dataset_info.json", change)
    (text,) = _refused(camelyon)
    assert text.startswith(f"was prepared as {found or 'tfrecord'}; prepare it")
    assert "file_format='array_record'" in text


def test_missing_and_outer_files(camelyon):
    (camelyon / SHARD).rename(camelyon.parent / SHARD)
    (text,) = _refused(camelyon)
    assert f"split 'train': {camelyon / SHARD} is no file" in text
    (camelyon / SHARD).symlink_to(camelyon.parent / SHARD)
    assert _refused(camelyon) == [text]
    (camelyon / SHARD).unlink()

    def change(info):
        (train,) = (s for s in info["splits"] if s["name"] == "train")
        train["filepathTemplate"] = "../" + train["filepathTemplate"]

    _edit(camelyon / "dataset_info.json", change)
    (text,) = _refused(camelyon)
    assert "split 'train'" in text and "is no file in this folder" in text


def test_damaged_sets_are_read_or_refused(camelyon):
    """JSON and records, changed anywhere: images, or a DataError."""
    random = np.random.default_rng(0)
    # A third of this file's bytes pad it.
    shard = camelyon / SHARD.replace("train", "test")
    files = [
        *(camelyon / "dataset_info.json", camelyon / "features.json"),
        *(shard, shard),
    ]
    refused = 0
    for number in range(60):
        file = files[number % len(files)]
        whole = file.read_bytes()
        data = bytearray(whole)
        if number % 5 == 0:
            del data[random.integers(len(data)) :]
        else:
            for _ in range(random.choice([1, 1, 4])):
                data[random.integers(len(data))] = random.choice(list(b"0az"))
        file.write_bytes(bytes(data))
        try:
            source = tfds_catalogue.open_source(_config(camelyon))
            assert source.load(0).image.shape == (8, 8, 3)
        except DataError as error:
            assert str(error).startswith(str(camelyon))
            refused += 1
        file.write_bytes(whole)
    assert 30 < refused < 60
    assert len(tfds_catalogue.open_source(_config(camelyon)).entries) == 72


# --- nothing in the folder runs code


EVIL = "evil_feature.Feature"


@pytest.fixture
def evil(tmp_path, monkeypatch):
    """Whether a module was imported that lies where Python finds it."""
    folder = tmp_path / "evil"
    folder.mkdir()
    (folder / "evil_feature.py").write_text("")
    monkeypatch.syspath_prepend(folder)
    sys.modules.pop("evil_feature", None)
    yield lambda: "evil_feature" in sys.modules
    sys.modules.pop("evil_feature", None)


def _named(features):
    features["featuresDict"]["features"]["id"]["pythonClassName"] = EVIL


def _named_in_text(features):
    inner = {"id": {"type": EVIL, "content": {}}}
    features.pop("featuresDict")
    features["jsonFeature"] = {"json": json.dumps(inner)}


def _named_as_of_old(features):
    features.clear()
    features.update({"type": EVIL, "content": {}})


@pytest.mark.parametrize("change", [_named, _named_in_text, _named_as_of_old])
def test_features_that_would_import_code(camelyon, evil, change):
    _edit(camelyon / "features.json", change)
    (text,) = _refused(camelyon)
    assert "feature" in text or "too old" in text
    assert not evil()
    # TFDS itself would have.
    with pytest.raises(ValueError, match="Unrecognized FeatureConnector"):
        tfds.builder_from_directory(camelyon)
    assert evil()


def test_features_of_the_other_file_are_looked_at_too(camelyon, evil):
    features = json.loads((camelyon / "features.json").read_text())
    _named(features)
    _edit(
        camelyon / "dataset_info.json",
        lambda info: info.update(features=features),
    )
    (text,) = _refused(camelyon)
    assert text == f"has a feature '{EVIL}', which is none of TFDS's own"
    assert not evil()

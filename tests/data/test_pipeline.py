import itertools
import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tensorflow_datasets as tfds

from jaxstyle import config as config_lib
from jaxstyle import workdir as workdir_lib
from jaxstyle.data import builders, pipeline, prepare
from tests.data import images

COUNT = 10


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Ten training images of random pixels; the targets alternate."""
    workdir = tmp_path_factory.mktemp("pipeline")
    pixels = images.random_pixels(COUNT + 4, 8, 8)
    path = workdir / "arrays.npz"
    np.savez(
        path,
        image=pixels,
        label=np.arange(COUNT + 4) % 2 * 7,
        split=np.repeat(["train", "val", "test"], [COUNT, 2, 2]),
    )
    data = config_lib.DataConfig(
        source="npz",
        path=str(path),
        resolution=8,
        channels=1,
        positive_labels=(7,),
    )
    config = config_lib.Config(data=data)
    prepare.run(config, workdir)
    return config, workdir, pixels[:COUNT, ..., None] / 127.5 - 1


def _flips(**allowed) -> config_lib.DataConfig:
    return config_lib.DataConfig(resolution=8, channels=1, **allowed)


def _numbers(batch: np.ndarray, originals: np.ndarray) -> list[int]:
    """Which original each image is, whatever way it is turned."""
    means = originals.mean(axis=(1, 2, 3))
    mine = batch.mean(axis=(1, 2, 3))
    return np.abs(mine[:, None] - means[None]).argmin(axis=1).tolist()


def _order(iterator, batches, originals) -> list[int]:
    return [
        number
        for _ in range(batches)
        for number in _numbers(next(iterator)["image"], originals)
    ]


def test_split_is_in_the_order_of_the_source(prepared):
    config, workdir, originals = prepared
    split = pipeline.open_split(config, workdir, "train")
    assert len(split) == COUNT
    wanted = [3, 0, 3, 9]
    out = split.images(wanted)
    assert out.dtype == np.float32
    np.testing.assert_allclose(out, originals[wanted], atol=3e-7)
    np.testing.assert_array_equal(split.labels, np.arange(COUNT) % 2 * 7)
    np.testing.assert_array_equal(split.targets, np.arange(COUNT) % 2)
    assert split.labels.dtype == np.int32
    assert split.targets.dtype == np.float32
    assert len(set(split.ids)) == COUNT
    assert split.images([]).shape == (0, 8, 8, 1)
    for index in (-1, COUNT):
        with pytest.raises(IndexError, match=f"image {index} of {COUNT}"):
            split.images([index])


def test_batches_cover_the_split_with_a_ragged_end(prepared):
    config, workdir, originals = prepared
    split = pipeline.open_split(config, workdir, "train")
    indices, batches = zip(*split.batches(4), strict=True)
    assert [len(batch) for batch in batches] == [4, 4, 2]
    np.testing.assert_array_equal(np.concatenate(indices), np.arange(COUNT))
    np.testing.assert_allclose(np.concatenate(batches), originals, atol=3e-7)


def test_memory_makes_no_difference(prepared, monkeypatch):
    config, workdir, originals = prepared
    kept = pipeline.open_split(config, workdir, "train")
    monkeypatch.setattr(pipeline, "CACHE_BYTES", 0)
    read = pipeline.open_split(config, workdir, "train")
    for _ in range(2):
        for split in (kept, read):
            np.testing.assert_allclose(
                split.images(range(COUNT)), originals, atol=3e-7
            )


def test_images_are_safe_in_threads(prepared):
    config, workdir, originals = prepared
    split = pipeline.open_split(config, workdir, "train")
    random = np.random.default_rng(0)
    wanted = [random.integers(0, COUNT, 5) for _ in range(200)]
    with ThreadPoolExecutor(8) as pool:
        for indices, out in zip(
            wanted, pool.map(split.images, wanted), strict=True
        ):
            np.testing.assert_allclose(out, originals[indices], atol=3e-7)


def test_every_epoch_has_all_images_in_its_own_order(prepared):
    config, workdir, originals = prepared
    iterator = pipeline.training_batches(config, workdir, "train", 5, seed=0)
    order = _order(iterator, 8, originals)
    epochs = [tuple(order[i : i + COUNT]) for i in range(0, 40, COUNT)]
    assert all(sorted(epoch) == list(range(COUNT)) for epoch in epochs)
    assert len(set(epochs)) == 4


def test_classes_belong_to_their_images(prepared):
    config, workdir, originals = prepared
    iterator = pipeline.training_batches(config, workdir, "train", 4, seed=0)
    for batch in itertools.islice(iterator, 5):
        assert batch["image"].dtype == np.float32
        assert batch["class"].dtype == np.int32
        numbers = _numbers(batch["image"], originals)
        np.testing.assert_allclose(
            batch["image"], originals[numbers], atol=3e-7
        )
        np.testing.assert_array_equal(batch["class"], np.asarray(numbers) % 2)
        np.testing.assert_array_equal(
            batch["label"], np.asarray(numbers) % 2 * 7
        )
        assert batch["label"].dtype == np.int32


def test_the_seed_decides_the_order(prepared):
    config, workdir, originals = prepared
    orders = [
        _order(
            pipeline.training_batches(config, workdir, "train", 5, seed),
            4,
            originals,
        )
        for seed in (0, 0, 1)
    ]
    assert orders[0] == orders[1] != orders[2]


def test_a_batch_may_be_larger_than_the_split(prepared):
    config, workdir, originals = prepared
    iterator = pipeline.training_batches(config, workdir, "train", 32, seed=0)
    numbers = _order(iterator, 5, originals)
    assert len(numbers) == 160
    assert sorted(numbers) == sorted(list(range(COUNT)) * 16)


def test_the_position_is_saved_as_json(prepared):
    config, workdir, _ = prepared
    split = pipeline.open_split(config, workdir, "train")
    data = _flips(flip_horizontal=True, flip_vertical=True, rotate90=True)

    def start():
        return pipeline.iterator(split, data, 4, 3, process=0, processes=1)

    iterator = start()
    # In the middle of an epoch, and after others.
    for _ in range(7):
        next(iterator)
    position = json.loads(json.dumps(iterator.get_state()))
    rest = [next(iterator) for _ in range(6)]
    fresh = start()
    fresh.set_state(position)
    for expected in rest:
        batch = next(fresh)
        np.testing.assert_array_equal(batch["image"], expected["image"])
        np.testing.assert_array_equal(batch["class"], expected["class"])


@pytest.mark.parametrize("processes", [2, 4])
def test_processes_share_the_same_global_batch(prepared, processes):
    config, workdir, _ = prepared
    split = pipeline.open_split(config, workdir, "train")
    data = _flips(flip_horizontal=True, flip_vertical=True, rotate90=True)
    whole = pipeline.iterator(split, data, 8, 0, process=0, processes=1)
    shards = [
        pipeline.iterator(split, data, 8, 0, process, processes)
        for process in range(processes)
    ]
    for _ in range(5):
        expected = next(whole)
        parts = [next(shard) for shard in shards]
        for key in ("image", "label", "class"):
            assert len(parts[0][key]) == 8 // processes
            np.testing.assert_array_equal(
                np.concatenate([part[key] for part in parts]), expected[key]
            )


def test_a_process_decodes_its_own_images_only(prepared, monkeypatch):
    config, workdir, originals = prepared
    whole = pipeline.training_batches(config, workdir, "train", 4, seed=0)
    order = np.reshape(_order(whole, 50, originals), (50, 4))
    monkeypatch.setattr(pipeline, "CACHE_BYTES", 0)
    for process in (0, 1):
        split = pipeline.open_split(config, workdir, "train")
        source = _Listening(split._source)
        monkeypatch.setattr(split, "_source", source)
        mine = pipeline.iterator(split, config.data, 4, 0, process, 2)
        for _ in range(6):
            next(mine)
        # Batches are also read ahead of time, by threads in any order.
        shares = order[:, 2 * process : 2 * process + 2].tolist()
        assert all(asked in shares for asked in source.asked)
        assert all(share in source.asked for share in shares[:6])


class _Listening:
    """A source of records that remembers which it was asked for."""

    def __init__(self, source):
        self._source = source
        self.asked = []

    def __getitems__(self, indices):
        self.asked.append(list(indices))
        return self._source.__getitems__(indices)


def test_a_batch_that_does_not_divide_is_refused(prepared):
    config, workdir, _ = prepared
    split = pipeline.open_split(config, workdir, "train")
    with pytest.raises(ValueError, match="batch_size = 5 does not divide"):
        pipeline.iterator(split, config.data, 5, 0, process=0, processes=2)


@pytest.mark.parametrize(
    ("allowed", "moves"),
    [
        ({}, {(0, 0)}),
        ({"flip_horizontal": True}, {(0, 0), (1, 0)}),
        # Upside down is a mirror image turned by 180 degrees.
        ({"flip_vertical": True}, {(0, 0), (1, 2)}),
        ({"rotate90": True}, {(0, k) for k in range(4)}),
        (
            {"flip_horizontal": True, "rotate90": True},
            {(m, k) for m in (0, 1) for k in range(4)},
        ),
    ],
)
def test_only_allowed_moves_are_made(prepared, allowed, moves):
    config, workdir, originals = prepared
    split = pipeline.open_split(config, workdir, "train")
    iterator = pipeline.iterator(split, _flips(**allowed), 40, 0, 0, 1)
    seen = set()
    for batch in itertools.islice(iterator, 3):
        numbers = _numbers(batch["image"], originals)
        for image, number in zip(batch["image"], numbers, strict=True):
            seen.add(_move(image, originals[number]))
    assert seen == moves


def _move(image: np.ndarray, original: np.ndarray) -> tuple[int, int]:
    """(mirrored first, quarter turns after) that make image of original."""
    for mirror, turns in itertools.product((0, 1), range(4)):
        turned = np.rot90(original[:, ::-1] if mirror else original, turns)
        if np.allclose(turned, image, atol=1e-6):
            return mirror, turns
    raise AssertionError("the image is no turned or mirrored original")


def test_opening_needs_data_of_the_same_config(prepared, tmp_path):
    config, workdir, _ = prepared
    with pytest.raises(workdir_lib.WorkdirError, match="prepare_data"):
        pipeline.open_split(config, tmp_path, "train")
    other = config_lib.Config(data=config_lib.DataConfig(resolution=16))
    with pytest.raises(workdir_lib.WorkdirError, match="prepare_data"):
        pipeline.open_split(other, workdir, "train")


def test_tfds_reads_the_records_by_itself(prepared):
    config, workdir, originals = prepared
    path = builders.dataset_path(config.data, workdir / "data" / "dataset")
    builder = tfds.builder_from_directory(path)
    assert builder.info.splits["train"].num_examples == COUNT
    record = builder.as_data_source("train")[3]
    assert set(record) == {"image", "id", "label", "group", "size"}
    np.testing.assert_allclose(
        record["image"] / 127.5 - 1, originals[3], atol=1e-9
    )
    assert (record["label"], record["id"]) == (7, b"000003")
    np.testing.assert_array_equal(record["size"], [8, 8])


def test_two_preparations_are_the_same(prepared, tmp_path, capfd):
    config, workdir, _ = prepared
    prepare.run(config, tmp_path)
    assert capfd.readouterr().out == ""
    first, second = (
        pipeline.open_split(config, place, "train")
        for place in (workdir, tmp_path)
    )
    assert first.ids == second.ids
    np.testing.assert_array_equal(
        first.images(range(COUNT)), second.images(range(COUNT))
    )


def test_order_and_count_hold_over_several_files(
    prepared, tmp_path, monkeypatch
):
    config, _, originals = prepared
    monkeypatch.setattr(builders, "SHARD_BYTES", 3 * 8 * 8)
    prepare.run(config, tmp_path)
    assert len(list(tmp_path.rglob("*-train.array_record-*"))) == 4
    split = pipeline.open_split(config, tmp_path, "train")
    np.testing.assert_allclose(split.images(range(COUNT)), originals, atol=3e-7)


def test_a_failed_build_keeps_the_dataset_before(prepared, tmp_path):
    config, _, _ = prepared
    prepare.run(config, tmp_path)
    before = sorted(path.name for path in (tmp_path / "data").rglob("*"))
    source = builders.open_source(config)
    source.entries.append(source.entries[0])
    with pytest.raises(IndexError):
        builders.build(source, config.data, tmp_path / "data" / "dataset")
    after = sorted(path.name for path in (tmp_path / "data").rglob("*"))
    assert before == after


def test_of_a_pair_only_its_two_classes_are_asked_about(tmp_path):
    pixels = images.random_pixels(24, 8, 8)
    path = tmp_path / "three.npz"
    labels = np.arange(24) % 3
    split = np.repeat(["train", "val", "test"], 8)
    np.savez(path, image=pixels, label=labels, split=split)
    config = config_lib.Config(
        data=config_lib.DataConfig(
            source="npz",
            path=str(path),
            resolution=8,
            channels=1,
            class_names=("a", "b", "c"),
        ),
        target=config_lib.TargetConfig(kind="pair", column=2, against=1),
    )
    prepare.run(config, tmp_path / "run")
    every = pipeline.open_split(config, tmp_path / "run", "val")
    np.testing.assert_array_equal(every.classes, labels[8:16])
    asked = pipeline.open_asked(config, tmp_path / "run", "val")
    kept = np.flatnonzero(labels[8:16] > 0)
    np.testing.assert_array_equal(asked.targets, every.classes[kept] == 2)
    assert asked.ids == [every.ids[n] for n in kept]
    np.testing.assert_array_equal(
        asked.images(range(len(asked))), every.images(kept)
    )
    told = workdir_lib.result(config, tmp_path / "run", "data")
    assert told["classes"]["train"] == {"a": 3, "b": 3, "c": 2}
    # Another question needs no other data.
    config.target = config_lib.TargetConfig(kind="grade", column=1)
    asked = pipeline.open_asked(config, tmp_path / "run", "val")
    np.testing.assert_array_equal(asked.targets, labels[8:16] >= 1)
    assert len(asked) == 8


def test_a_question_without_images_on_one_side_is_refused(tmp_path):
    """Three classes to train on, but the test split has not the third."""
    path = tmp_path / "three.npz"
    labels = np.array([0, 1, 2] * 4 + [0, 1] * 4)
    split = np.repeat(["train", "val", "test"], [12, 4, 4])
    pixels = images.random_pixels(20, 8, 8)
    np.savez(path, image=pixels, label=labels, split=split)
    config = config_lib.Config(
        data=config_lib.DataConfig(
            source="npz",
            path=str(path),
            resolution=8,
            channels=1,
            class_names=("a", "b", "c"),
        ),
        target=config_lib.TargetConfig(kind="class", column=2),
    )
    prepare.run(config, tmp_path / "run")
    assert len(pipeline.open_asked(config, tmp_path / "run", "train")) == 12
    with pytest.raises(
        workdir_lib.WorkdirError, match="'test' has no image of 'c'"
    ):
        pipeline.open_asked(config, tmp_path / "run", "test")
    config.target = config_lib.TargetConfig(kind="pair", column=0, against=1)
    assert len(pipeline.open_asked(config, tmp_path / "run", "test")) == 4

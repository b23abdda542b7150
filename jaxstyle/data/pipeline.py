"""Prepared images for training and for everything else.

`open_split` gives random access in a fixed order; `training_batches` gives
endless shuffled batches whose position can be saved and restored.
"""

import csv
import io
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import grain
import numpy as np
import tensorflow_datasets as tfds
from grain import sharding
from PIL import Image

from jaxstyle import config as config_lib
from jaxstyle.data import augment, builders, prepare, records
from jaxstyle.workdir import WorkdirError

# Splits up to this size stay in memory once decoded.
CACHE_BYTES = 512 * 2**20


class Split:
    """One split of the prepared data, in a fixed order.

    Attributes:
      ids: unique names, safe as file names.
      labels: raw labels, int32 [N].
      classes: int [N], positions in `data.class_names`.
      targets: float32 [N], the truth of what `config.target` asks, 0 or 1;
        NaN for a class that is none of a pair's (see `asked`).
      groups: patient (or region) of each image.
      sizes: height and width before resizing in pixels, int32 [N, 2].
      columns: what else is known, by `data.columns`: float64 [N], NaN where
        it is not known, or words [N], "" likewise.
    """

    def __init__(
        self,
        rows: Sequence[dict[str, str]],
        numbers: Sequence[int],
        source: Any,
        config: config_lib.Config,
        dtype: np.dtype,
    ) -> None:
        data = config.data
        self.ids = [row["id"] for row in rows]
        self.labels = np.asarray([row["label"] for row in rows], np.int32)
        self.classes = data.classes_of(self.labels)
        self.targets = config.target.truth(self.classes)
        self.groups = [row["group"] for row in rows]
        self.sizes = np.asarray(
            [(row["height"], row["width"]) for row in rows], np.int32
        )
        self.columns = _columns(rows, data.columns)
        self._shape = (data.resolution, data.resolution, data.channels)
        self._source, self._numbers = source, numbers
        shape = (len(rows), *self._shape)
        size = int(np.prod(shape)) * dtype.itemsize
        self._cache = np.zeros(shape, dtype) if size <= CACHE_BYTES else None
        self._cached = np.zeros(len(rows), np.bool_)

    def __len__(self) -> int:
        return len(self.ids)

    def images(self, indices: Sequence[int] | np.ndarray) -> np.ndarray:
        """Images float32 [n, R, R, C] in [-1, 1]; safe in threads.

        Raises:
          IndexError: if an index is not in [0, N).
        """
        wanted = [int(index) for index in indices]
        for index in wanted:
            if not 0 <= index < len(self):
                raise IndexError(f"image {index} of {len(self)}")
        if not wanted:
            return np.zeros((0, *self._shape), np.float32)
        unit = records.from_stored(self._stored(wanted))
        return unit * np.float32(2) - np.float32(1)

    def batches(
        self, batch_size: int
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yields (indices int64 [n], images) in order, the last one ragged."""
        for start in range(0, len(self), batch_size):
            indices = np.arange(start, min(start + batch_size, len(self)))
            yield indices, self.images(indices)

    def _stored(self, wanted: list[int]) -> np.ndarray:
        if self._cache is None:
            return np.stack(self._decoded(wanted))
        missing = [index for index in wanted if not self._cached[index]]
        if missing:
            self._cache[missing] = self._decoded(missing)
            # Told only now, for the threads that read without a lock.
            self._cached[missing] = True
        return self._cache[wanted]

    def _decoded(self, wanted: list[int]) -> list[np.ndarray]:
        return [
            _pixels(record["image"], self._shape)
            for record in self._source.__getitems__(
                [self._numbers[index] for index in wanted]
            )
        ]


def open_split(
    config: config_lib.Config, workdir: str | Path, split: str
) -> Split:
    """Opens the prepared split "train", "val" or "test".

    Raises:
      WorkdirError: if the data have not been prepared under this config.
    """
    return _opened(config, workdir, split, only_asked=False)


def open_asked(
    config: config_lib.Config, workdir: str | Path, split: str
) -> Split:
    """Those images of a split that `config.target` asks about.

    They are all of it, but for a pair of classes: there, others are left
    out, as f's answer means nothing for them.

    Raises:
      WorkdirError: if the data have not been prepared under this config, or
        the split has no image on one of the two sides.
    """
    return _opened(config, workdir, split, only_asked=True)


def _opened(
    config: config_lib.Config,
    workdir: str | Path,
    split: str,
    only_asked: bool,
) -> Split:
    directory = prepare.prepared(config, workdir)
    with (directory / builders.INDEX).open(newline="", encoding="utf-8") as f:
        rows = [row for row in csv.DictReader(f) if row["split"] == split]
    builder = tfds.builder_from_directory(
        builders.dataset_path(config.data, directory)
    )
    image = builder.info.features["image"]  # type: ignore[index]
    skip = isinstance(image, tfds.features.Image)
    source: Any = builder.as_data_source(
        split=split,  # type: ignore[call-arg]
        # Pillow decodes here: TFDS would warn that it has no OpenCV.
        decoders={"image": tfds.decode.SkipDecoding()} if skip else None,
    )
    dtype = np.dtype(image.np_dtype)
    whole = Split(rows, range(len(rows)), source, config, dtype)
    if not only_asked:
        return whole
    _require_both(config, split, whole.targets)
    if np.isfinite(whole.targets).all():
        return whole
    numbers = np.flatnonzero(np.isfinite(whole.targets)).tolist()
    some = [rows[number] for number in numbers]
    return Split(some, numbers, source, config, dtype)


def _require_both(
    config: config_lib.Config, split: str, targets: np.ndarray
) -> None:
    for end, name in enumerate(config.ends):
        if not (targets == end).any():
            raise WorkdirError(
                f"split {split!r} has no image of {name!r}, and the question "
                f"(target.kind = {config.target.kind!r}) needs some; choose "
                "another target, or other splits"
            )


def training_batches(
    config: config_lib.Config,
    workdir: str | Path,
    split: str,
    batch_size: int,
    seed: int,
) -> grain.DatasetIterator:
    """Endless shuffled, flipped batches of a split.

    Each epoch has its own order. Order and flips depend on `seed` and the
    position alone; each process takes its slice of the same global batch.
    `get_state()` is JSON; after `set_state` the same batches follow.

    Args:
      config: what flips are safe, and where the images are.
      workdir: the run folder.
      split: "train", "val" or "test".
      batch_size: global; a multiple of the number of processes.
      seed: of the order and the flips.

    Returns:
      Iterator of {"image": float32 [B_local, R, R, C] in [-1, 1],
      "label": int32 [B_local], as in the source, "class": int32 [B_local],
      positions in `data.class_names`}.

    Raises:
      ValueError: if the batch does not divide among the processes.
      WorkdirError: if the data have not been prepared under this config.
    """
    here = sharding.ShardByJaxProcess()
    return iterator(
        open_split(config, workdir, split),
        config.data,
        batch_size,
        seed,
        here.shard_index,
        here.shard_count,
    )


def iterator(
    split: Split,
    data: config_lib.DataConfig,
    batch_size: int,
    seed: int,
    process: int,
    processes: int,
) -> grain.DatasetIterator:
    """`training_batches` of an open split, for one of several processes."""
    if batch_size % processes:
        raise ValueError(
            f"batch_size = {batch_size} does not divide among {processes} "
            "processes; use a multiple"
        )
    local = batch_size // processes
    mine = slice(process * local, (process + 1) * local)

    def load(
        indices: np.ndarray, random: np.random.Generator
    ) -> dict[str, np.ndarray]:
        # Drawn for the global batch, whatever the number of processes.
        moves = augment.draw(random, len(indices), data)[mine]
        chosen = indices[mine]
        return {
            "image": augment.move(split.images(chosen), moves),
            "label": split.labels[chosen],
            "class": split.classes[chosen].astype(np.int32),
        }

    threads = min(8, os.cpu_count() or 1)
    dataset = (
        grain.MapDataset.range(len(split))
        .seed(seed)
        .shuffle()
        .repeat()
        .batch(batch_size)
        .random_map(load)
    )
    options = grain.ReadOptions(
        num_threads=threads, prefetch_buffer_size=2 * threads
    )
    return iter(dataset.to_iter_dataset(options))


def _columns(
    rows: Sequence[dict[str, str]], names: Sequence[str]
) -> dict[str, np.ndarray]:
    if not names:
        return {}
    cells = [json.loads(row["columns"]) for row in rows]
    out = {}
    for name in names:
        values = [cell[name] for cell in cells]
        words = any(isinstance(value, str) for value in values)
        # None, a number that is not known, becomes NaN.
        out[name] = np.array(values, np.str_ if words else np.float64)
    return out


def _pixels(value: Any, shape: tuple[int, ...]) -> np.ndarray:
    if not isinstance(value, bytes):
        return value
    with Image.open(io.BytesIO(value)) as image:
        return np.asarray(image).reshape(shape)

"""TFDS builders: any source of images as array_record, without TensorFlow.

Records keep the order of the source. The builders generate file by file
(`ShardBasedBuilder`): the better known `GeneratorBasedBuilder` sorts each
split, and from 1 GB on it needs TensorFlow for that. 8-bit images are
`Image` features (PNG, lossless); others are `Tensor` features, which TFDS
reads back without TensorFlow where 16-bit PNGs cannot be.
"""

import contextlib
import csv
import dataclasses
import functools
import io
import json
import logging
import math
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image
from tensorflow_datasets.core.dataset_builder import ShardBasedBuilder

from jaxstyle import config as config_lib
from jaxstyle import run_log
from jaxstyle.data import (
    duplicates,
    folder,
    formats,
    ihc,
    npz,
    records,
    refusals,
    splits,
    survey,
    tfds_catalogue,
    threads,
)
from jaxstyle.data.problems import DataError

VERSION = "1.0.0"
INDEX = "index.csv"
INDEX_COLUMNS = (
    *("split", "id", "label", "group", "height", "width"),
    # Source values that became black and white; JSON by `data.columns`.
    *("black", "white", "columns"),
)
# Pairs of images in two splits that are named.
PAIRS_TOLD = 10

# TFDS keeps the records of a file in memory until it is written.
SHARD_BYTES = 64 * 2**20


class _Builder(ShardBasedBuilder, skip_registration=True):
    """Writes a `records.Source`.

    Args:
      source: the images.
      data: their resolution and channels.
      data_dir: where TFDS makes its `<name>/<version>` folder.
    """

    VERSION = tfds.core.Version(VERSION)
    # Nothing is downloaded, so there are no checksums to look for; the
    # search for them needs a package that TFDS 4.9.10 does not ask for.
    url_infos = None

    def __init__(
        self,
        source: records.Source,
        data: config_lib.DataConfig,
        data_dir: Path,
    ) -> None:
        self.source, self.data = source, data
        self.survey = survey.Survey(source.entries, data)
        self.unreadable: list[tuple[int, ValueError]] = []
        self._done = 0
        self._progress = run_log.Progress(
            "prepare data", len(source.entries), "images"
        )
        super().__init__(data_dir=data_dir, file_format="array_record")

    def _info(self) -> tfds.core.DatasetInfo:
        """Declares the features of a record."""
        side = self.data.resolution
        shape = (side, side, self.data.channels)
        if self.source.dtype == np.uint8:
            image = tfds.features.Image(shape=shape, encoding_format="png")
        else:
            image = tfds.features.Tensor(
                shape=shape,
                dtype=self.source.dtype.type,
                encoding=tfds.features.Encoding.ZLIB,
            )
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(
                {
                    "image": image,
                    "id": tfds.features.Text(),
                    "label": tfds.features.Scalar(np.int32),
                    "group": tfds.features.Text(),
                    "size": tfds.features.Tensor(shape=(2,), dtype=np.int32),
                }
            ),
            disable_shuffling=True,
        )

    def _shard_iterators_per_split(
        self, dl_manager: Any
    ) -> dict[str, list[Callable[[], Iterator[tuple[int, Any]]]]]:
        """For each split the generators of its files, in order."""
        del dl_manager
        shape = (self.data.resolution, self.data.resolution, self.data.channels)
        bytes_each = math.prod(shape) * self.source.dtype.itemsize
        size = max(1, SHARD_BYTES // bytes_each)
        shards = {}
        for name in splits.NAMES:
            wanted = [
                number
                for number, entry in enumerate(self.source.entries)
                if entry.split == name
            ]
            shards[name] = [
                functools.partial(self._examples, wanted[start : start + size])
                for start in range(0, len(wanted), size)
            ]
        return shards

    def _examples(self, wanted: list[int]) -> Iterator[tuple[int, Any]]:
        """Yields (key, record) in the order of the source."""
        loaded = threads.in_order(self._load, wanted)
        for number, (sample, stored) in zip(wanted, loaded, strict=True):
            self._done += 1
            self._progress.update(self._done)
            entry = self.source.entries[number]
            yield number, self._record(entry, sample, stored)

    def _record(
        self, entry: records.Entry, sample: records.Sample, stored: np.ndarray
    ) -> dict[str, Any]:
        return {
            "image": self._encoded(stored),
            "id": entry.id,
            "label": entry.label,
            "group": entry.group,
            "size": np.asarray(sample.size, np.int32),
        }

    def _load(self, number: int) -> tuple[records.Sample, np.ndarray]:
        # A damaged file is noted, and black stands in for it, so that the
        # rest is checked too; the build is thrown away at the end.
        try:
            sample = self.source.load(number)
        except ValueError as error:
            self.unreadable.append((number, error))
            side = self.data.resolution
            blank = np.zeros((side, side, self.data.channels), np.float32)
            sample = records.Sample(blank, (side, side))
        stored = records.to_stored(sample.image, self.source.dtype)
        self.survey.add(number, sample, stored)
        return sample, stored

    def _encoded(self, pixels: np.ndarray) -> Any:
        if pixels.dtype != np.uint8:
            return pixels
        file = io.BytesIO()
        grey = pixels.shape[-1] == 1
        Image.fromarray(pixels[..., 0] if grey else pixels).save(file, "PNG")
        return file.getvalue()


class IhcTiles(_Builder):
    """The embedded stained tissue."""


class Npz(_Builder):
    """Arrays in an npz file."""


class Folder(_Builder):
    """Image files listed in a manifest."""


class Catalogue(_Builder):
    """A prepared set of the TFDS catalogue."""


BUILDERS: dict[str, type[_Builder]] = {
    "ihc": IhcTiles,
    "npz": Npz,
    "folder": Folder,
    "tfds": Catalogue,
}
_SOURCES: dict[str, Callable[[config_lib.Config], records.Source]] = {
    "ihc": ihc.open_source,
    "npz": npz.open_source,
    "folder": folder.open_source,
    "tfds": tfds_catalogue.open_source,
}


def dataset_path(data: config_lib.DataConfig, directory: Path) -> Path:
    """The TFDS folder that `build` writes under `directory`."""
    return directory / BUILDERS[data.source].name / VERSION


def open_source(config: config_lib.Config) -> records.Source:
    """The source that the config names, checked.

    Raises:
      DataError: listing all that is wrong with it.
    """
    return _SOURCES[config.data.source](config)


def build(
    source: records.Source, data: config_lib.DataConfig, directory: Path
) -> tuple[records.Source, survey.Survey]:
    """Writes a source to `directory`, which appears only when it is whole.

    Returns:
      What was written, and what was noted of each image: with
      `data.skip_unreadable` it is the source without its damaged images.

    Raises:
      DataError: listing every unreadable image, or images that are in two
        splits.
    """
    draft = directory.with_name(directory.name + ".building")
    shutil.rmtree(draft, ignore_errors=True)
    try:
        draft.mkdir(parents=True)
        builder = BUILDERS[data.source](source, data, draft)
        with _quiet():
            builder.download_and_prepare(
                download_config=tfds.download.DownloadConfig(
                    try_download_gcs=False
                )
            )
        # Threads find them in any order.
        wrong = sorted(builder.unreadable, key=lambda item: item[0])
        if wrong and data.skip_unreadable:
            return build(_without(source, wrong, data), data, directory)
        if wrong:
            raise DataError(source.origin, [str(error) for _, error in wrong])
        _check_leakage(source, builder.survey, data)
        _check_counts(source, dataset_path(data, draft))
        _write_index(source, builder.survey, draft / INDEX)
        # TFDS makes it, though nothing is downloaded.
        shutil.rmtree(draft / "downloads", ignore_errors=True)
        shutil.rmtree(directory, ignore_errors=True)
        draft.rename(directory)
        return source, builder.survey
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _without(
    source: records.Source,
    wrong: Sequence[tuple[int, ValueError]],
    data: config_lib.DataConfig,
) -> records.Source:
    """The source less the images whose pixels are damaged.

    Raises:
      DataError: if a split has no image, or no class, any more.
    """
    refusals.warn([str(error) for _, error in wrong])
    left_out = {number for number, _ in wrong}
    kept = [n for n in range(len(source.entries)) if n not in left_out]
    entries = [source.entries[number] for number in kept]
    found = splits.problems(
        [entry.split for entry in entries],
        [entry.label for entry in entries],
        [entry.group for entry in entries],
        data,
    )
    if found:
        raise DataError(source.origin, found)
    refused = [
        records.Refusal(source.entries[number].id, formats.reason(error))
        for number, error in wrong
    ]
    return dataclasses.replace(
        source,
        entries=entries,
        load=lambda number: source.load(kept[number]),
        names=[],
        refused=[*source.refused, *refused],
    )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    # TFDS prints to stdout and draws bars; `Progress` tells what there is.
    tfds.disable_progress_bar()
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        yield
    logging.debug("%s", printed.getvalue())


def _check_leakage(
    source: records.Source, seen: survey.Survey, data: config_lib.DataConfig
) -> None:
    names = [entry.split for entry in source.entries]
    seen.pairs = pairs = duplicates.across_splits(seen.prints, names)
    if not pairs:
        return
    told = []
    for pair in pairs[:PAIRS_TOLD]:
        one, other = (source.entries[number] for number in pair[:2])
        how = "identical" if pair.exact else "nearly identical"
        told.append(
            f"{one.id!r} ({one.split}) and {other.id!r} ({other.split}) are "
            f"{how}"
        )
    told.append(
        f"{len(pairs)} pair(s) of images in two splits; put them in one, "
        "leave one out, or set data.allow_leakage"
    )
    if not data.allow_leakage:
        raise DataError(source.origin, told)
    for text in told:
        logging.warning("%s: %s", source.origin, text)


def _check_counts(source: records.Source, path: Path) -> None:
    builder = tfds.builder_from_directory(path)
    for name in splits.NAMES:
        expected = sum(entry.split == name for entry in source.entries)
        written = len(builder.as_data_source(split=name))  # type: ignore
        if written != expected:
            raise RuntimeError(
                f"{path}: {written} records were written to {name!r} instead "
                f"of {expected}; is the disk full?"
            )


def _write_index(
    source: records.Source, seen: survey.Survey, path: Path
) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(INDEX_COLUMNS)
        for number, entry in enumerate(source.entries):
            writer.writerow(
                (
                    *(entry.split, entry.id, entry.label, entry.group),
                    *seen.sizes[number].tolist(),
                    *seen.ends[number].tolist(),
                    json.dumps(dict(entry.columns)),
                )
            )

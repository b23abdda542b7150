"""A source of image files listed in a CSV manifest."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from jaxstyle import config as config_lib
from jaxstyle import run_log
from jaxstyle.data import formats, geometry, manifest, records, splits, threads
from jaxstyle.data.problems import DataError


def open_source(config: config_lib.Config) -> records.Source:
    """The images of the manifest `config.data.path`, checked.

    The manifest has the columns `path,label` and may have `split`
    ("train", "val", "test"; made by patient where missing), `patient`
    (without it each image is its own patient) and `id`. Paths are relative
    to the manifest's folder.

    Raises:
      DataError: listing all that is wrong, each with row and file. The
        images are decoded only if something is wrong before that; else
        `load` tells.
    """
    path = Path(config.data.path)
    rows, found = manifest.read(path)
    found += manifest.problems(rows, path.parent)
    there = [row for row in rows if manifest.exists(row, path.parent)]
    dtypes, unreadable = _probe(there, path.parent)
    found += unreadable
    entries = _entries(rows, config)
    found += _split_problems(entries, len(entries) == len(rows), config)
    if found:
        known = {problem.line for problem in unreadable}
        readable = [row for row in there if row.line not in known]
        found += _undecodable(readable, path.parent, config.data)
        raise DataError(str(path), [str(problem) for problem in sorted(found)])

    def load(number: int) -> records.Sample:
        try:
            return _decode(rows[number], path.parent, config.data)
        except ValueError as error:
            line = rows[number].line
            raise ValueError(f"row {line}: {error}") from error

    dtype = records.stored_dtype(dtypes)
    return records.Source("folder", dtype, entries, load, str(path))


def _decode(
    row: manifest.Row, folder: Path, data: config_lib.DataConfig
) -> records.Sample:
    """Raises ValueError, naming the file, if it cannot be used."""
    path = folder / row.path
    pixels = formats.read(path)
    try:
        image = geometry.model_image(
            pixels, data.resolution, data.channels, data.intensity_range
        )
    except ValueError as error:
        raise ValueError(f"{path} {error}") from error
    return records.Sample(image, (pixels.shape[0], pixels.shape[1]))


def _probe(
    rows: Sequence[manifest.Row], folder: Path
) -> tuple[list[np.dtype], list[manifest.Problem]]:
    progress = run_log.Progress("check headers", len(rows), "images")

    def probe(row: manifest.Row) -> np.dtype | manifest.Problem:
        try:
            return formats.probe(folder / row.path).dtype
        except formats.FormatError as error:
            return manifest.Problem(row.line, str(error))

    dtypes, found = [], []
    for done, answer in enumerate(threads.in_order(probe, rows), start=1):
        progress.update(done)
        if isinstance(answer, manifest.Problem):
            found.append(answer)
        else:
            dtypes.append(answer)
    return dtypes, found


def _entries(
    rows: Sequence[manifest.Row], config: config_lib.Config
) -> list[records.Entry]:
    """The entries of all rows whose label and split make sense."""
    splittable = not any(row.split for row in rows)
    good = [
        row
        for row in rows
        if manifest.integer(row.label) is not None
        and (splittable or row.split in splits.NAMES)
    ]
    labels = [int(row.label) for row in good]
    ids = records.safe_ids(row.id or row.path for row in good)
    groups = [row.patient or id_ for row, id_ in zip(good, ids, strict=True)]
    chosen = [row.split for row in good]
    if splittable:
        chosen = splits.assign(
            labels, groups, config.data.split_fractions, config.seed
        )
    columns = zip(ids, labels, groups, chosen, strict=True)
    return [records.Entry(*values) for values in columns]


def _split_problems(
    entries: Sequence[records.Entry], whole: bool, config: config_lib.Config
) -> list[manifest.Problem]:
    """What is wrong with the splits.

    While some rows have no label or split (`whole` is False), a class that
    seems to be missing may be theirs, so only patients are checked.
    """
    names = [entry.split for entry in entries]
    groups = [entry.group for entry in entries]
    found = splits.shared_patients(names, groups)
    if whole:
        labels = [entry.label for entry in entries]
        positive = config.data.positive_labels
        found = splits.problems(names, labels, groups, positive)
    return [manifest.Problem(0, text) for text in found]


def _undecodable(
    rows: Sequence[manifest.Row], folder: Path, data: config_lib.DataConfig
) -> list[manifest.Problem]:
    """Images that turn out broken only when they are decoded."""
    progress = run_log.Progress("check images", len(rows), "images")

    def check(row: manifest.Row) -> manifest.Problem | None:
        try:
            _decode(row, folder, data)
        except ValueError as error:
            return manifest.Problem(row.line, str(error))
        return None

    found = []
    for done, problem in enumerate(threads.in_order(check, rows), start=1):
        progress.update(done)
        if problem is not None:
            found.append(problem)
    return found

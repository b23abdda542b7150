"""A source of image files listed in a manifest, a CSV or Parquet."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from jaxstyle import config as config_lib
from jaxstyle import run_log
from jaxstyle.data import (
    files,
    formats,
    manifest,
    pseudonyms,
    records,
    refusals,
    splits,
    threads,
)
from jaxstyle.data.problems import DataError
from jaxstyle.data.records import Refusal

# A row and what is wrong with its file.
_Damaged = tuple[manifest.Row, formats.FormatError]


@dataclasses.dataclass(frozen=True)
class _Image:
    """One image of a row: a file may hold several.

    Attributes:
      row: where it is listed.
      frame: its number in the file.
      mark: what tells it apart in an id.
    """

    row: manifest.Row
    frame: int
    mark: str


def open_source(config: config_lib.Config) -> records.Source:
    """The images of the manifest `config.data.path`, checked.

    The manifest has the columns `path,label` and may have `split`
    ("train", "val", "test"; made by patient where missing), `patient`
    (without it each file is its own patient), `id`, `frame` (the number,
    from 0, of an image in its file; a volume without it gives all slices
    that the config wants) and those that `data.columns` names. Paths are
    relative to the manifest's folder, and lead to nothing outside of it.

    With `data.skip_unreadable` files whose headers are damaged are left out.

    Raises:
      DataError: listing all that is wrong, each with row and file. The
        images are decoded only if something is wrong before that; else
        `load` tells.
    """
    path, data = Path(config.data.path), config.data
    rows, found = manifest.read(path, data.columns)
    found += manifest.problems(rows, path.parent)
    found += _column_problems(rows, data)
    there = [row for row in rows if manifest.exists(row, path.parent)]
    contents, unreadable, damaged = _probe(there, path.parent, data)
    refused = []
    if data.skip_unreadable:
        refused = _refusals(damaged)
        without = {row.line for row, _ in damaged}
        rows = [row for row in rows if row.line not in without]
    else:
        unreadable += [
            manifest.Problem(row.line, str(error)) for row, error in damaged
        ]
    found += unreadable
    images = [
        image for row in rows for image in _images(row, contents.get(row.line))
    ]
    entries, used = _entries(images, config)
    found += _split_problems(entries, len(used) == len(images), config)
    if found:
        known = {problem.line for problem in unreadable}
        known |= {row.line for row in rows} - set(contents)
        readable = [image for image in images if image.row.line not in known]
        if not data.skip_unreadable:
            found += _undecodable(readable, path.parent, data)
        raise DataError(str(path), [str(problem) for problem in sorted(found)])

    def load(number: int) -> records.Sample:
        image = used[number]
        try:
            return files.read(path.parent / image.row.path, image.frame, data)
        except formats.FormatError as error:
            raise error.at(f"row {image.row.line}") from error

    dtype = records.stored_dtype(item.dtype for item in contents.values())
    names = [
        records.Name(
            image.row.id or image.row.path, _mark(image), image.row.patient
        )
        for image in used
    ]
    return records.Source(
        "folder", dtype, entries, load, str(path), refused, names
    )


def _probe(
    rows: Sequence[manifest.Row], folder: Path, data: config_lib.DataConfig
) -> tuple[dict[int, files.Contents], list[manifest.Problem], list[_Damaged]]:
    """What is in the files, by line; rows that are wrong; damaged files."""
    progress = run_log.Progress("check headers", len(rows), "images")

    def probe(
        row: manifest.Row,
    ) -> files.Contents | manifest.Problem | formats.FormatError:
        try:
            contents = files.probe(folder / row.path, data)
        except formats.FormatError as error:
            return error
        several = contents.kind == "dicom" and len(contents.frames) > 1
        if several and not row.frame:
            return manifest.Problem(
                row.line,
                f"{folder / row.path} holds {len(contents.frames)} frames; "
                "say which in a column `frame`",
            )
        return contents

    contents, found, damaged = {}, [], []
    answers = threads.in_order(probe, rows)
    for done, (row, answer) in enumerate(zip(rows, answers, strict=True), 1):
        progress.update(done)
        if isinstance(answer, manifest.Problem):
            found.append(answer)
        elif isinstance(answer, formats.FormatError):
            damaged.append((row, answer))
        else:
            contents[row.line] = answer
    return contents, found, damaged


def _refusals(damaged: Sequence[_Damaged]) -> list[Refusal]:
    refusals.warn([str(error.at(f"row {row.line}")) for row, error in damaged])
    return [Refusal(row.id or row.path, error.reason) for row, error in damaged]


def _images(row: manifest.Row, contents: files.Contents | None) -> list[_Image]:
    if row.frame:
        number = manifest.integer(row.frame) or 0
        return [_Image(row, number, f"-{number:04d}")]
    if contents is None:
        return [_Image(row, 0, "")]
    marked = zip(contents.frames, contents.marks, strict=True)
    return [_Image(row, number, mark) for number, mark in marked]


def _entries(
    images: Sequence[_Image], config: config_lib.Config
) -> tuple[list[records.Entry], list[_Image]]:
    """The entries of all images whose label and split make sense."""
    splittable = not any(image.row.split for image in images)
    good = [
        image
        for image in images
        if manifest.integer(image.row.label) is not None
        and (splittable or image.row.split in splits.NAMES)
    ]
    labels = [int(image.row.label) for image in good]
    ids = records.unique(_name(image) for image in good)
    groups = _groups(good, ids)
    chosen = [image.row.split for image in good]
    if splittable:
        chosen = splits.assign(
            labels, groups, config.data.split_fractions, config.seed
        )
    names = config.data.columns
    values = [
        manifest.typed([image.row.columns[name] for image in good])
        for name in names
    ]
    columns = [
        dict(zip(names, cells, strict=True))
        for cells in (zip(*values, strict=True) if names else [()] * len(good))
    ]
    rows = zip(ids, labels, groups, chosen, columns, strict=True)
    return [records.Entry(*row) for row in rows], good


def _name(image: _Image) -> str:
    return records.stem(image.row.id or image.row.path) + _mark(image)


def _mark(image: _Image) -> str:
    # An id that the manifest gives needs no number of a frame.
    return "" if image.row.id and image.row.frame else image.mark


def _groups(images: Sequence[_Image], ids: Sequence[str]) -> list[str]:
    """The patients; images of the same file are of the same one."""
    first: dict[str, str] = {}
    return [
        image.row.patient or first.setdefault(image.row.path, id_)
        for image, id_ in zip(images, ids, strict=True)
    ]


def _column_problems(
    rows: Sequence[manifest.Row], data: config_lib.DataConfig
) -> list[manifest.Problem]:
    cells = {name: [row.columns[name] for row in rows] for name in data.columns}
    found = pseudonyms.column_problems(cells, data)
    return [manifest.Problem(0, text) for text in found]


def _split_problems(
    entries: Sequence[records.Entry], whole: bool, config: config_lib.Config
) -> list[manifest.Problem]:
    """What is wrong with the splits.

    While some rows have no label or split (`whole` is False), a class that
    seems to be missing may be theirs, so only patients are checked.
    """
    names = [entry.split for entry in entries]
    groups = [entry.group for entry in entries]
    if whole:
        labels = [entry.label for entry in entries]
        found = splits.problems(names, labels, groups, config.data)
    else:
        found = splits.leaking_patients(
            names, groups, config.data.allow_leakage
        )
    return [manifest.Problem(0, text) for text in found]


def _undecodable(
    images: Sequence[_Image], folder: Path, data: config_lib.DataConfig
) -> list[manifest.Problem]:
    """Images that turn out broken only when they are decoded."""
    progress = run_log.Progress("check images", len(images), "images")

    def check(image: _Image) -> manifest.Problem | None:
        try:
            files.read(folder / image.row.path, image.frame, data)
        except ValueError as error:
            return manifest.Problem(image.row.line, str(error))
        return None

    found = []
    for done, problem in enumerate(threads.in_order(check, images), start=1):
        progress.update(done)
        if problem is not None:
            found.append(problem)
    return found

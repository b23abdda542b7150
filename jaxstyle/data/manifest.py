"""The table that lists a folder's images: `path,label` and some more columns.

They may be `frame`, `split`, `patient` and `id`, and those that
`data.columns` names. It is a CSV, or Parquet.
"""

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath

from jaxstyle.data import parquet, splits
from jaxstyle.data.problems import DataError

REQUIRED = ("path", "label")
OPTIONAL = ("split", "patient", "id", "frame")


@dataclass(frozen=True)
class Row:
    """One line of the manifest.

    Attributes:
      line: its number in the file, from 1; the first line of a CSV is its
        header, the first row of Parquet is none.
      path: as written.
      label: as written, and so on; "" where the column is missing.
      columns: likewise, of those that are carried.
    """

    line: int
    path: str
    label: str
    split: str
    patient: str
    id: str
    frame: str
    columns: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, order=True)
class Problem:
    """Something wrong in a line (0: in the whole file)."""

    line: int
    text: str

    def __str__(self) -> str:
        return f"row {self.line}: {self.text}" if self.line else self.text


def read(
    path: Path, carried: Sequence[str] = ()
) -> tuple[list[Row], list[Problem]]:
    """The rows, and the lines that are none.

    Args:
      path: the CSV, or Parquet, told by its suffix or its first bytes.
      carried: `data.columns`.

    Raises:
      DataError: if the file is missing, damaged, no text, or has a wrong
        header.
    """
    try:
        if parquet.applies_to(path):
            header, rows = parquet.read(path)
            _check_header(path, header, carried)
            return _rows(rows, header)
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = csv.reader(file, strict=True)
            header = [name.strip() for name in next(lines, [])]
            _check_header(path, header, carried)
            return _rows(((lines.line_num, cells) for cells in lines), header)
    except FileNotFoundError:
        raise DataError(str(path), ["the file does not exist"]) from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            str(path), [f"is not a CSV file in UTF-8 ({error})"]
        ) from error


def problems(rows: Sequence[Row], folder: Path) -> list[Problem]:
    """Everything wrong with the rows, short of opening the images."""
    found = []
    seen: dict[str, dict[str, int]] = {"path": {}, "id": {}}
    for row in rows:
        for text in _row_problems(row, folder):
            found.append(Problem(row.line, f"{row.path}: {text}"))
        place = str(PurePosixPath(row.path))
        for key, value in (
            (
                "path",
                f"{place} {row.frame.lstrip('0')}" if row.frame else place,
            ),
            ("id", row.id),
        ):
            first = seen[key].setdefault(value, row.line)
            if value and first != row.line:
                found.append(
                    Problem(
                        row.line,
                        f"{row.path}: {key} {value!r} is already in row "
                        f"{first}",
                    )
                )
    return found + _column_problems(rows)


def exists(row: Row, folder: Path) -> bool:
    """Whether the row names a file that may be opened."""
    return (
        is_inside(row.path)
        and is_file(folder / row.path)
        and stays_inside(folder / row.path, folder)
    )


def is_inside(path: str) -> bool:
    """Whether a path as written stays in the manifest's folder."""
    return bool(path) and not (
        "\0" in path
        or PurePosixPath(path).is_absolute()
        or PureWindowsPath(path).drive
        or ".." in PurePosixPath(path).parts
    )


def stays_inside(path: Path, folder: Path) -> bool:
    """Whether a path is in a folder once symbolic links are followed."""
    try:
        return path.resolve().is_relative_to(folder.resolve())
    # Links that lead to each other.
    except (OSError, RuntimeError):
        return False


def is_file(path: Path) -> bool:
    """Whether there is a file; no name is too long to ask."""
    try:
        return path.is_file()
    except OSError:
        return False


def typed(cells: Sequence[str]) -> list[str | float | None]:
    """A column as numbers if all its cells are some, else as words.

    Cells that are empty or NaN, or infinite, are None among numbers.
    """
    try:
        numbers = [float(cell or "nan") for cell in cells]
    except ValueError:
        return list(cells)
    if not any(cells):
        return list(cells)
    return [number if math.isfinite(number) else None for number in numbers]


def integer(text: str) -> int | None:
    """The int32 that a cell holds, or None."""
    try:
        value = int(text)
    except ValueError:
        return None
    return value if -(2**31) <= value < 2**31 else None


def _check_header(
    path: Path, header: list[str], carried: Sequence[str]
) -> None:
    needed = (*REQUIRED, *carried)
    found = [f"has no column {name!r}" for name in needed if name not in header]
    found += [
        f"has an unknown column {name!r}; known are "
        + ", ".join((*REQUIRED, *OPTIONAL))
        + ", and those named in data.columns"
        for name in header
        if name not in (*needed, *OPTIONAL)
    ]
    found += [
        f"has the column {name!r} twice"
        for name in sorted(set(header))
        if header.count(name) > 1
    ]
    if found:
        raise DataError(str(path), found)


def _rows(
    lines: Iterable[tuple[int, list[str]]], header: list[str]
) -> tuple[list[Row], list[Problem]]:
    rows, found = [], []
    for line, cells in lines:
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(header):
            found.append(
                Problem(
                    line,
                    f"has {len(cells)} cells where the header has "
                    f"{len(header)}",
                )
            )
            continue
        stripped = [cell.strip() for cell in cells]
        values = dict(zip(header, stripped, strict=True))
        own = {name: values.pop(name, "") for name in (*REQUIRED, *OPTIONAL)}
        rows.append(Row(line, columns=values, **own))
    return rows, found


def _row_problems(row: Row, folder: Path) -> list[str]:
    found = []
    if not is_inside(row.path):
        found.append(
            "give a path inside of the manifest's folder, without '..'"
        )
    elif not is_file(folder / row.path):
        found.append("the file does not exist")
    elif not stays_inside(folder / row.path, folder):
        found.append("is a link that leads out of the manifest's folder")
    if row.frame and (integer(row.frame) or 0) < 0:
        found.append(f"frame is {row.frame}; count from 0")
    if row.frame and integer(row.frame) is None:
        found.append(f"frame {row.frame!r} is not an integer")
    if integer(row.label) is None:
        found.append(f"label {row.label!r} is not an integer")
    if row.split and row.split not in splits.NAMES:
        found.append(f"split is {row.split!r}; use train, val or test")
    return found


def _column_problems(rows: Sequence[Row]) -> list[Problem]:
    """Columns that are filled in some rows only."""
    found = []
    for name in ("split", "patient", "id"):
        empty = [row for row in rows if not getattr(row, name)]
        if 0 < len(empty) < len(rows):
            found += [
                Problem(
                    row.line,
                    f"{row.path}: {name} is empty; fill the column in all "
                    "rows or in none",
                )
                for row in empty
            ]
    return found

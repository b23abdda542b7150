"""A manifest in Parquet: the cells that a CSV of the same table has.

The format is Apache Parquet's (parquet.apache.org/docs/file-format); pyarrow
reads it, a few thousand rows at a time. Extension types, which may ask for
code, are refused like everything else that is no number and no word.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from jaxstyle.data.problems import DataError, told

INSTALL = "pip install pyarrow"
SUFFIX = ".parquet"
# What a file may claim: above any set of images, and little enough memory.
MAX_ROWS = 2**24

_MAGIC = b"PAR1"
_DAMAGED = "cannot be read as Parquet"
# Rows that are decoded, and bytes of a column that are read, at a time.
_ROWS, _BYTES = 4096, 2**16


def applies_to(path: Path) -> bool:
    """Tells by the suffix, or by how the file begins.

    Raises:
      OSError: if it cannot be read.
    """
    with path.open("rb") as file:
        return path.suffix.lower() == SUFFIX or file.read(4) == _MAGIC


def read(path: Path) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """The names of the columns, and each row: its number, from 1, and cells.

    Cells are as a CSV would have them: missing values and NaN are "", truth
    values "0" and "1", categories what they stand for. Rows are read as they
    are asked for, and may raise, too.

    Raises:
      DataError: naming the file, if it is damaged, or has a column of
        another type than numbers, words and truth values; or if the package
        that reads it is missing.
    """
    pyarrow = _pyarrow(path)
    with told(path, _DAMAGED):
        file = pyarrow.parquet.ParquetFile(
            pyarrow.OSFile(str(path)),
            buffer_size=_BYTES,
            page_checksum_verification=True,
        )
        if file.metadata.num_rows > MAX_ROWS:
            raise ValueError(f"{file.metadata.num_rows} rows are claimed")
        names = [str(name).strip() for name in file.schema_arrow.names]
    return names, _rows(path, file, names)


def _rows(
    path: Path, file: Any, names: list[str]
) -> Iterator[tuple[int, list[str]]]:
    types = file.schema_arrow.types
    wrong = [
        f"column {name!r} is {kind}; save it as numbers or words"
        for name, kind in zip(names, types, strict=True)
        if not _is_plain(kind)
    ]
    if wrong:
        raise DataError(str(path), wrong)
    number = 0
    with told(path, _DAMAGED):
        for batch in file.iter_batches(_ROWS, use_threads=False):
            # What a damaged file holds may point beyond its end.
            batch.validate(full=True)
            columns = [_cells(column) for column in batch.columns]
            for cells in zip(*columns, strict=True):
                number += 1
                yield number, list(cells)
        if number != file.metadata.num_rows:
            raise ValueError(f"{number} rows of {file.metadata.num_rows}")


def _is_plain(kind: Any) -> bool:
    from pyarrow import types

    if types.is_dictionary(kind):
        kind = kind.value_type
    tests = (
        *(types.is_integer, types.is_floating, types.is_decimal),
        *(types.is_string, types.is_large_string, types.is_string_view),
        *(types.is_boolean, types.is_null),
    )
    return any(test(kind) for test in tests)


def _cells(column: Any) -> list[str]:
    from pyarrow import types

    if types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if types.is_floating(column.type):
        # In as many digits as their type has: 0.1 in 32 bits is "0.1".
        numbers = column.to_numpy(zero_copy_only=False)
        return ["" if np.isnan(number) else str(number) for number in numbers]
    if types.is_boolean(column.type):
        column = column.cast("int8")
    return ["" if cell is None else str(cell) for cell in column.to_pylist()]


def _pyarrow(path: Path) -> Any:
    try:
        import pyarrow.parquet
    except ModuleNotFoundError:
        raise DataError(
            str(path), [f"is Parquet: run `{INSTALL}` (the extra `parquet`)"]
        ) from None
    return pyarrow

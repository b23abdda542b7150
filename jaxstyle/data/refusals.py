"""The table of files that were left out, and why."""

import csv
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

from jaxstyle import workdir
from jaxstyle.data.records import Refusal

FIELDS = ("file", "reason")
# So many are named on the terminal.
_TOLD = 10


def write(path: Path, refused: Iterable[Refusal]) -> None:
    """Writes the table anew."""
    with (
        workdir.replacing(path) as draft,
        draft.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([FIELDS, *refused])


def read(path: Path) -> list[Refusal]:
    """The rows of such a table."""
    with path.open(newline="", encoding="utf-8") as file:
        return [
            Refusal(*(row[key] for key in FIELDS))
            for row in csv.DictReader(file)
        ]


def warn(messages: Sequence[str]) -> None:
    """Tells people, by the names of the files."""
    if not messages:
        return
    for text in messages[:_TOLD]:
        logging.warning("left out: %s", text)
    logging.warning("%d image(s) or file(s) were left out", len(messages))

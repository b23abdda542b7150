"""The renderer's two tables, appended to as images are finished.

An image counts as rendered once its row is in images.csv, which is written
after its frames' rows and its files. What a killed run left half-way is
swept out at the next start. Of several processes each writes tables of its
own, which `gather` joins.
"""

import csv
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxstyle import workdir

FRAME_FIELDS = (
    "image_id",
    "frame",
    "lambda",
    "latent_probability",
    "predictor_probability",
    "flipped",
    "distance",
    "file",
)
IMAGE_FIELDS = (
    "image_id",
    "height",
    "width",
    "target",
    "predictor_original",
    "predictor_reconstruction",
    "reconstruction_gap",
    "decision",
    "asked",
    "flipped",
    "status",
    "flip_lambda",
    "flip_frame",
    "reconstruction_frame",
    "reconstruction_l1",
    "original",
    "reconstruction",
    "grad_cam",
    "strip",
    "animation",
    "sparse",
    "sparse_channels",
    "sparse_probability",
)
# Before the name of each of `data.columns` in images.csv.
CARRIED = "column."
# Its column with the digests of files that are no prepared split's.
SOURCE = "source_digest"


class Manifest:
    """Both tables, open for appending.

    Args:
      frames: path of the table with one row per frame.
      images: path of the table with one row per image.
      carried: its columns after `IMAGE_FIELDS`.

    Attributes:
      done: ids of the images that are rendered already.
    """

    def __init__(
        self, frames: Path, images: Path, carried: Sequence[str] = ()
    ) -> None:
        self._frames, self._images = frames, images
        self._fields = (*IMAGE_FIELDS, *carried)
        self.done = {
            row["image_id"] for row in _whole_rows(images, self._fields)
        }
        kept = (
            row
            for row in _whole_rows(frames, FRAME_FIELDS)
            if row["image_id"] in self.done
        )
        _write(frames, FRAME_FIELDS, kept)
        _write(images, self._fields, _whole_rows(images, self._fields))

    def add(
        self, image: Mapping[str, Any], frames: Sequence[Mapping[str, Any]]
    ) -> None:
        """Records one finished image."""
        _append(self._frames, FRAME_FIELDS, frames)
        _append(self._images, self._fields, [image])
        self.done.add(str(image["image_id"]))


def part(table: Path, index: int | str) -> Path:
    """The table of process `index`, "images.part-0.csv" and the like."""
    return table.with_name(f"{table.stem}.part-{index}.csv")


def gather(frames: Path, images: Path, carried: Sequence[str] = ()) -> None:
    """Moves what processes wrote to the tables of all, in their order.

    Interrupted, it goes on where it was; one image is in memory.
    """
    table = Manifest(frames, images, carried)
    parts = frames.parent.glob(f"{frames.stem}.part-*.csv")
    indices = sorted(int(path.stem.rpartition("-")[2]) for path in parts)
    for index in indices:
        their_frames, their_images = part(frames, index), part(images, index)
        # Opened, to sweep out what was left half-way.
        Manifest(their_frames, their_images, carried)
        walks = itertools.groupby(
            read(their_frames), key=lambda row: row["image_id"]
        )
        for image, (image_id, rows) in zip(
            read(their_images), walks, strict=True
        ):
            if image_id not in table.done:
                table.add(image, list(rows))
        # Images without frames would not be whole: they go first.
        their_images.unlink()
        their_frames.unlink()


def keep(
    frames: Path,
    images: Path,
    carried: Sequence[str],
    wanted: Callable[[Mapping[str, str]], bool],
) -> list[str]:
    """Takes the images that are not wanted out of both tables.

    Args:
      frames: path of the table with one row per frame.
      images: path of the table with one row per image.
      carried: its columns after `IMAGE_FIELDS`.
      wanted: of an image's row.

    Returns:
      The ids of those that were taken out.
    """
    fields = (*IMAGE_FIELDS, *carried)
    rows = [row["image_id"] for row in read(images) if not wanted(row)]
    if rows:
        _write(images, fields, (row for row in read(images) if wanted(row)))
        # Opened, to sweep out their frames.
        Manifest(frames, images, carried)
    return rows


def read(path: Path) -> Iterator[dict[str, str]]:
    """The rows of one of the two tables, one at a time."""
    with path.open(newline="", encoding="utf-8") as file:
        yield from csv.DictReader(file)


def _whole_rows(path: Path, fields: Sequence[str]) -> Iterator[dict[str, str]]:
    """The rows that were written to the end, without the others."""
    if not path.exists():
        return
    with path.open(newline="", encoding="utf-8") as file:
        ended = (line for line in file if line.endswith("\n"))
        for row in csv.DictReader(ended):
            if list(row) == list(fields) and None not in row.values():
                yield row


def _write(
    path: Path, fields: Sequence[str], rows: Iterable[Mapping[str, Any]]
) -> None:
    with (
        workdir.replacing(path) as draft,
        draft.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.DictWriter(file, fields, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _append(
    path: Path, fields: Sequence[str], rows: Sequence[Mapping[str, Any]]
) -> None:
    with path.open("a", newline="", encoding="utf-8") as file:
        csv.DictWriter(file, fields, lineterminator="\n").writerows(rows)

"""The images to explain: a prepared split, a folder, or a list of files."""

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from jaxstyle.config import Config
from jaxstyle.data import (
    files,
    formats,
    manifest,
    pipeline,
    problems,
    records,
)

_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
# It lists the DICOM files beside it.
_DIRECTORY = "DICOMDIR"


@dataclasses.dataclass(frozen=True)
class Images:
    """Images that are read when they are needed.

    Attributes:
      ids: unique, safe as file names.
      targets: "0", "1", or "" where the truth is not known.
      read: positions -> float32 [n, R, R, C] in [-1, 1].
      sizes: height and width before resizing in pixels, int32 [N, 2]; of
        files known once they are read, zeros before.
      columns: what else is known, as `pipeline.Split.columns`.
    """

    ids: list[str]
    targets: list[str]
    read: Callable[[Sequence[int]], np.ndarray]
    sizes: np.ndarray
    columns: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)

    def cells(self, position: int) -> dict[str, str]:
        """The columns of an image; what is not known is ""."""
        return {
            name: _cell(values[position])
            for name, values in self.columns.items()
        }

    def batches(
        self, batch_size: int, positions: Sequence[int]
    ) -> Iterator[tuple[list[int], np.ndarray]]:
        """Yields (positions, images) for the wanted ones, in order."""
        for start in range(0, len(positions), batch_size):
            some = list(positions[start : start + batch_size])
            yield some, self.read(some)


def open_images(config: Config, root: str | Path) -> Images:
    """What `config.walk` names, at most `walk.limit` images.

    Raises:
      DataError: listing all files that are missing or no images.
    """
    limit = config.walk.limit or None
    if config.walk.images:
        return _of_files(config, _listed(Path(config.walk.images), limit))
    split = pipeline.open_asked(config, root, config.walk.split)
    return Images(
        split.ids[:limit],
        [str(int(target)) for target in split.targets[:limit]],
        split.images,
        split.sizes[:limit],
        split.columns,
    )


def _cell(value: str | float) -> str:
    """In one line, for a table whose lines may end half-way."""
    if isinstance(value, str):
        return " ".join(value.split())
    number = float(value)
    return "" if math.isnan(number) else repr(number).removesuffix(".0")


def _listed(place: Path, limit: int | None) -> dict[str, Path]:
    """Files by name: their paths from the folder, or their lines.

    Each holds an image or more, so that `limit` of them are enough.

    Raises:
      DataError: if there are none, or some are links out of the folder.
    """
    if place.is_dir():
        names = sorted(
            path.relative_to(place).as_posix()
            for path in place.rglob("*")
            if _is_image(path)
        )
        missing = f"no {', '.join(_SUFFIXES)}, DICOM or NIfTI file in it"
        _refuse_links_out(place, names)
        folder = place
    elif place.is_file():
        lines = place.read_text(encoding="utf-8").splitlines()
        names = [line.strip() for line in lines if line.strip()]
        missing = "it lists no file"
        folder = place.parent
    else:
        names, folder = [], place
        missing = "walk.images names no folder and no list of files"
    if not names:
        raise problems.DataError(str(place), [missing])
    return {name: folder / name for name in names[:limit]}


def _is_image(path: Path) -> bool:
    """By the suffix of pictures; DICOM and NIfTI by what is in them."""
    if path.suffix.lower() in _SUFFIXES:
        return True
    if not path.is_file() or path.name == _DIRECTORY:
        return False
    try:
        return files.kind(path) != "picture"
    except formats.FormatError:
        return False


def _refuse_links_out(folder: Path, names: Sequence[str]) -> None:
    wrong = [
        f"{folder / name} is a link that leads out of the folder"
        for name in names
        if not manifest.stays_inside(folder / name, folder)
    ]
    if wrong:
        raise problems.DataError(str(folder), wrong)


def _of_files(config: Config, named: dict[str, Path]) -> Images:
    """Every frame of every file, up to the limit."""
    places, names, wrong = [], [], []
    for name, path in named.items():
        try:
            contents = files.probe(path, config.data)
        except formats.FormatError as error:
            wrong.append(str(error))
            continue
        # Of a long path the end tells most.
        base = records.stem(name[-100:])
        for frame, mark in zip(contents.frames, contents.marks, strict=True):
            places.append((path, frame))
            names.append(base + mark)
    if wrong:
        raise problems.DataError(config.walk.images, wrong)
    limit = config.walk.limit or None
    ids = records.unique(names[:limit])
    sizes = np.zeros((len(ids), 2), np.int32)

    def read(positions: Sequence[int]) -> np.ndarray:
        some = [
            files.read(path, frame, config.data)
            for path, frame in (places[position] for position in positions)
        ]
        sizes[list(positions)] = [sample.size for sample in some]
        unit = np.stack([sample.image for sample in some])
        return unit * np.float32(2) - np.float32(1)

    return Images(ids, [""] * len(ids), read, sizes)

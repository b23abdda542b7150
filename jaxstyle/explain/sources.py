"""The images to explain: a prepared split, a folder, or a list of files."""

import dataclasses
import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from jaxstyle.config import Config
from jaxstyle.data import (
    files,
    formats,
    manifest,
    pipeline,
    problems,
    pseudonyms,
    records,
    refusals,
)
from jaxstyle.data.records import Refusal

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
      digests: of the files, which tell whether a file of the same name is
        still the same; none for a prepared split.
      refused: files that are none of them, and images that `batches` could
        not read.
    """

    ids: list[str]
    targets: list[str]
    read: Callable[[Sequence[int]], np.ndarray]
    sizes: np.ndarray
    refused: list[Refusal] = dataclasses.field(default_factory=list)
    columns: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
    digests: Sequence[str] = ()

    def digest(self, position: int) -> str:
        """That of an image's file; "" for one of a split."""
        return self.digests[position] if self.digests else ""

    def cells(self, position: int) -> dict[str, str]:
        """The columns of an image; what is not known is ""."""
        return {
            name: _cell(values[position])
            for name, values in self.columns.items()
        }

    def batches(
        self, batch_size: int, wanted: Iterable[int]
    ) -> Iterator[tuple[list[int], np.ndarray]]:
        """Yields (positions, images), each batch that has a wanted image.

        Batches are cut from all images, so that one's place among the others
        does not depend on what is wanted: on some processors the last bits
        of what a network makes of an image do depend on its place. What
        cannot be read is left out of its batch; what was wanted of it is
        noted in `refused`.
        """
        asked = frozenset(wanted)
        for number in sorted({position // batch_size for position in asked}):
            whole = range(len(self.ids))[number * batch_size :][:batch_size]
            readable, images = self._readable(list(whole), asked)
            if readable:
                yield readable, images

    def _readable(
        self, some: list[int], asked: frozenset[int]
    ) -> tuple[list[int], np.ndarray]:
        try:
            return some, self.read(some)
        except formats.FormatError:
            pass
        good, images, told = [], [], []
        for position in some:
            try:
                image = self.read([position])
            except formats.FormatError as error:
                if position not in asked:
                    continue
                told.append(str(error))
                refusal = Refusal(self.ids[position], error.reason)
                self.refused.append(refusal)
            else:
                good.append(position)
                images.append(image)
        refusals.warn(told)
        return good, np.concatenate(images) if images else np.zeros(0)


def open_images(config: Config, root: str | Path) -> Images:
    """What `config.walk` names, at most `walk.limit` images.

    Files that are missing, or no images, are left out and noted.

    Raises:
      DataError: listing them, if there is no other one.
    """
    limit = config.walk.limit or None
    if config.walk.images:
        known = pseudonyms.load(config, root)
        return _of_files(config, Path(config.walk.images), known)
    split = pipeline.open_asked(config, root, config.walk.split)
    return Images(
        split.ids[:limit],
        [str(int(target)) for target in split.targets[:limit]],
        split.images,
        split.sizes[:limit],
        columns=split.columns,
    )


def _cell(value: str | float) -> str:
    """In one line, for a table whose lines may end half-way."""
    if isinstance(value, str):
        return " ".join(value.split())
    number = float(value)
    return "" if math.isnan(number) else repr(number).removesuffix(".0")


def listed(place: Path) -> dict[str, Path]:
    """Files by name: their paths from the folder, or their lines.

    Raises:
      DataError: if there are none.
    """
    if place.is_dir():
        names = sorted(
            path.relative_to(place).as_posix()
            for path in place.rglob("*")
            if _is_image(path)
        )
        missing = f"no {', '.join(_SUFFIXES)}, DICOM or NIfTI file in it"
        folder = place
    elif place.is_file():
        names = _lines(place)
        missing = "it lists no file"
        folder = place.parent
    else:
        names, folder = [], place
        missing = "walk.images names no folder and no list of files"
    if not names:
        raise problems.DataError(str(place), [missing])
    return {name: folder / name for name in names}


def _lines(place: Path) -> list[str]:
    try:
        with place.open(encoding="utf-8") as file:
            return [line.strip() for line in file if line.strip()]
    except UnicodeDecodeError:
        raise problems.DataError(
            str(place),
            [
                "is no text in UTF-8; give a folder, or a list of one image "
                "file a line"
            ],
        ) from None


def _is_image(path: Path) -> bool:
    """By the suffix of pictures; DICOM and NIfTI by what is in them."""
    if path.suffix.lower() in _SUFFIXES:
        # What is in a folder of that name is found by itself.
        return not path.is_dir()
    if not path.is_file() or path.name == _DIRECTORY:
        return False
    try:
        return files.kind(path) != "picture"
    except formats.FormatError:
        return False


def _of_files(
    config: Config, place: Path, known: pseudonyms.Pseudonyms | None
) -> Images:
    """Every frame of every file, up to the limit."""
    limit = config.walk.limit
    places, names, digests, refused, told = [], [], [], [], []
    for name, path in listed(place).items():
        if limit and len(names) >= limit:
            break
        try:
            contents = _probe(path, place, config)
        except formats.FormatError as error:
            told.append(str(error))
            file = known.of(name) if known else name
            refused.append(Refusal(file, error.reason))
            continue
        # Of a long path the end tells most.
        base = known.of(name) if known else records.stem(name[-100:])
        digest = _digest(path)
        digest = known.of(digest) if known else digest
        for frame, mark in zip(contents.frames, contents.marks, strict=True):
            places.append((path, frame))
            names.append(base + mark)
            digests.append(digest)
    if not names:
        raise problems.DataError(str(place), told)
    refusals.warn(told)
    ids = records.unique(names[: limit or None])
    sizes = np.zeros((len(ids), 2), np.int32)

    def read(positions: Sequence[int]) -> np.ndarray:
        some = [
            files.read(path, frame, config.data)
            for path, frame in (places[position] for position in positions)
        ]
        sizes[list(positions)] = [sample.size for sample in some]
        unit = np.stack([sample.image for sample in some])
        return unit * np.float32(2) - np.float32(1)

    return Images(
        ids,
        [""] * len(ids),
        read,
        sizes,
        refused,
        digests=digests[: limit or None],
    )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _probe(path: Path, place: Path, config: Config) -> files.Contents:
    if place.is_dir() and not manifest.stays_inside(path, place):
        reason = "is a link that leads out of the folder"
        raise formats.FormatError(
            problems.printable(f"{path} {reason}"), reason
        )
    return files.probe(path, config.data)

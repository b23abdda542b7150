"""What a source of images hands to the builders."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

_SUFFIX = re.compile(
    r"\.(png|jpe?g|tiff?|dcm|dicom|nii(\.gz)?)$", re.IGNORECASE
)


@dataclass(frozen=True)
class Entry:
    """What is known of an image before it is decoded.

    Attributes:
      id: unique, and safe as a file name.
      label: the raw integer label.
      group: the patient (or the region): what no two splits may share.
      split: "train", "val" or "test".
      columns: what else is known of it, by `data.columns`; None stands for
        a number that is not known.
    """

    id: str
    label: int
    group: str
    split: str
    columns: Mapping[str, str | float | None] = field(default_factory=dict)


class Name(NamedTuple):
    """What a source itself calls an image.

    Attributes:
      image: its file or given name; "" if it has a number only.
      mark: what tells it apart in its file.
      patient: likewise; "" if none is named.
    """

    image: str
    mark: str = ""
    patient: str = ""


class Frame(NamedTuple):
    """An image as its file has it, its intensities mapped.

    Attributes:
      unit: float32 [H, W, 1 or 3] in [0, 1].
      ends: the file's values that became black and white; the other way
        round where the file says that its largest value is black.
      spacing: height and width of a pixel, in any unit.
      annotated: the file says that text is burned in.
    """

    unit: np.ndarray
    ends: tuple[float, float]
    spacing: tuple[float, float] = (1.0, 1.0)
    annotated: bool = False


class Sample(NamedTuple):
    """A decoded image.

    Attributes:
      image: float32 [R, R, C] in [0, 1].
      size: height and width in pixels before it was resized; pixels that
        are not square count as the shorter of their sides.
      ends: source values that became black and white.
      text: text seems to be burned in, or the file says so.
    """

    image: np.ndarray
    size: tuple[int, int]
    ends: tuple[float, float] = (0.0, 1.0)
    text: bool = False


class Refusal(NamedTuple):
    """A file, or an image in it, that cannot be used.

    Attributes:
      file: its id.
      reason: without its name.
    """

    file: str
    reason: str


@dataclass(frozen=True)
class Source:
    """A checked source of images.

    Attributes:
      name: name of its TFDS builder.
      dtype: what pixels are stored as: uint8, uint16 or float32.
      entries: one per image.
      load: decodes the image of `entries[number]`; called from threads.
        Raises ValueError, naming the file, where it cannot.
      origin: the file it comes from, for people.
      refused: what was left out of it.
      names: one per entry, or none if they name nobody.
    """

    name: str
    dtype: np.dtype
    entries: list[Entry]
    load: Callable[[int], Sample]
    origin: str
    refused: list[Refusal] = field(default_factory=list)
    names: list[Name] = field(default_factory=list)


def stored_dtype(dtypes: Iterable[np.dtype]) -> np.dtype:
    """The smallest of uint8, uint16 and float32 that loses nothing.

    float32 keeps 24 bits of wider types.
    """
    widest = 0
    for dtype in dtypes:
        integer = np.issubdtype(dtype, np.integer) or dtype == np.bool_
        widest = max(widest, min(dtype.itemsize, 4) if integer else 4)
    return np.dtype({1: np.uint8, 2: np.uint16}.get(widest, np.float32))


def to_stored(image: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """float32 in [0, 1] -> the stored type, over the whole of its range."""
    if dtype == np.float32:
        return image
    return np.rint(image * np.iinfo(dtype).max).astype(dtype)


def from_stored(pixels: np.ndarray) -> np.ndarray:
    """The inverse of `to_stored`, up to rounding: float32 in [0, 1]."""
    if pixels.dtype == np.float32:
        return pixels
    limit = np.iinfo(pixels.dtype).max
    return pixels.astype(np.float32) / np.float32(limit)


def safe_ids(names: Iterable[str]) -> list[str]:
    """Unique ids that every file system takes, close to the names given.

    The suffix of an image file is left out.
    """
    return unique(stem(name) for name in names)


def stem(name: str) -> str:
    """A file's name less the suffix of an image file."""
    return _SUFFIX.sub("", name)


def unique(names: Iterable[str]) -> list[str]:
    """As `safe_ids`, of names without suffixes."""
    taken: set[str] = set()
    out = []
    for name in names:
        base = re.sub(r"[^A-Za-z0-9._-]+", "_", name).lstrip(".")[:120]
        base = base or "image"
        new, number = base, 1
        # Some file systems do not tell upper from lower case.
        while new.lower() in taken:
            number += 1
            new = f"{base}-{number}"
        taken.add(new.lower())
        out.append(new)
    return out

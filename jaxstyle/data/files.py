"""Image files of any kind, told by their content and shown by one policy.

Preparation and the rendering of files both read through here, so that a
model sees them alike.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxstyle import config as config_lib
from jaxstyle.data import (
    burned_in,
    dicom,
    formats,
    geometry,
    nifti,
    records,
)


class Contents(NamedTuple):
    """What is in a file.

    Attributes:
      kind: "picture", "dicom" or "nifti".
      dtype: type of its pixels.
      frames: numbers of its images; of a volume, of the wanted slices.
    """

    kind: str
    dtype: np.dtype
    frames: Sequence[int]

    @property
    def marks(self) -> list[str]:
        """What tells its images apart in an id; "" for an only image."""
        if self.kind == "nifti":
            return [f"-s{number:04d}" for number in self.frames]
        if len(self.frames) == 1:
            return [""]
        return [f"-f{number:04d}" for number in self.frames]


def kind(path: Path) -> str:
    """Tells "dicom", "nifti", or "picture" for whatever else.

    Raises:
      FormatError: naming the file, if it cannot be read.
    """
    return formats.guarded(_kind, path)


def probe(path: Path, data: config_lib.DataConfig) -> Contents:
    """What is in a file, from its header alone.

    Raises:
      FormatError: naming the file, if it is no image that `read` takes.
    """
    return formats.guarded(_probe, path, data)


def read(path: Path, frame: int, data: config_lib.DataConfig) -> records.Sample:
    """One image of a file as the model sees it.

    Args:
      path: the file.
      frame: one of `Contents.frames`.
      data: the intensities, the fit, and the image's side.

    Raises:
      FormatError: naming the file, if it is missing, damaged or unfit.
    """
    return formats.guarded(_read, path, frame, data)


def _kind(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(352)
    if dicom.applies_to(head):
        return "dicom"
    return "nifti" if nifti.applies_to(path, head) else "picture"


def _probe(path: Path, data: config_lib.DataConfig) -> Contents:
    found = _kind(path)
    frames: Any = range(1)
    if found == "dicom":
        header, count = dicom.probe(path)
        frames = range(count)
    elif found == "nifti":
        header, frames = nifti.probe(path, data)
    else:
        header = formats.probe(path)
    return Contents(found, header.dtype, frames)


def _read(
    path: Path, number: int, data: config_lib.DataConfig
) -> records.Sample:
    frame = _frame(path, number, data)
    height, width = frame.unit.shape[:2]
    try:
        size = geometry.in_square_pixels(height, width, frame.spacing)
    except ValueError as error:
        raise formats.Refused(str(error)) from error
    unit = geometry.with_channels(frame.unit, data.channels)
    image = geometry.square(unit, data.resolution, data.fit, size)
    if not np.isfinite([*image.flat, *frame.ends]).all():
        raise formats.Refused("comes out as pixels that are no numbers")
    text = frame.annotated or burned_in.suspected(frame.unit)
    return records.Sample(image, size, frame.ends, text)


def _frame(
    path: Path, number: int, data: config_lib.DataConfig
) -> records.Frame:
    found = _kind(path)
    if found == "dicom":
        return dicom.read(path, number, data)
    if found == "nifti":
        return nifti.read(path, number, data)
    if number != 0:
        raise formats.Refused(f"has 1 image, no {number}")
    pixels = formats.read(path)
    try:
        unit = geometry.to_unit(pixels, data.intensity_range)
        ends = geometry.ends(pixels, data.intensity_range)
    except ValueError as error:
        raise formats.Refused(str(error)) from error
    return records.Frame(unit, ends)

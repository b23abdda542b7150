"""DICOM images, one frame at a time, as a viewer shows them.

Only elements that describe pixels are read. In a damaged file even these may
hold a patient's name, so no message quotes a value that is no number, and
what pydicom logs, warns of and raises, which does, is not passed on.
"""

import contextlib
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from jaxstyle import config as config_lib
from jaxstyle.data import formats, jpeg2000, records, voi

INSTALL = "pip install pydicom pylibjpeg pylibjpeg-openjpeg"
MAX_FRAMES = 10_000

# Its whole file is inflated at once, whatever it claims to hold.
_DEFLATED = "1.2.840.10008.1.2.1.99"
# Baseline and extended.
_JPEG = ("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51")
_TAGS = (
    *("Rows", "Columns", "NumberOfFrames", "SamplesPerPixel"),
    *("PhotometricInterpretation", "PlanarConfiguration"),
    *("BitsAllocated", "BitsStored", "PixelRepresentation"),
    *("RescaleSlope", "RescaleIntercept", "ModalityLUTSequence"),
    *("WindowCenter", "WindowWidth", "VOILUTFunction", "VOILUTSequence"),
    *("PixelPaddingValue", "PixelPaddingRangeLimit"),
    *("PixelSpacing", "ImagerPixelSpacing", "PixelAspectRatio"),
    "BurnedInAnnotation",
    *(
        f"{colour}PaletteColorLookupTable{part}"
        for colour in ("Red", "Green", "Blue")
        for part in ("Descriptor", "Data")
    ),
    *(
        f"Segmented{colour}PaletteColorLookupTableData"
        for colour in ("Red", "Green", "Blue")
    ),
    *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
)
_GREY = ("MONOCHROME1", "MONOCHROME2")
_COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")


def applies_to(head: bytes) -> bool:
    """Whether a file that begins so (132 bytes or more) is DICOM."""
    return head[128:132] == b"DICM"


def probe(path: Path) -> tuple[formats.Header, int]:
    """What the file says about itself, and its number of frames.

    Raises:
      Refused: if `read` takes no such file.
    """
    with _unquoted():
        header = _header(path)
        deep = int(header.BitsAllocated)
        size = int(header.Rows), int(header.Columns)
    name = "u1" if deep <= 8 else "u2" if deep <= 16 else "f4"
    return formats.Header(np.dtype(name), *size), _frames(header)


def read(path: Path, number: int, data: config_lib.DataConfig) -> records.Frame:
    """Frame `number`, counted from 0.

    Raises:
      Refused: if there is none, or it cannot be shown.
    """
    with _unquoted():
        return _read(path, number, data)


def _read(
    path: Path, number: int, data: config_lib.DataConfig
) -> records.Frame:
    header = _header(path)
    if not 0 <= number < _frames(header):
        raise formats.Refused(f"has {_frames(header)} frame(s), no {number}")
    pydicom = _pydicom()
    pixels = pydicom.pixels
    syntax = header.file_meta.TransferSyntaxUID
    size = int(header.Rows), int(header.Columns)
    if syntax in pydicom.uid.JPEG2000TransferSyntaxes:
        packed = _packed(path, number, header)
        jpeg2000.check(packed, *size, int(header.SamplesPerPixel))
    if syntax in _JPEG:
        formats.check_jpeg(_packed(path, number, header), *size)
    # Colours come as RGB.
    stored = pixels.pixel_array(path, index=number)
    frame = _shown(stored, header, number, data)
    return frame._replace(annotated=header.get("BurnedInAnnotation") == "YES")


def _shown(
    stored: np.ndarray, header: Any, number: int, data: config_lib.DataConfig
) -> records.Frame:
    """The pixels as the file says that they are to be shown."""
    _apply_groups(header, number)
    if header.PhotometricInterpretation == "PALETTE COLOR":
        stored = _pydicom().pixels.apply_color_lut(stored, header)
        return voi.colour(stored[..., :3], np.iinfo(stored.dtype).max, header)
    if stored.ndim == 3:
        return voi.colour(stored, 2**header.BitsStored - 1, header)
    return voi.grey(stored, header, data)


@contextlib.contextmanager
def _unquoted() -> Iterator[None]:
    """Turns errors into `Refused` without their text."""
    try:
        yield
    except formats.Refused:
        raise
    except Exception as error:
        kind = type(error).__name__
        raise formats.Refused(
            f"is DICOM that cannot be read as an image ({kind})"
        ) from None


def _pydicom() -> Any:
    try:
        import pydicom
        import pydicom.pixels
    except ModuleNotFoundError:
        raise formats.Refused(f"is DICOM: run `{INSTALL}`") from None
    logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)
    warnings.filterwarnings("ignore", module=r"pydicom\.")
    return pydicom


def _header(path: Path) -> Any:
    pydicom = _pydicom()
    syntax = pydicom.filereader.read_file_meta_info(path).TransferSyntaxUID
    if syntax == _DEFLATED:
        raise formats.Refused("is deflated as a whole; save it uncompressed")
    header = pydicom.dcmread(
        path, stop_before_pixels=True, specific_tags=list(_TAGS)
    )
    if not header.get("Rows") or not header.get("Columns"):
        raise formats.Refused("is DICOM without an image")
    formats.check_size(int(header.Rows), int(header.Columns))
    kind = header.PhotometricInterpretation
    if kind not in (*_GREY, *_COLOUR, "PALETTE COLOR"):
        raise formats.Refused("has unknown colours; save it as grey or RGB")
    if not pydicom.pixels.get_decoder(syntax).is_available:
        raise formats.Refused(
            f"is packed as {syntax.name}; for JPEG 2000 run `{INSTALL}`, and "
            "unpack others first"
        )
    if _frames(header) > MAX_FRAMES:
        raise formats.Refused(
            f"claims {_frames(header)} frames, more than {MAX_FRAMES}"
        )
    return header


def _packed(path: Path, number: int, header: Any) -> bytes:
    """The bytes of a compressed frame."""
    pydicom = _pydicom()
    with path.open("rb") as file:
        # Ends where the pixels begin: a tag, a type and a length.
        pydicom.dcmread(file, stop_before_pixels=True, specific_tags=[])
        file.seek(12, 1)
        return pydicom.encaps.get_frame(
            file, number, number_of_frames=_frames(header)
        )


def _frames(header: Any) -> int:
    return int(header.get("NumberOfFrames") or 1)


def _apply_groups(header: Any, number: int) -> None:
    """Puts what an enhanced file says of a frame where others say it."""
    shared = header.get("SharedFunctionalGroupsSequence") or []
    each = header.get("PerFrameFunctionalGroupsSequence") or []
    for group in (*shared[:1], *each[number : number + 1]):
        for name in (
            *("PixelValueTransformationSequence", "FrameVOILUTSequence"),
            "PixelMeasuresSequence",
        ):
            for item in group.get(name) or []:
                header.update(item)

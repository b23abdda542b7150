"""DICOM files in which every text element names a patient."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom
from pydicom import datadict
from pydicom.dataset import Dataset, FileMetaDataset

from jaxstyle.data import dicom
from tests.data import dicoms

# By type of an element (PS3.5, 6.2): what is planted there, at most 16 long.
# Each holds its tag, so that what is found somewhere tells where it is from.
_BY_TAG = {
    **dict.fromkeys(("LO", "SH", "ST", "LT", "UT", "UC"), "Zq{:08x}"),
    **{"PN": "Zq{:08x}^Anna", "AE": "ZQ{:08X}", "CS": "ZQ{:08X}"},
    **{"UI": "1.2.276.{:d}", "UR": "http://zq.{:08x}"},
}
# The others have no room for it.
_FIXED = {
    **{"DA": "19370223", "TM": "031741.271828", "AS": "093Y"},
    **{"DT": "19370223031741.271828", "DS": "73.193751", "IS": "731937511"},
}
PREAMBLE = b"Zqpreamble^Anna"
_PRIVATE = "Zqprivate^Anna"
# What the file cannot do without, beside its pixels.
_KEPT = {0x00020010, 0x00080005}


def write(path: Path, pixels: np.ndarray) -> None:
    """A file whose pixels are `pixels`, and all else planted."""
    image = dicoms.made(pixels)
    kept = _KEPT | {
        datadict.tag_for_keyword(name) for name in (*dicom._TAGS, "HighBit")
    }
    for tag, vr in _text_elements():
        if tag not in kept and tag >> 16 > 2:
            image.add_new(tag, vr, _text(tag, vr))
    for name in (
        "SourceApplicationEntityTitle",
        "PrivateInformationCreatorUID",
    ):
        tag = datadict.tag_for_keyword(name)
        setattr(image.file_meta, name, _text(tag, datadict.dictionary_VR(tag)))
    image.file_meta.MediaStorageSOPInstanceUID = "1.2.276.0.2.3"
    image.file_meta.ImplementationVersionName = "Zqimplement"
    image.file_meta.PrivateInformation = b"Zqmeta^Anna"
    block = image.private_block(0x0029, "Zqcreator^Anna", create=True)
    block.add_new(0x10, "LO", _PRIVATE)
    # Overlays are in no dictionary of single tags.
    image.add_new(0x60000022, "LO", "Zqoverlay^Anna")
    nested = Dataset()
    nested.PatientName, nested.PatientID = "Zqnested^Anna", "Zqnested-0815"
    image.RequestAttributesSequence = [nested]
    image.preamble = PREAMBLE.ljust(128, b"\0")
    dicoms.save(path, image)


def strings(path: Path) -> list[tuple[str, bytes]]:
    """What is planted in a file, with its element, as pydicom reads it."""
    image = pydicom.dcmread(path)
    found = [("preamble", PREAMBLE)]
    parts: tuple[FileMetaDataset | Dataset, ...] = (image.file_meta, image)
    for part in parts:
        for element in part.iterall():
            value = element.value
            raw = value if isinstance(value, bytes) else str(value).encode()
            if element.VR != "SQ" and _is_planted(raw):
                found.append((str(element.tag), raw))
    return found


def _is_planted(raw: bytes) -> bool:
    fixed = [value.encode() for value in _FIXED.values()]
    marks = (b"zq", b"1.2.276.")
    return raw in fixed or any(mark in raw.lower() for mark in marks)


def _text_elements() -> Iterator[tuple[int, str]]:
    for tag, (vr, *_) in datadict.DicomDictionary.items():
        if vr in _BY_TAG or vr in _FIXED:
            yield tag, vr


def _text(tag: int, vr: str) -> str:
    return _FIXED[vr] if vr in _FIXED else _BY_TAG[vr].format(tag)

"""DICOM files for the tests: those that pydicom ships, and made ones."""

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence

SECRET = "Secretname"
_SHIPPED = Path(pydicom.__file__).parent / "data" / "test_files"
_SYNTAX = pydicom.uid.ExplicitVRLittleEndian


def shipped(name: str) -> Path:
    path = _SHIPPED / name
    assert path.is_file()
    return path


def made(pixels: np.ndarray, bits: int = 0, **values: Any) -> Dataset:
    """A grey [H, W] or [frames, H, W], or RGB [H, W, 3] image.

    Args:
      pixels: integers.
      bits: stored ones; 0 takes all.
      **values: of further elements.
    """
    out = Dataset()
    out.file_meta = FileMetaDataset()
    out.file_meta.TransferSyntaxUID = _SYNTAX
    out.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    out.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    out.SOPClassUID, out.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7", "1.2.3"
    out.PatientName = f"{SECRET}^Anna"
    out.PatientID = f"{SECRET}-0815"
    colour = pixels.shape[-1] == 3 and pixels.ndim == 3
    frames = pixels.ndim == 3 and not colour
    out.Rows, out.Columns = pixels.shape[1:] if frames else pixels.shape[:2]
    if frames:
        out.NumberOfFrames = len(pixels)
    out.SamplesPerPixel = 3 if colour else 1
    out.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
    if colour:
        out.PlanarConfiguration = 0
    depth = pixels.dtype.itemsize * 8
    out.BitsAllocated, out.BitsStored = depth, bits or depth
    out.HighBit = out.BitsStored - 1
    out.PixelRepresentation = int(pixels.dtype.kind == "i")
    out.PixelData = pixels.tobytes()
    out["PixelData"].VR = "OB" if depth == 8 else "OW"
    for name, value in values.items():
        setattr(out, name, value)
    return out


def save(path: Path, image: Dataset) -> Path:
    image.save_as(path, enforce_file_format=True)
    return path


def item(**values: Any) -> Sequence:
    """A sequence of one item."""
    out = Dataset()
    for name, value in values.items():
        setattr(out, name, value)
    return Sequence([out])

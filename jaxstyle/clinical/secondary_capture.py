"""One frame of a walk as a DICOM Secondary Capture image (PS3.3, A.8.1).

Nothing is taken from a source file: a dataset is built from the frame, its
numbers and the image's id alone, so that there is nothing to remove.
"""

import dataclasses
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxstyle.clinical import canvas

_STORAGE = "1.2.840.10008.5.1.4.1.1.7"
_EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
# Beside the id in a name, so that lists of patients show it.
_GIVEN_NAME = "SYNTHETIC"
# Of a person's name and of an id, 64 characters (PS3.5, 6.2, PN and LO).
_ROOM = 64 - len(f"^{_GIVEN_NAME}")


class ExportError(RuntimeError):
    """No DICOM can be written; says why and what to do."""


@dataclasses.dataclass(frozen=True)
class Series:
    """What the frames of one image share.

    Attributes:
      image_id: the pseudonym of its patient.
      study_uid: of the image in its run.
      series_uid: of these very frames.
      run: the run's name and the hash of its config.
      model: the fingerprint of f.
      what: what f's answer is, in words.
      original: that on the original image, which is not exported.
      status: how the walk ended.
      frames: how many there are.
    """

    image_id: str
    study_uid: str
    series_uid: str
    run: str
    model: str
    what: str
    original: str
    status: str
    frames: int


@dataclasses.dataclass(frozen=True)
class Frame:
    """One frame of the walk.

    Attributes:
      number: its place in the walk, from 0.
      role: "reconstruction", "counterfactual" (f decides otherwise than on
        the original) or "walk" for others.
      position: lambda.
      answer: what is told of f's.
      picture: the frame with its bands.
    """

    number: int
    role: str
    position: float
    answer: str
    picture: canvas.Canvas


def library() -> Any:
    """pydicom.

    Raises:
      ExportError: if it is not installed.
    """
    try:
        import pydicom
        import pydicom.uid
    except ModuleNotFoundError:
        raise ExportError(
            "DICOM is written with pydicom: run `pip install pydicom` (the "
            "extra `dicom`)"
        ) from None
    return pydicom


def uid(*entropy: str) -> str:
    """A UID that is the same for the same words, and for no others."""
    # pydicom joins them: where one ends has to be told.
    told = [f"{len(word)}:{word}" for word in ("jaxstyle", *entropy)]
    return str(library().uid.generate_uid(entropy_srcs=told))


def captions(
    role: str, number: int, frames: int, position: float, answer: str
) -> list[str]:
    """The lines that are burned in below a frame."""
    return [
        f"SYNTHETIC {role}, {number + 1} of {frames}",
        f"lambda = {position:.4g}, f = {answer}",
    ]


def dataset(series: Series, frame: Frame) -> Any:
    """A pydicom `Dataset` of one frame, ready to be saved.

    It has all attributes of Type 1 and 2 of the mandatory modules (Patient,
    General Study, General Series, SC Equipment, General Image, Image Pixel,
    SC Image, SOP Common) and of General Equipment; those of Type 2 that
    would tell of a patient or a date are empty.
    """
    pydicom = library()
    out = pydicom.Dataset()
    instance = uid(series.series_uid, str(frame.number))
    out.file_meta = pydicom.dataset.FileMetaDataset()
    out.file_meta.MediaStorageSOPClassUID = _STORAGE
    out.file_meta.MediaStorageSOPInstanceUID = instance
    out.file_meta.TransferSyntaxUID = _EXPLICIT_LITTLE
    values = {
        **_patient(series.image_id),
        **_study_and_series(series),
        **_image(series, frame),
        "SOPClassUID": _STORAGE,
        "SOPInstanceUID": instance,
    }
    for name, value in values.items():
        setattr(out, name, value)
    _set_pixels(out, frame.picture.pixels)
    return out


def save(path: Path, image: Any) -> None:
    """Writes a dataset as a DICOM file (PS3.10, section 7)."""
    image.save_as(path, enforce_file_format=True)


def pseudonym(image_id: str) -> str:
    """The id as far as DICOM has room; a hash tells long ones apart."""
    if len(image_id) <= _ROOM:
        return image_id
    mark = hashlib.sha256(image_id.encode()).hexdigest()[:16]
    return f"{image_id[: _ROOM - 17]}~{mark}"


def _patient(image_id: str) -> dict[str, Any]:
    """Patient module (C.7.1.1)."""
    name = pseudonym(image_id)
    return {
        "PatientName": f"{name}^{_GIVEN_NAME}",
        "PatientID": name,
        "PatientBirthDate": "",
        "PatientSex": "",
        "PatientIdentityRemoved": "YES",
        "DeidentificationMethod": "Generated; no element of a source copied",
    }


def _study_and_series(series: Series) -> dict[str, Any]:
    """General Study, Series and Equipment, SC Equipment (C.7.2, 7.3, 7.5)."""
    return {
        "SpecificCharacterSet": "ISO_IR 192",
        "StudyInstanceUID": series.study_uid,
        "StudyDate": "",
        "StudyTime": "",
        "ReferringPhysicianName": "",
        "StudyID": "SYNTHETIC",
        "AccessionNumber": "",
        "StudyDescription": canvas.WORDS,
        # Neither scanner nor reader: "other" (C.7.3.1.1.1).
        "Modality": "OT",
        "SeriesInstanceUID": series.series_uid,
        "SeriesNumber": 1,
        # Required of paired parts (2C), and which part it is, is not known.
        "Laterality": "",
        "SeriesDescription": f"{canvas.WORDS}: walk of a classifier",
        "Manufacturer": "jaxstyle",
        "ManufacturerModelName": "jaxstyle",
        # Synthetic image (C.8.6.1).
        "ConversionType": "SYN",
    }


def _image(series: Series, frame: Frame) -> dict[str, Any]:
    """General Image, and what SOP Common tells of it (C.7.6.1, C.12.1)."""
    return {
        "InstanceNumber": frame.number + 1,
        "PatientOrientation": "",
        "ImageType": ["DERIVED", "SECONDARY", "OTHER", frame.role.upper()],
        "BurnedInAnnotation": "YES",
        "SyntheticData": "YES",
        "ContentQualification": "RESEARCH",
        "DerivationDescription": " ".join(_derivation(frame.picture)),
        "ImageComments": "\r\n".join(_comments(series, frame)),
    }


def _derivation(picture: canvas.Canvas) -> Sequence[str]:
    return (
        f"{canvas.WORDS}.",
        "Frame of a walk in the latent space of a generative network, from",
        "its reconstruction of an image (lambda = 0); no pixel is of that",
        "image itself. Each pixel is repeated",
        f"{picture.scale} x {picture.scale} times; the first is at row",
        f"{picture.top + 1}, column {picture.left + 1}. What is burned in lies",
        "around the image, not on it.",
    )


def _comments(series: Series, frame: Frame) -> Sequence[str]:
    return (
        f"{canvas.WORDS}.",
        "It tells about a classifier, not about a patient.",
        f"Frame {frame.number + 1} of {series.frames}: {frame.role}.",
        f"lambda = {frame.position:.6g} (0 is the reconstruction).",
        f"{series.what}: {frame.answer}; on the original image "
        f"{series.original}.",
        f"Walk: {series.status}.",
        f"Classifier: fingerprint {series.model}.",
        f"Run: {series.run}.",
    )


def _set_pixels(out: Any, pixels: np.ndarray) -> None:
    """Image Pixel module (C.7.6.3); pixels are square: no aspect ratio."""
    kind = "MONOCHROME2" if pixels.ndim == 2 else "RGB"
    out.set_pixel_data(pixels, kind, 8, generate_instance_uid=False)
    if pixels.ndim == 2:
        # All 256 levels, as they are (C.11.2.1.2.1); RGB has no window.
        out.WindowCenter, out.WindowWidth = 128, 256

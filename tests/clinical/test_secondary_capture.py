"""One DICOM file of one frame, against the module tables of PS3.3."""

import dataclasses
import sys

import numpy as np
import pydicom
import pytest

from jaxstyle.clinical import canvas, secondary_capture

# By module of the Secondary Capture Image IOD (PS3.3, table A.8-1), the
# attributes of Type 1 (a value is required) and of Type 2 (it may be empty).
TYPE_1 = {
    "General Study (C.7-3)": ["StudyInstanceUID"],
    "General Series (C.7-5a)": ["Modality", "SeriesInstanceUID"],
    "SC Equipment (C.8-24)": ["ConversionType"],
    "Image Pixel (C.7-11a)": [
        *("SamplesPerPixel", "PhotometricInterpretation", "Rows", "Columns"),
        *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"),
        "PixelData",
    ],
    "SOP Common (C.12-1)": [
        *("SOPClassUID", "SOPInstanceUID", "SpecificCharacterSet"),
    ],
    # 1C: required where identity is removed.
    "Patient (C.7-1)": ["DeidentificationMethod"],
    # 1C: required where there is no table; both or none.
    "VOI LUT (C.11-2)": ["WindowCenter", "WindowWidth"],
}
TYPE_2 = {
    "Patient (C.7-1)": [
        *("PatientName", "PatientID", "PatientBirthDate", "PatientSex"),
    ],
    "General Study (C.7-3)": [
        *("StudyDate", "StudyTime", "ReferringPhysicianName", "StudyID"),
        "AccessionNumber",
    ],
    "General Series (C.7-5a)": ["SeriesNumber", "Laterality"],
    "General Equipment (C.7-8)": ["Manufacturer"],
    "General Image (C.7-9)": ["InstanceNumber", "PatientOrientation"],
}
FILE_META = [
    *("FileMetaInformationGroupLength", "FileMetaInformationVersion"),
    *("MediaStorageSOPClassUID", "MediaStorageSOPInstanceUID"),
    *("TransferSyntaxUID", "ImplementationClassUID"),
]
DATES = ("DA", "TM", "DT")


def _series(**changes):
    values = {
        "image_id": "case-17",
        "study_uid": secondary_capture.uid("study"),
        "series_uid": secondary_capture.uid("series"),
        "run": "made, config 12ab",
        "model": "0123456789abcdef",
        "what": "f’s probability of “Lähmung”",
        "original": "0.900",
        "status": "flipped",
        "frames": 11,
    }
    return secondary_capture.Series(**values | changes)


def _frame(channels, shape=(15, 9)):
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (*shape, channels), np.uint8)
    drawn = canvas.drawn(pixels, ["one line"])
    return secondary_capture.Frame(2, "counterfactual", -1.5, "0.031", drawn)


def _saved(path, channels=1, **changes):
    frame = _frame(channels)
    image = secondary_capture.dataset(_series(**changes), frame)
    secondary_capture.save(path, image)
    with pydicom.config.strict_reading():
        read = pydicom.dcmread(path)
        # Each value is parsed, and refused unless it fits its type.
        assert [element.value is not None for element in read.iterall()]
    return read, frame


@pytest.fixture(params=(1, 3), ids=("grey", "rgb"))
def saved(request, tmp_path):
    return (*_saved(tmp_path / "one.dcm", request.param), request.param)


@pytest.mark.parametrize("module, names", TYPE_1.items())
def test_type_1(saved, module, names):
    read, _, channels = saved
    if module.startswith("VOI") and channels == 3:
        # Windows are for grey levels.
        assert not any(name in read for name in names)
        return
    for name in names:
        assert name in read and str(read[name].value) != "", name


@pytest.mark.parametrize("module, names", TYPE_2.items())
def test_type_2(saved, module, names):
    for name in names:
        assert name in saved[0], name


def test_it_is_a_dicom_file_any_reader_opens(saved):
    read, _, _ = saved
    for name in FILE_META:
        assert name in read.file_meta, name
    meta = read.file_meta
    assert meta.TransferSyntaxUID == pydicom.uid.ExplicitVRLittleEndian
    assert (
        read.SOPClassUID
        == meta.MediaStorageSOPClassUID
        == pydicom.uid.SecondaryCaptureImageStorage
    )
    assert read.SOPInstanceUID == meta.MediaStorageSOPInstanceUID
    uids = [element for element in read.iterall() if element.VR == "UI"]
    assert len(uids) == 4
    assert all(element.value.is_valid for element in uids)


def test_pixels_are_those_of_the_canvas(saved):
    read, frame, channels = saved
    np.testing.assert_array_equal(read.pixel_array, frame.picture.pixels)
    grey = channels == 1
    assert read.PhotometricInterpretation == ("MONOCHROME2" if grey else "RGB")
    assert read.SamplesPerPixel == channels
    assert ("PlanarConfiguration" in read) == (not grey)
    assert (read.BitsAllocated, read.BitsStored, read.HighBit) == (8, 8, 7)
    # Of square pixels, and of no size in millimetres.
    for name in ("PixelAspectRatio", "PixelSpacing", "NumberOfFrames"):
        assert name not in read
    assert len(read.PixelData) % 2 == 0


def test_the_window_leaves_grey_levels_as_they_are(tmp_path):
    read, _ = _saved(tmp_path / "one.dcm")
    levels = np.arange(256, dtype=np.uint8)
    shown = pydicom.pixels.apply_windowing(levels, read)
    np.testing.assert_allclose(shown, levels, atol=1e-9)


def test_it_says_that_it_is_synthetic(saved):
    read, _, _ = saved
    assert read.BurnedInAnnotation == "YES"
    assert read.SyntheticData == "YES"
    assert read.ConversionType == "SYN"
    assert read.ContentQualification == "RESEARCH"
    assert (read.Modality, read.StudyID) == ("OT", "SYNTHETIC")
    assert read.PatientName.given_name == "SYNTHETIC"
    assert list(read.ImageType)[:2] == ["DERIVED", "SECONDARY"]
    assert read.ImageType[3] == "COUNTERFACTUAL"
    for name in ("ImageComments", "DerivationDescription"):
        assert "SYNTHETIC - NOT FOR DIAGNOSIS" in read[name].value
    for name in ("SeriesDescription", "StudyDescription"):
        assert "SYNTHETIC - NOT FOR DIAGNOSIS" in read[name].value


def test_it_tells_which_frame_of_which_walk(saved):
    read, frame, _ = saved
    assert read.InstanceNumber == 3
    for told in (
        *("Frame 3 of 11: counterfactual", "lambda = -1.5 ", ": 0.031;"),
        *(
            "original image 0.900.",
            "Walk: flipped",
            "0123456789abcdef",
            "config 12ab",
        ),
        "f’s probability of “Lähmung”",
    ):
        assert told in read.ImageComments
    picture = frame.picture
    place = f"row {picture.top + 1}, column {picture.left + 1}."
    assert place in read.DerivationDescription
    assert f"{picture.scale} x {picture.scale}" in read.DerivationDescription


def test_it_tells_of_no_date_and_of_no_patient(saved):
    read, _, _ = saved
    assert all(
        not element.value for element in read.iterall() if element.VR in DATES
    )
    assert read.PatientIdentityRemoved == "YES"
    assert read.PatientID == read.PatientName.family_name == "case-17"
    for name in ("PatientSex", "AccessionNumber", "ReferringPhysicianName"):
        assert not read[name].value


def test_long_ids_stay_apart_and_fit(tmp_path):
    ids = ["a" * 120 + end for end in ("1", "2")]
    names = []
    for number, image_id in enumerate(ids):
        path = tmp_path / f"{number}.dcm"
        read, _ = _saved(path, image_id=image_id)
        assert len(str(read.PatientName)) <= 64
        names.append(read.PatientID)
    assert names[0] != names[1]
    assert secondary_capture.pseudonym("a" * 54) == "a" * 54


def test_uids_follow_from_the_words_alone():
    made = secondary_capture.uid("a", "bc")
    assert made == secondary_capture.uid("a", "bc")
    assert pydicom.uid.UID(made).is_valid and len(made) <= 64
    others = [("ab", "c"), ("a", "b", "c"), ("abc",), ("a", "bd")]
    assert len({made, *(secondary_capture.uid(*o) for o in others)}) == 5


def test_frames_of_a_series_have_uids_of_their_own():
    frame = _frame(1)
    other = dataclasses.replace(frame, number=3)
    series = [_series(), _series(series_uid=secondary_capture.uid("other"))]
    made = {
        secondary_capture.dataset(s, f).SOPInstanceUID
        for s in series
        for f in (frame, other)
    }
    assert len(made) == 4


def test_without_pydicom_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(
        secondary_capture.ExportError, match=r"pip install pydicom.*`dicom`"
    ):
        secondary_capture.library()

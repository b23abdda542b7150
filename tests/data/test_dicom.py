"""DICOM against the standard's formulas, in NumPy, and against pydicom."""

import struct
import sys
import traceback

import numpy as np
import pydicom
import pytest
from pydicom import pixels as pydicom_pixels

from jaxstyle.config import DataConfig
from jaxstyle.data import dicom, files, formats
from tests.data import dicoms, images

AS_IT_IS = DataConfig(resolution=64, channels=1)


def _raw(name: str, dtype: str) -> np.ndarray:
    image = pydicom.dcmread(dicoms.shipped(name))
    raw = np.frombuffer(image.PixelData, dtype)
    return raw.reshape(image.Rows, image.Columns).astype(np.float64)


def _linear(x: np.ndarray, centre: float, width: float) -> np.ndarray:
    """PS3.3, C.11.2.1.2.1, case by case."""
    out = (x - (centre - 0.5)) / (width - 1) + 0.5
    out = np.where(x <= centre - 0.5 - (width - 1) / 2, 0.0, out)
    return np.where(x > centre - 0.5 + (width - 1) / 2, 1.0, out)


def _by_pydicom(path, index=0) -> np.ndarray:
    image = pydicom.dcmread(path)
    stored = pydicom_pixels.pixel_array(path, index=index)
    values = pydicom_pixels.apply_modality_lut(stored, image)
    shown = pydicom_pixels.apply_voi_lut(values, image)
    if "VOILUTSequence" in image:
        return shown / (2 ** image.VOILUTSequence[0].LUTDescriptor[2] - 1)
    # A window of pydicom's spans what the modality LUT can give.
    low, high = (
        (-(2 ** (image.BitsStored - 1)), 2 ** (image.BitsStored - 1) - 1)
        if image.PixelRepresentation
        else (0, 2**image.BitsStored - 1)
    )
    slope = float(image.get("RescaleSlope", 1))
    intercept = float(image.get("RescaleIntercept", 0))
    low, high = low * slope + intercept, high * slope + intercept
    return (shown - low) / (high - low)


def _shown(path, number=0, data=AS_IT_IS) -> np.ndarray:
    frame = dicom.read(path, number, data)
    assert frame.unit.dtype == np.float32
    assert frame.unit.min() >= 0 and frame.unit.max() <= 1
    return frame.unit[..., 0] if frame.unit.shape[-1] == 1 else frame.unit


# --- windows and look-up tables


def test_the_window_of_a_real_mr_image():
    path = dicoms.shipped("MR_small.dcm")
    expected = _linear(_raw("MR_small.dcm", "<i2"), 600, 1600)
    np.testing.assert_allclose(_shown(path), expected, atol=1e-6)
    np.testing.assert_allclose(_shown(path), _by_pydicom(path), atol=1e-6)
    assert dicom.read(path, 0, AS_IT_IS).ends == (-200, 1399)
    header, frames = dicom.probe(path)
    assert header == (np.dtype(np.uint16), 64, 64) and frames == 1


def test_a_real_ct_image_in_hounsfield_units():
    path = dicoms.shipped("CT_small.dcm")
    stored = _raw("CT_small.dcm", "<i2")
    padding = stored == -2000
    for data, expected in (
        (DataConfig(window=(40.0, 400.0)), _linear(stored - 1024, 40, 400)),
        (
            DataConfig(intensity_range=(-160.0, 240.0)),
            np.clip((stored - 1024 + 160) / 400, 0, 1),
        ),
        # Neither the file nor the config has a window: all 16 bits.
        (DataConfig(), (stored + 32768) / 65535),
    ):
        expected = np.where(padding, 0, expected)
        shown = _shown(path, data=data)
        np.testing.assert_allclose(shown, expected, atol=1e-6)
        assert shown.std() > 0.001


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize("signed", [False, True])
def test_window_functions(tmp_path, function, signed):
    stored = images.random_pixels(8, 9, dtype=np.int16 if signed else np.uint16)
    stored >>= 4
    path = dicoms.save(
        tmp_path / "image",
        dicoms.made(
            stored,
            bits=12,
            WindowCenter=[100, 5],
            WindowWidth=[900, 6],
            VOILUTFunction=function,
            RescaleSlope=0.5,
            RescaleIntercept=-300,
        ),
    )
    x = stored * 0.5 - 300
    expected = {
        "LINEAR": _linear(x, 100, 900),
        "LINEAR_EXACT": np.clip((x - 100) / 900 + 0.5, 0, 1),
        "SIGMOID": 1 / (1 + np.exp(-4 * (x - 100) / 900)),
    }[function]
    np.testing.assert_allclose(_shown(path), expected, atol=1e-6)
    np.testing.assert_allclose(_shown(path), _by_pydicom(path), atol=1e-5)
    # The config's window takes the place of the file's.
    other = dicom.read(path, 0, DataConfig(window=(0.0, 100.0)))
    assert np.abs(other.unit[..., 0] - expected).max() > 0.1


@pytest.mark.parametrize("kind", ["MONOCHROME1", "MONOCHROME2"])
def test_polarity_bits_and_padding_without_a_window(tmp_path, kind):
    stored = images.random_pixels(6, 7, dtype=np.uint16) >> 4
    stored[0] = 7
    image = dicoms.made(
        stored, bits=12, PhotometricInterpretation=kind, PixelPaddingValue=7
    )
    path = dicoms.save(tmp_path / "image", image)
    expected = stored / 4095
    ends = (0.0, 4095.0)
    if kind == "MONOCHROME1":
        expected, ends = 1 - expected, ends[::-1]
    expected[stored == 7] = 0
    np.testing.assert_allclose(_shown(path), expected, atol=1e-6)
    assert dicom.read(path, 0, AS_IT_IS).ends == ends


@pytest.mark.parametrize(
    ("kind", "value", "limit"), [("SS", -8, -5), ("US", 0xFFF8, 0xFFFB)]
)
def test_padding_over_a_range(tmp_path, kind, value, limit):
    """Also where the bits of a negative value are called a positive one."""
    stored = np.arange(-8, 8, dtype=np.int16).reshape(4, 4)
    image = dicoms.made(stored, PhotometricInterpretation="MONOCHROME1")
    image.add_new("PixelPaddingValue", kind, value)
    image.add_new("PixelPaddingRangeLimit", kind, limit)
    shown = _shown(dicoms.save(tmp_path / "image", image))
    np.testing.assert_array_equal(shown == 0, stored <= -5)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16])
def test_a_negative_slope_keeps_what_is_large_bright(tmp_path, dtype):
    stored = np.arange(12, dtype=dtype).reshape(3, 4)
    path = dicoms.save(
        tmp_path / "image",
        dicoms.made(stored, RescaleSlope=-2, RescaleIntercept=10),
    )
    shown = _shown(path)
    assert (np.diff(shown.ravel()) < 0).all()
    limits = np.iinfo(dtype)
    ends = (10 - 2 * limits.max, 10 - 2 * limits.min)
    assert dicom.read(path, 0, AS_IT_IS).ends == ends


def test_modality_and_voi_tables(tmp_path):
    random = np.random.default_rng(0)
    stored = random.integers(0, 64, (8, 8), np.uint8)
    modality = random.integers(0, 256, 64, np.uint16)
    voi = np.sort(random.integers(0, 4096, 200, np.uint16))
    image = dicoms.made(
        stored,
        ModalityLUTSequence=dicoms.item(
            LUTDescriptor=[64, 0, 8],
            ModalityLUTType="US",
            LUTData=modality.tobytes(),
        ),
        VOILUTSequence=dicoms.item(
            LUTDescriptor=[200, 20, 12], LUTData=voi.tobytes()
        ),
    )
    path = dicoms.save(tmp_path / "image", image)
    expected = voi[np.clip(modality[stored].astype(int) - 20, 0, 199)] / 4095
    np.testing.assert_allclose(_shown(path), expected, atol=1e-6)
    np.testing.assert_allclose(_shown(path), _by_pydicom(path), atol=1e-6)
    assert dicom.read(path, 0, AS_IT_IS).ends == (20, 219)
    # Without the second table: the whole range of the first.
    del image.VOILUTSequence
    dicoms.save(path, image)
    np.testing.assert_allclose(_shown(path), modality[stored] / 255, atol=1e-6)


def test_enhanced_images_say_it_frame_by_frame(tmp_path):
    stored = images.random_pixels(2, 5, 6, dtype=np.uint16) >> 6
    shared = dicoms.item(PixelMeasuresSequence=dicoms.item(PixelSpacing=[2, 1]))
    each = [
        dicoms.item(
            PixelValueTransformationSequence=dicoms.item(
                RescaleSlope=slope, RescaleIntercept=-slope
            ),
            FrameVOILUTSequence=dicoms.item(
                WindowCenter=centre, WindowWidth=300
            ),
        )[0]
        for slope, centre in ((1, 500), (3, 900))
    ]
    image = dicoms.made(
        stored,
        SharedFunctionalGroupsSequence=shared,
        PerFrameFunctionalGroupsSequence=each,
    )
    path = dicoms.save(tmp_path / "image", image)
    for number, (slope, centre) in enumerate(((1, 500), (3, 900))):
        frame = dicom.read(path, number, AS_IT_IS)
        expected = _linear(stored[number] * slope - slope, centre, 300.0)
        np.testing.assert_allclose(frame.unit[..., 0], expected, atol=1e-6)
        assert frame.spacing == (2, 1)
    assert files.read(path, 0, AS_IT_IS).size == (10, 6)


# --- colours, frames and compression


@pytest.mark.parametrize(
    "name",
    [
        "MR_small_RLE.dcm",
        "MR_small_bigendian.dcm",
        "MR_small_expb.dcm",
        "MR_small_implicit.dcm",
        "MR_small_jp2klossless.dcm",
        "MR_small_padded.dcm",
    ],
)
def test_every_lossless_packing_is_the_same_image(name):
    expected = _shown(dicoms.shipped("MR_small.dcm"))
    np.testing.assert_array_equal(_shown(dicoms.shipped(name)), expected)


@pytest.mark.parametrize(
    ("name", "tolerance"),
    [
        ("SC_rgb_rle_16bit.dcm", 0),
        ("SC_rgb_gdcm_KY.dcm", 0),
        ("SC_rgb_dcmtk_+eb+cr.dcm", 2),
        ("SC_rgb_dcmtk_+eb+cy+n1.dcm", 5),
        ("SC_rgb_dcmtk_+eb+cy+s4.dcm", 5),
        ("SC_ybr_full_422_uncompressed.dcm", 5),
    ],
)
def test_colours_are_those_of_the_plain_rgb_image(name, tolerance):
    """pydicom's files show the same stripes of colours."""
    expected = _shown(dicoms.shipped("SC_rgb_rle.dcm"))
    assert expected.shape == (100, 100, 3)
    # In the middle of stripes, where packing blurs nothing.
    differences = np.abs(_shown(dicoms.shipped(name)) - expected)[5::10, 50]
    assert differences.max() <= tolerance / 255 + 1e-6


def test_plain_rgb_is_what_is_stored(tmp_path):
    name = "examples_rgb_color.dcm"
    image = pydicom.dcmread(dicoms.shipped(name))
    stored = np.frombuffer(image.PixelData, np.uint8)
    shape = (image.Rows, image.Columns, 3)
    shown = _shown(dicoms.shipped(name))
    np.testing.assert_allclose(shown * 255, stored.reshape(shape), atol=1e-4)
    deep = images.random_pixels(4, 5, 3, dtype=np.uint16) >> 4
    path = dicoms.save(tmp_path / "image", dicoms.made(deep, bits=12))
    np.testing.assert_allclose(_shown(path), deep / 4095, atol=1e-6)


def test_palettes_become_rgb():
    path = dicoms.shipped("examples_palette.dcm")
    image = pydicom.dcmread(path)
    numbers = np.frombuffer(image.PixelData, np.uint8)
    numbers = numbers.reshape(image.Rows, image.Columns)
    tables = [
        np.frombuffer(image[f"{name}PaletteColorLookupTableData"].value, "<u2")
        for name in ("Red", "Green", "Blue")
    ]
    expected = np.stack([table[numbers] for table in tables], -1) / 65535
    np.testing.assert_allclose(_shown(path), expected, atol=1e-6)


def test_frames_are_read_one_by_one(tmp_path):
    stored = images.random_pixels(3, 4, 5)
    path = dicoms.save(tmp_path / "image", dicoms.made(stored))
    assert list(files.probe(path, AS_IT_IS).frames) == [0, 1, 2]
    for number in range(3):
        np.testing.assert_allclose(
            _shown(path, number) * 255, stored[number], atol=1e-4
        )
    for number in (-1, 3):
        with pytest.raises(formats.FormatError, match=rf"3 .*no {number}"):
            files.read(path, number, AS_IT_IS)
    video = dicoms.shipped("examples_ybr_color.dcm")
    assert dicom.probe(video)[1] == 30
    assert np.abs(_shown(video, 0) - _shown(video, 29)).max() > 0.1


def test_content_tells_and_not_the_name(tmp_path):
    image = dicoms.made(images.random_pixels(4, 5))
    assert files.kind(dicoms.save(tmp_path / "a.png", image)) == "dicom"
    (tmp_path / "b.dcm").write_bytes(b"no DICOM" * 40)
    assert files.kind(tmp_path / "b.dcm") == "picture"
    with pytest.raises(formats.FormatError, match="no PNG, JPEG or TIFF"):
        files.probe(tmp_path / "b.dcm", AS_IT_IS)


# --- what is refused


def _refused(path, match: str) -> str:
    with pytest.raises(formats.FormatError, match=match) as caught:
        files.probe(path, AS_IT_IS)
        files.read(path, 0, AS_IT_IS)
    assert str(path) in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("image_dfl.dcm", "deflated"),
        ("MR_small_jpeg_ls_lossless.dcm", "JPEG-LS.*unpack"),
        ("SC_rgb_jpeg_gdcm.dcm", "JPEG Lossless.*unpack"),
        ("JPEG-lossy.dcm", "cannot be read"),
        ("rtplan.dcm", "without an image"),
        ("MR_truncated.dcm", "cannot be read"),
        ("meta_missing_tsyntax.dcm", "cannot be read"),
    ],
)
def test_real_files_that_cannot_be_used(name, reason):
    _refused(dicoms.shipped(name), reason)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"Rows": 60000, "Columns": 60000}, "claims 60000 x 60000 pixels"),
        ({"NumberOfFrames": 10**9}, "claims 1000000000 frames"),
        ({"WindowCenter": 5, "WindowWidth": 0}, "width 0"),
        ({"WindowCenter": 5, "WindowWidth": 0.5}, "width 0.5"),
        ({"PhotometricInterpretation": "CMYK"}, "unknown colours"),
        ({"RescaleSlope": "1e308", "RescaleIntercept": "1e308"}, "infinite"),
        ({"Rows": 5}, "cannot be read"),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
def test_files_that_lie_are_refused_without_the_patient(
    tmp_path, values, reason, recwarn, caplog
):
    stored = np.full((4, 4), 9, np.uint16)
    path = dicoms.save(tmp_path / "image", dicoms.made(stored, **values))
    told = _refused(path, reason)
    told += caplog.text + "".join(str(item.message) for item in recwarn)
    assert dicoms.SECRET not in told


@pytest.mark.parametrize("name", ["MR_small_jp2klossless", "examples_jpeg2k"])
@pytest.mark.parametrize("side", [16384, 2**31 - 1])
def test_packed_data_that_claim_more_are_not_unpacked(tmp_path, name, side):
    packed = bytearray(dicoms.shipped(f"{name}.dcm").read_bytes())
    start = packed.index(b"\xff\x4f\xff\x51")
    # Height and width of the image, and of its only tile.
    for place in (8, 24):
        struct.pack_into(">II", packed, start + place, side, side)
    path = tmp_path / "image"
    path.write_bytes(packed)
    _refused(path, f"claims .* and its packed data {side} x {side}")
    packed[start] = 0
    path.write_bytes(packed)
    _refused(path, "no JPEG 2000 data")


def test_damaged_bytes_never_tell_the_patient(tmp_path, recwarn, caplog):
    path = tmp_path / "image"
    image = dicoms.made(images.random_pixels(16, 16), PatientAge="wrong")
    whole = dicoms.save(path, image).read_bytes()
    recwarn.clear()
    caplog.clear()
    random, told = np.random.default_rng(0), ""
    for _ in range(60):
        damaged = bytearray(whole)
        for place in random.integers(140, len(whole), 8):
            damaged[place] = random.integers(256)
        path.write_bytes(damaged[: random.integers(140, len(whole))])
        with pytest.raises(formats.FormatError) as caught:
            files.probe(path, AS_IT_IS)
            files.read(path, 0, AS_IT_IS)
        told += "".join(traceback.format_exception(caught.value))
    told += caplog.text + "".join(str(item.message) for item in recwarn)
    assert dicoms.SECRET not in told and "wrong" not in told


def test_a_missing_package_is_told(tmp_path, monkeypatch):
    path = dicoms.save(tmp_path / "image", dicoms.made(np.zeros((4, 4), "u1")))
    monkeypatch.setitem(sys.modules, "pydicom", None)
    _refused(path, "pip install pydicom pylibjpeg pylibjpeg-openjpeg")

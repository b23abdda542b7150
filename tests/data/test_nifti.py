"""NIfTI slices, which way round and how bright."""

import gzip
import itertools
import struct
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest
from nibabel import orientations

from jaxstyle.config import DataConfig
from jaxstyle.data import files, formats, nifti

_SHIPPED = Path(nibabel.__file__).parent / "tests" / "data"
_AXES = {"sagittal": 0, "coronal": 1, "axial": 2}


def _config(**data) -> DataConfig:
    return DataConfig(**{"resolution": 16, "channels": 1} | data)


def _save(path, voxels, affine=None, kind=nibabel.Nifti1Image):
    affine = np.eye(4) if affine is None else affine
    nibabel.save(kind(voxels, affine), path)
    return path


def _turned(voxels: np.ndarray, codes: str) -> nibabel.Nifti1Image:
    """A RAS volume, stored along other axes."""
    image = nibabel.Nifti1Image(voxels, np.diag([1.0, 1.5, 2.0, 1]))
    to = orientations.axcodes2ornt(codes)
    return image.as_reoriented(
        orientations.ornt_transform(orientations.axcodes2ornt("RAS"), to)
    )


_STORED = [
    "".join(letters)
    for pairs in itertools.permutations(("RL", "AP", "SI"))
    for letters in itertools.product(*pairs)
]


@pytest.mark.parametrize("codes", _STORED)
def test_every_way_of_storing_shows_the_same(tmp_path, codes):
    right, front, head = np.indices((4, 5, 6), np.uint8)
    image = _turned(right * 40 + front * 7 + head, codes)
    assert "".join(nibabel.aff2axcodes(image.affine)) == codes
    path = tmp_path / "volume.nii"
    nibabel.save(image, path)
    for plane, (count, height, width, spacing) in {
        "sagittal": (4, 6, 5, (2, 1.5)),
        "coronal": (5, 6, 4, (2, 1)),
        "axial": (6, 5, 4, (1.5, 1)),
    }.items():
        data = _config(slice_axis=plane)
        header, wanted = nifti.probe(path, data)
        assert header == (np.uint8, height, width)
        assert list(wanted) == list(range(count))
        for number in wanted:
            frame = nifti.read(path, number, data)
            assert frame.spacing == spacing
            row, column = np.indices((height, width))
            # By the radiological convention, written out.
            at = {
                "sagittal": (number, 4 - column, 5 - row),
                "coronal": (3 - column, number, 5 - row),
                "axial": (3 - column, 4 - row, number),
            }[plane]
            expected = at[0] * 40 + at[1] * 7 + at[2]
            np.testing.assert_allclose(
                frame.unit[..., 0] * 255, expected, atol=1e-4
            )


@pytest.mark.parametrize("plane", ["sagittal", "coronal", "axial"])
def test_a_real_volume_against_nibabel(plane):
    path = _SHIPPED / "anatomical.nii"
    volume = nibabel.as_closest_canonical(nibabel.load(path)).get_fdata()
    data = _config(slice_axis=plane, window=(8000.0, 10000.0))
    for number in (0, 11, volume.shape[_AXES[plane]] - 1):
        shown = nifti.read(path, number, data)
        taken = np.rot90(volume.take(number, _AXES[plane]))
        expected = np.clip((taken[:, ::-1] - 3000) / 10000, 0, 1)
        np.testing.assert_allclose(shown.unit[..., 0], expected, atol=1e-6)
        assert shown.ends == (3000, 13000)


def test_slope_window_and_packing_of_a_file(tmp_path):
    stored = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    for kind, name in (
        (nibabel.Nifti1Image, "a.nii"),
        (nibabel.Nifti1Image, "b.nii.gz"),
        (nibabel.Nifti2Image, "c.nii.gz"),
    ):
        image = kind(stored, np.eye(4))
        image.header["cal_min"], image.header["cal_max"] = 105, 125
        head = bytearray(image.to_bytes())
        # scl_slope and scl_inter, where the formats have them.
        first = kind is nibabel.Nifti1Image
        struct.pack_into(
            *("<ff" if first else "<dd", head, 112 if first else 176, 0.5, 100)
        )
        packed = gzip.compress(head) if ".gz" in name else bytes(head)
        (tmp_path / name).write_bytes(packed)
        # Told by content, not by name.
        path = (tmp_path / name).rename(tmp_path / f"{name[0]}.png")
        assert files.kind(path) == "nifti"
        frame = nifti.read(path, 2, _config())
        values = (stored * 0.5 + 100)[::-1, ::-1, 2].T
        expected = np.clip((values - 105) / 20, 0, 1)
        np.testing.assert_allclose(frame.unit[..., 0], expected, atol=1e-6)
        assert frame.ends == (105, 125)
        ranged = nifti.read(path, 2, _config(intensity_range=(0.0, 200.0)))
        np.testing.assert_allclose(ranged.unit[..., 0], values / 200, atol=1e-6)


def test_flat_voxels_keep_the_shape_of_the_body():
    """4 x 5 x 7 voxels of 1 x 3 x 2 mm."""
    path = _SHIPPED / "standard.nii.gz"
    sample = files.read(path, 1, _config(slice_axis="sagittal"))
    # 7 slices of 2 mm are 14 mm high, 5 of 3 mm are 15 mm wide.
    assert sample.size == (7, round(5 * 1.5))
    # So 15 of the 16 rows of the square, and all columns.
    rows = np.flatnonzero(sample.image[..., 0].any(axis=1))
    assert sample.image.shape == (16, 16, 1)
    assert len(rows) == round(16 * 7 / 8)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ((0.0, 1.0), range(20)),
        ((0.25, 0.75), range(5, 15)),
        ((3, 6), range(3, 6)),
        ((15, 99), range(15, 20)),
    ],
)
def test_slice_ranges(tmp_path, wanted, expected):
    path = _save(tmp_path / "a.nii", np.zeros((2, 20, 3), np.uint8))
    data = _config(slice_axis="coronal", slice_range=wanted)
    contents = files.probe(path, data)
    assert list(contents.frames) == list(expected)
    assert contents.marks[0] == f"-s{expected[0]:04d}"


def _refused(path, reason, **data):
    with pytest.raises(formats.FormatError, match=reason) as caught:
        files.probe(path, _config(**data))
        files.read(path, 1, _config(**data))
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("example4d.nii.gz", "save one volume"),
        ("nifti1.hdr", "half of a pair"),
        ("nifti2.hdr", "half of a pair"),
        ("anatomical.nii", "set data.window"),
        ("row_major.dconn.nii", "save one volume"),
    ],
)
def test_real_files_that_cannot_be_used(name, reason):
    _refused(_SHIPPED / name, reason)


def test_made_files_that_cannot_be_used(tmp_path):
    path = tmp_path / "a.nii"
    volume = np.zeros((4, 4, 4), np.float32)
    volume[1:, 1:, 1:] = np.nan
    _refused(_save(path, volume), "NaN", window=(0.5, 1.0))
    _save(path, np.zeros((4, 4, 4), np.complex64))
    _refused(path, "holds complex64")
    image = nibabel.Nifti1Image(np.zeros((4, 4, 4), np.uint8), None)
    nibabel.save(image, path)
    _refused(path, "which side is left")
    _save(path, np.zeros((4, 4, 4), np.uint8))
    _refused(path, "none of them in data.slice_range", slice_range=(4, 9))
    with pytest.raises(formats.FormatError, match="slices 0 to 3, no 4"):
        files.read(path, 4, _config())


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_huge_and_truncated_volumes(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    voxels = np.random.default_rng(0).integers(0, 255, (16, 16, 16), np.uint8)
    _save(path, voxels)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    _refused(path, "cannot be read as an image")
    head = bytearray(gzip.decompress(whole) if ".gz" in suffix else whole)
    # dim, of NIfTI-1: the number of axes, then their lengths.
    head[40:56] = struct.pack("<8h", 3, 30000, 30000, 30000, 1, 1, 1, 1)
    path.write_bytes(gzip.compress(head) if ".gz" in suffix else head)
    _refused(path, "claims 30000 x 30000 x 30000 voxels")


@pytest.mark.parametrize(
    ("kind", "place", "layout"),
    [(nibabel.Nifti1Image, 108, "f"), (nibabel.Nifti2Image, 168, "q")],
)
@pytest.mark.parametrize("order", "<>")
def test_headers_without_end(tmp_path, kind, place, layout, order):
    path = tmp_path / "a.nii"
    header = kind.header_class(endianness=order)
    image = kind(np.zeros((4, 4, 4), np.uint8), np.eye(4), header)
    head = bytearray(image.to_bytes())
    path.write_bytes(head)
    assert len(files.probe(path, _config()).frames) == 4
    struct.pack_into(order + layout, head, place, 2**30)
    path.write_bytes(head)
    _refused(path, r"voxels begin at 1\.07374e\+09")


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_a_changed_file_is_read_again(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    for value in (10, 200):
        _save(path, np.full((4, 4, 4), value, np.uint8))
        unit = nifti.read(path, 0, _config()).unit
        np.testing.assert_allclose(unit, value / 255, atol=1e-6)


def test_a_missing_package_is_told(tmp_path, monkeypatch):
    path = _save(tmp_path / "a.nii", np.zeros((4, 4, 4), np.uint8))
    monkeypatch.setitem(sys.modules, "nibabel", None)
    _refused(path, "pip install nibabel")

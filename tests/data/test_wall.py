"""Bad input, one kind a line: refused with a reason that people understand.

Where nothing is wrong but the looks, it is read all the same.
"""

import gzip
import io
import lzma
import os
import pickle
import struct
import tracemalloc
import zipfile
import zlib
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import tifffile
from PIL import Image

from jaxstyle import config as config_lib
from jaxstyle.config import DataConfig
from jaxstyle.data import files, folder, formats, npz
from jaxstyle.data.problems import DataError
from tests.data import dicoms, images

MIB = 2**20
# What a refusal may take: no part of what is claimed.
MEMORY = 24 * MIB


_ZEROS = zlib.compress(bytes(2**27))


class _Bomb:
    """Unpickling it writes a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, (str(self._path), "w"))


# --- pictures


def _huge_png(path: Path) -> None:
    head = struct.pack(">IIBBBBB", 30000, 30000, 8, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + images.chunk(b"IHDR", head)
        + images.chunk(b"IDAT", zlib.compress(bytes(2**22)))
        + images.chunk(b"IEND", b"")
    )


def _huge_jpeg(path: Path) -> None:
    Image.new("L", (8, 8)).save(path, "JPEG")
    data = bytearray(path.read_bytes())
    # Start of a baseline frame: length, bits, height, width.
    place = data.index(b"\xff\xc0") + 5
    struct.pack_into(">HH", data, place, 9999, 9999)
    path.write_bytes(data)


def _tiff_of(bomb: bytes, compression: int, **tags: int) -> Any:
    """A 4 x 4 TIFF whose only strip or tile is `bomb`."""

    def write(path: Path) -> None:
        tiled = {"tile": (16, 16)} if "TileWidth" in tags else {}
        tifffile.imwrite(path, np.zeros((4, 4), np.uint8), **tiled)
        start = path.stat().st_size
        path.write_bytes(path.read_bytes() + bomb)
        kind = "Tile" if tiled else "Strip"
        values = {
            "Compression": compression,
            f"{kind}Offsets": start,
            f"{kind}ByteCounts": len(bomb),
            **tags,
        }
        with tifffile.TiffFile(path, mode="r+b") as tiff:
            for name, value in values.items():
                tiff.pages[0].tags[name].overwrite(value)

    return write


def _float_tiff(value: float) -> Any:
    def write(path: Path) -> None:
        pixels = np.full((8, 8), 0.5, np.float32)
        pixels[3, 4] = value
        tifffile.imwrite(path, pixels)

    return write


def _text(path: Path) -> None:
    path.write_text("The patient's name is no image.\n" * 20)


def _folder(path: Path) -> None:
    path.mkdir()


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _loop(path: Path) -> None:
    path.symlink_to(path)


# --- DICOM


def _dicom(**values: Any) -> Any:
    def write(path: Path) -> None:
        stored = np.full((4, 4), 9, np.uint16)
        dicoms.save(path, dicoms.made(stored, **values))

    return write


def _dicom_of_a_large_jpeg(path: Path) -> None:
    import pydicom

    image = dicoms.made(np.zeros((4, 4), np.uint8))
    packed = io.BytesIO()
    Image.new("L", (9000, 9000)).save(packed, "JPEG")
    image.PixelData = pydicom.encaps.encapsulate([packed.getvalue()])
    image["PixelData"].VR = "OB"
    image.file_meta.TransferSyntaxUID = pydicom.uid.JPEGBaseline8Bit
    dicoms.save(path, image)


# --- NIfTI


def _volume(change: Any, packed: bool = True, **head: Any) -> Any:
    def write(path: Path) -> None:
        image = nibabel.Nifti1Image(np.zeros((4, 4, 4), np.float32), np.eye(4))
        for name, value in head.items():
            image.header[name] = value
        data = change(bytearray(image.to_bytes()))
        path.write_bytes(gzip.compress(data, 1) if packed else data)

    return write


def _dimensions(data: bytearray) -> bytearray:
    struct.pack_into("<8h", data, 40, 3, 32767, 32767, 32767, 1, 1, 1, 1)
    return data


def _extension_without_end(data: bytearray) -> bytearray:
    """It claims more than lies between the header and the voxels."""
    struct.pack_into("<f", data, 108, 2**20)
    extension = struct.pack("<4B2i", 1, 0, 0, 0, 2**30, 6)
    return data[:348] + extension + bytearray(2**27)


def _vast_affine(data: bytearray) -> bytearray:
    struct.pack_into("<4f", data, 280, 1e30, 0, 0, 0)
    return data


def _nan_voxels(data: bytearray) -> bytearray:
    return data[:352] + np.full(64, np.nan, "<f4").tobytes()


WALL = [
    ("a.png", _huge_png, "claims 30000 x 30000 pixels"),
    ("a.jpg", _huge_jpeg, "claims 9999 x 9999 pixels"),
    (
        "a.tif",
        _tiff_of(_ZEROS, 8),
        "unpacks to more pixels",
    ),
    (
        "a.tif",
        _tiff_of(_ZEROS, 8, TileWidth=65520, TileLength=65520),
        "claims 65520 x 65520 pixels",
    ),
    ("a.tif", _tiff_of(b"", 1, SamplesPerPixel=60000), "has 60000 channels"),
    ("a.tif", _float_tiff(np.nan), "NaN or infinite"),
    ("a.tif", _float_tiff(np.inf), "NaN or infinite"),
    ("a.png", _text, "no PNG, JPEG or TIFF"),
    ("a.dcm", _text, "no PNG, JPEG or TIFF"),
    ("a.nii.gz", _text, "no PNG, JPEG or TIFF"),
    ("a.png", Path.touch, "no PNG, JPEG or TIFF"),
    ("a.dcm", Path.touch, "no PNG, JPEG or TIFF"),
    ("a.png", _folder, "is a folder"),
    ("a.png", _pipe, "is no file"),
    ("a.png", _loop, "does not exist|cannot be read"),
    ("a.dcm", _dicom(Rows=65535, Columns=65535), "claims 65535 x 65535"),
    ("a.dcm", _dicom(NumberOfFrames=2**31 - 1), "claims 2147483647 frames"),
    ("a.dcm", _dicom_of_a_large_jpeg, "its packed data 9000 x 9000"),
    ("a.dcm", _dicom(WindowCenter="0", WindowWidth="1e999"), "width inf"),
    ("a.dcm", _dicom(WindowCenter="1e300", WindowWidth="2"), "centre 1e[+]300"),
    ("a.dcm", _dicom(PixelSpacing=["1e-30", "1"]), "1e-30 high and 1 wide"),
    ("a.nii.gz", _volume(_dimensions), "claims 32767 x 32767 x 32767"),
    ("a.nii", _volume(_dimensions, packed=False), "claims 32767 x 32767"),
    # The volume is as it should be; what follows is never unpacked.
    ("a.nii.gz", _volume(_extension_without_end), "set data.window"),
    ("a.nii.gz", _volume(_nan_voxels, cal_max=1), "NaN or infinite"),
    ("a.nii", _volume(bytes, False, cal_max=np.inf), "inf for white"),
    ("a.nii", _volume(_vast_affine, False), "affine"),
]


@pytest.mark.parametrize(
    ("name", "write", "reason"),
    WALL,
    ids=[f"{number}-{case[0]}" for number, case in enumerate(WALL)],
)
def test_bad_files_are_refused_in_little_memory(tmp_path, name, write, reason):
    path = tmp_path / name
    write(path)
    data = DataConfig(resolution=8, channels=1)
    tracemalloc.start()
    try:
        with pytest.raises(formats.FormatError, match=reason) as caught:
            files.probe(path, data)
            files.read(path, 0, data)
        assert tracemalloc.get_traced_memory()[1] < MEMORY
    finally:
        tracemalloc.stop()
    assert str(path) in str(caught.value)
    # What is written down names nobody.
    assert name not in caught.value.reason


def test_a_bomb_is_unpacked_no_farther_than_its_image(tmp_path):
    path = tmp_path / "a.tif"
    # What compression 34925 packs, tifffile would unpack whole.
    _tiff_of(lzma.compress(bytes(2**26)), 34925)(path)
    tracemalloc.start()
    assert not formats.read(path).any()
    assert tracemalloc.get_traced_memory()[1] < MEMORY
    tracemalloc.stop()


def test_a_name_cannot_forge_a_line_of_the_log(tmp_path):
    path = tmp_path / "a\n12:00 all is well \x1b[2J\udcff.png"
    path.write_bytes(b"no image")
    with pytest.raises(formats.FormatError) as caught:
        files.read(path, 0, DataConfig())
    assert str(caught.value).isprintable()


def test_content_decides_and_not_the_suffix(tmp_path):
    """A JPEG that is called PNG, and all others, crosswise."""
    pixels = images.random_pixels(8, 8)
    data = DataConfig(resolution=8, channels=1)
    for kind, name in (("JPEG", "a.png"), ("PNG", "a.tif"), ("TIFF", "a.jpg")):
        Image.fromarray(pixels).save(tmp_path / name, kind)
        image = files.read(tmp_path / name, 0, data).image
        loss = 60 if kind == "JPEG" else 1e-4
        np.testing.assert_allclose(image[..., 0] * 255, pixels, atol=loss)
    dicoms.save(tmp_path / "a.nii", dicoms.made(pixels))
    image = files.read(tmp_path / "a.nii", 0, data).image
    np.testing.assert_allclose(image[..., 0] * 255, pixels, atol=1e-4)


# --- arrays


def _arrays(**changes: Any) -> dict[str, np.ndarray]:
    return {
        "image": images.random_pixels(12, 8, 8),
        "label": np.arange(12) % 2,
        "split": np.repeat(["train", "val", "test"], 4),
    } | changes


def _saved(**changes: Any) -> Any:
    return lambda path: np.savez_compressed(path, **_arrays(**changes))


def _pickled(path: Path) -> None:
    bomb = np.array([_Bomb(path.with_name("written"))] * 12, object)
    np.savez(path, **_arrays(label=bomb), allow_pickle=True)


def _bare_pickle(path: Path) -> None:
    path.write_bytes(pickle.dumps(_Bomb(path.with_name("written"))))


def _zip_bomb(path: Path) -> None:
    _saved(image=np.zeros((12, 4096, 4096), np.uint8))(path)


def _claiming(path: Path) -> None:
    """Its header claims 8 TB, of which there is nothing."""
    np.savez(path, **_arrays())
    head = io.BytesIO()
    told = {
        "descr": "<f8",
        "fortran_order": False,
        "shape": (10**6, 1000, 1000),
    }
    np.lib.format.write_array_header_1_0(head, told)
    with zipfile.ZipFile(path) as file:
        members = {name: file.read(name) for name in file.namelist()}
    members["image.npy"] = head.getvalue()
    with zipfile.ZipFile(path, "w") as file:
        for name, value in members.items():
            file.writestr(name, value)


def _locked(path: Path) -> None:
    """One that says that it is encrypted."""
    np.savez(path, **_arrays())
    data = bytearray(path.read_bytes())
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + place] |= 1
    path.write_bytes(data)


def _nan(value: float) -> Any:
    pixels = np.zeros((12, 8, 8))
    pixels[5, 1, 1] = value
    return _saved(image=pixels)


ARRAYS = [
    (_pickled, "not an npz file of plain arrays"),
    (_bare_pickle, "not an npz file of plain arrays"),
    (_zip_bomb, "image.npy unpacks from .* to 201326720 bytes"),
    (_claiming, "image.npy claims 8000000000000 bytes and has fewer"),
    (_locked, "not an npz file of plain arrays"),
    (_nan(np.nan), "row 5: image has pixels that are NaN"),
    (_nan(-np.inf), "row 5: image has pixels that are NaN"),
    (_saved(label=np.full(12, 2**40)), "label has 1099511627776"),
    (_saved(patient=np.full(12, b"\xff")), "damaged text"),
    (Path.touch, "not an npz file of plain arrays"),
    (_text, "not an npz file of plain arrays"),
]


@pytest.mark.parametrize(("write", "reason"), ARRAYS)
def test_bad_arrays_are_refused_in_little_memory(tmp_path, write, reason):
    path = tmp_path / "a.npz"
    write(path)
    data = DataConfig(source="npz", path=str(path), resolution=8, channels=1)
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=reason) as caught:
            npz.open_source(config_lib.Config(data=data))
        assert tracemalloc.get_traced_memory()[1] < MEMORY
    finally:
        tracemalloc.stop()
    assert str(path) in str(caught.value)
    assert not (tmp_path / "written").exists()


# --- manifests


def _lines(*lines: str, header: str = "path,label") -> bytes:
    return "\n".join([header, *lines, ""]).encode()


ROW = "image00.png,0"
MANIFESTS = [
    (_lines("../image00.png,0"), "row 2: ../image00.png: give a path inside"),
    (_lines("sub/../../x.png,0"), "row 2: .*give a path inside"),
    (_lines("/etc/passwd,0"), "row 2: /etc/passwd: give a path inside"),
    (_lines("C:\\x.png,0"), "row 2: .*give a path inside"),
    (_lines("out.png,0"), "row 2: out.png: is a link that leads out"),
    (_lines("outside/image00.png,0"), "row 2: .*is a link that leads out"),
    (_lines("loop.png,0"), "row 2: loop.png: the file does not exist"),
    (_lines("x.png,0"), "row 2: x.png: the file does not exist"),
    (_lines(f"{'x' * 300}.png,0"), "row 2: x*.png: the file does not exist"),
    (_lines("image\0.png,0"), "row 2: .*give a path inside"),
    (b"path,label\nimage\xff.png,0\n", "not a CSV file in UTF-8"),
    ("path,label\nimage00.png,0\n".encode("utf-16"), "not a CSV file in UTF"),
    (_lines(f'"{"x" * 10**6}",0'), "field larger than field limit"),
    (_lines('"image00.png,0'), "not a CSV file in UTF-8"),
    (
        _lines(f"{ROW},a", f"{ROW[:6]}1.png,0,a", header="path,label,id"),
        "id 'a'",
    ),
    (_lines(ROW, ROW), "path 'image00.png' is already in row 2"),
    (_lines("image00.png," + "9" * 5000), "is not an integer"),
    (ROW.encode(), "has no column 'path'"),
    (b"", "has no column 'path'"),
    (b"\x89PNG\r\n\x1a\n\xff", "not a CSV file in UTF-8"),
]


@pytest.mark.parametrize(("text", "reason"), MANIFESTS)
def test_bad_manifests_are_refused(tmp_path, text, reason):
    inside, outside = tmp_path / "in", tmp_path / "elsewhere"
    images.write_folder(inside)
    images.write_folder(outside)
    (inside / "out.png").symlink_to(outside / "image00.png")
    (inside / "outside").symlink_to(outside)
    (inside / "loop.png").symlink_to(inside / "loop.png")
    (inside / "x.png").mkdir()
    manifest = inside / "manifest.csv"
    manifest.write_bytes(text)
    with pytest.raises(DataError, match=reason) as caught:
        folder.open_source(images.folder_config(manifest))
    assert str(manifest) in str(caught.value)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_tables_of_other_programs_are_read(tmp_path, mark, end):
    rows = [row[:2] for row in images.write_folder(tmp_path)]
    lines = ["path,label", *(",".join(row) for row in rows), "", ""]
    path = tmp_path / "manifest.csv"
    path.write_bytes((mark + end.join(lines)).encode())
    source = folder.open_source(images.folder_config(path))
    assert [entry.label for entry in source.entries] == [
        int(row[1]) for row in rows
    ]


def test_markup_does_not_reach_ids(tmp_path):
    """They become names of files, and stand on the page."""
    rows = images.write_folder(tmp_path)
    names = ['<script>alert("1")<script>.png', "a&b'c.png", "..hidden.png"]
    for row, name in zip(rows, names, strict=False):
        (tmp_path / row[0]).rename(tmp_path / name)
        row[0] = f'"{name.replace(chr(34), chr(34) * 2)}"'
    manifest = images.write_manifest(tmp_path, "path,label,patient", rows)
    source = folder.open_source(images.folder_config(manifest))
    assert [entry.id for entry in source.entries[:3]] == [
        *("_script_alert_1_script_", "a_b_c", "hidden"),
    ]

import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from jaxstyle.data import formats
from tests.data import images


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_tiff_round_trip(tmp_path, dtype, channels, compression):
    pixels = images.random_pixels(7, 5, channels, dtype=dtype)
    path = tmp_path / "image.tif"
    tifffile.imwrite(
        path,
        pixels if channels == 3 else pixels[..., 0],
        photometric="rgb" if channels == 3 else "minisblack",
        compression=compression,
        predictor=compression is not None,
    )
    read = formats.read(path)
    assert read.dtype == dtype
    np.testing.assert_array_equal(read, pixels)
    assert formats.probe(path) == (np.dtype(dtype), 7, 5)


def test_tiff_with_separate_planes(tmp_path):
    pixels = images.random_pixels(7, 5, 3, dtype=np.uint16)
    path = tmp_path / "image.tif"
    tifffile.imwrite(
        path,
        np.moveaxis(pixels, -1, 0),
        photometric="rgb",
        planarconfig="separate",
    )
    np.testing.assert_array_equal(formats.read(path), pixels)


@pytest.mark.parametrize("dtype", [np.int16, np.float32, np.uint32])
def test_tiff_of_other_numbers(tmp_path, dtype):
    pixels = np.array([[0, 1, 2], [30000, 4, 5]], dtype)
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, pixels)
    read = formats.read(path)
    assert read.dtype == dtype
    np.testing.assert_array_equal(read[..., 0], pixels)


def test_tiff_where_white_is_zero(tmp_path):
    pixels = images.random_pixels(4, 5, dtype=np.uint16)
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, pixels, photometric="miniswhite")
    np.testing.assert_array_equal(formats.read(path)[..., 0], 65535 - pixels)


@pytest.mark.parametrize("extra", ["unassalpha", "assocalpha"])
def test_tiff_alpha(tmp_path, extra):
    pixels = images.random_pixels(4, 5, 4, dtype=np.uint16)
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, pixels, photometric="rgb", extrasamples=[extra])
    expected = pixels[..., :3].astype(np.float64)
    if extra == "unassalpha":
        expected = np.rint(expected * pixels[..., 3:] / 65535)
    np.testing.assert_array_equal(formats.read(path), expected)


def test_tiff_palette_and_one_bit(tmp_path):
    colours = images.random_pixels(3, 256, seed=1)
    numbers = images.random_pixels(4, 5)
    path = tmp_path / "palette.tif"
    tifffile.imwrite(
        path,
        numbers,
        photometric="palette",
        colormap=colours.astype(np.uint16) * 257,
    )
    np.testing.assert_array_equal(formats.read(path), colours.T[numbers])
    bits = numbers > 127
    tifffile.imwrite(tmp_path / "bits.tif", bits, photometric="minisblack")
    np.testing.assert_array_equal(
        formats.read(tmp_path / "bits.tif")[..., 0], bits * 255
    )


@pytest.mark.parametrize("mode", ["L", "RGB", "I;16"])
def test_lzw_tiff_goes_through_pillow(tmp_path, mode):
    dtype = np.uint16 if mode == "I;16" else np.uint8
    channels = 3 if mode == "RGB" else 1
    pixels = images.random_pixels(6, 5, channels, dtype=dtype)
    path = tmp_path / "image.tif"
    squeezed = pixels if channels == 3 else pixels[..., 0]
    Image.fromarray(squeezed).save(path, compression="tiff_lzw")
    np.testing.assert_array_equal(formats.read(path), pixels)


@pytest.mark.parametrize("samples", [1, 2, 3, 4])
@pytest.mark.parametrize("filters", [[0], [1], [2], [3], [4], [4, 2, 0, 3, 1]])
def test_16_bit_png_with_every_filter(tmp_path, samples, filters):
    pixels = images.random_pixels(9, 6, samples, dtype=np.uint16)
    path = tmp_path / "image.png"
    images.save_png16(path, pixels, filters)
    expected = pixels
    if samples in (2, 4):
        share = pixels[..., -1:] / 65535
        expected = np.rint(pixels[..., :-1] * share)
    read = formats.read(path)
    assert read.dtype == np.uint16
    np.testing.assert_array_equal(read, expected)
    assert formats.probe(path) == (np.dtype(np.uint16), 9, 6)


def test_ties_of_the_paeth_filter(tmp_path):
    # Four values only, so that neighbours are often equally near.
    pixels = images.random_pixels(20, 20, 3, dtype=np.uint16) % np.uint16(4)
    path = tmp_path / "image.png"
    images.save_png16(path, pixels, [4])
    np.testing.assert_array_equal(formats.read(path), pixels)


def test_16_bit_png_by_pillow(tmp_path):
    pixels = images.random_pixels(9, 6, dtype=np.uint16)
    Image.fromarray(pixels).save(tmp_path / "image.png")
    np.testing.assert_array_equal(
        formats.read(tmp_path / "image.png")[..., 0], pixels
    )


@pytest.mark.parametrize("mode", ["L", "RGB", "LA", "RGBA", "1", "P"])
def test_8_bit_png(tmp_path, mode):
    pixels = images.random_pixels(6, 5, 4)
    image = Image.fromarray(pixels)
    if mode == "P":
        image = Image.fromarray(pixels[..., :3]).quantize(16)
    elif mode == "1":
        image = Image.fromarray(pixels[..., 0] > 127)
    else:
        image = image.convert(mode)
    path = tmp_path / "image.png"
    image.save(path)
    values = np.asarray(image.convert("RGB") if mode == "P" else image)
    expected = {
        "L": lambda: values[..., None],
        "1": lambda: values[..., None] * 255,
        "RGB": lambda: values,
        "P": lambda: values,
        "LA": lambda: np.rint(values[..., :1] * (values[..., 1:] / 255)),
        "RGBA": lambda: np.rint(values[..., :3] * (values[..., 3:] / 255)),
    }[mode]()
    np.testing.assert_array_equal(formats.read(path), expected)


def test_transparent_palette_colour_becomes_black(tmp_path):
    image = Image.fromarray(np.array([[0, 1], [1, 0]], np.uint8), "P")
    image.putpalette([200, 100, 50, 10, 20, 30])
    image.save(tmp_path / "image.png", transparency=0)
    black, colour = [0, 0, 0], [10, 20, 30]
    np.testing.assert_array_equal(
        formats.read(tmp_path / "image.png"),
        [[black, colour], [colour, black]],
    )


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_tag_turns_the_image_upright(tmp_path, orientation):
    pixels = images.random_pixels(16, 8)
    exif = Image.Exif()
    exif[274] = orientation
    path = tmp_path / "image.jpg"
    Image.fromarray(pixels).save(path, exif=exif, quality=100)
    with Image.open(path) as image:
        expected = np.asarray(ImageOps.exif_transpose(image))
    np.testing.assert_array_equal(formats.read(path)[..., 0], expected)
    tifffile.imwrite(
        tmp_path / "image.tif",
        np.asarray(Image.open(path)),
        extratags=[(274, "H", 1, orientation, True)],
    )
    np.testing.assert_array_equal(
        formats.read(tmp_path / "image.tif")[..., 0], expected
    )


def _cmyk(path: Path) -> None:
    Image.new("CMYK", (4, 4)).save(path, "JPEG")


def _stack(path: Path) -> None:
    tifffile.imwrite(path, np.zeros((3, 4, 4), np.uint8), photometric=0)


def _bitmap(path: Path) -> None:
    Image.new("L", (4, 4)).save(path, "BMP")


def _cut(path: Path, kind: str) -> None:
    pixels = images.random_pixels(64, 64)
    Image.fromarray(pixels).save(path, kind)
    path.write_bytes(path.read_bytes()[:-1000])


def _cut_png16(path: Path) -> None:
    pixels = images.random_pixels(8, 8, 3, dtype=np.uint16)
    images.save_png16(path, pixels, [0])
    path.write_bytes(path.read_bytes()[:-40])


def _many_channels(path: Path) -> None:
    tifffile.imwrite(
        path,
        np.zeros((4, 4, 6), np.uint8),
        photometric="minisblack",
        planarconfig="contig",
    )


def _packed_rgb16(path: Path) -> None:
    # LZW (5) as the compression tag (259), whatever the data.
    tifffile.imwrite(path, np.zeros((4, 4, 3), np.uint16), photometric="rgb")
    with tifffile.TiffFile(path, mode="r+b") as tiff:
        tiff.pages[0].tags[259].overwrite(5)


@pytest.mark.parametrize(
    ("write", "reason"),
    [
        (_cmyk, "is CMYK"),
        (_stack, "holds 3 images"),
        (_bitmap, "is no PNG, JPEG or TIFF"),
        (lambda path: _cut(path, "PNG"), "cannot be read"),
        (lambda path: _cut(path, "JPEG"), "cannot be read"),
        (lambda path: _cut(path, "TIFF"), "truncated"),
        (_cut_png16, "truncated"),
        (lambda path: path.write_bytes(b""), "is no PNG, JPEG or TIFF"),
        (lambda path: None, "does not exist"),
        (_many_channels, "channels"),
        (_packed_rgb16, "LZW"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path, write, reason):
    path = tmp_path / "some image.bin"
    write(path)
    with pytest.raises(formats.FormatError, match=reason) as error:
        formats.read(path)
    assert str(path) in str(error.value)


def _claiming(path: Path, height: int, width: int, bits: int) -> None:
    """A PNG of 2 x 2 pixels that claims to be larger."""
    head = struct.pack(">IIBBBBB", width, height, bits, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + images.chunk(b"IHDR", head)
        + images.chunk(b"IDAT", zlib.compress(bytes(26)))
        + images.chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("read", [formats.probe, formats.read])
def test_more_pixels_than_the_limit_are_refused(tmp_path, bits, read):
    path = tmp_path / "image.png"
    _claiming(path, 8192, 8193, bits)
    with pytest.raises(formats.FormatError, match="claims 8192 x 8193 pixels"):
        read(path)
    # Beyond what Pillow warns of, and what it refuses.
    for side in (10_000, 100_000):
        _claiming(path, side, side, bits)
        with pytest.raises(formats.FormatError, match=r"exceeds|claims"):
            read(path)


def test_a_tiff_beyond_the_limit_is_refused(tmp_path):
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, np.zeros((4, 4), np.uint8))
    with tifffile.TiffFile(path, mode="r+b") as tiff:
        tiff.pages[0].tags["ImageWidth"].overwrite(2**30)
    with pytest.raises(formats.FormatError, match="claims 4 x 1073741824"):
        formats.probe(path)


def test_a_png_that_unpacks_to_too_much_is_refused(tmp_path):
    """And no more than its header says is ever unpacked."""
    path = tmp_path / "image.png"
    head = struct.pack(">IIBBBBB", 2, 2, 16, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + images.chunk(b"IHDR", head)
        + images.chunk(b"IDAT", zlib.compress(bytes(2**27)))
        + images.chunk(b"IEND", b"")
    )
    tracemalloc.start()
    with pytest.raises(formats.FormatError, match="too few or too many"):
        formats.read(path)
    assert tracemalloc.get_traced_memory()[1] < 2**22
    tracemalloc.stop()


def test_a_tiff_that_unpacks_to_too_much_is_refused(tmp_path):
    path = tmp_path / "image.tif"
    pixels = images.random_pixels(4, 4)
    tifffile.imwrite(path, pixels, compression="zlib", tile=(16, 16))
    np.testing.assert_array_equal(formats.read(path)[..., 0], pixels)
    tifffile.imwrite(path, pixels, compression="zlib")
    start, bomb = path.stat().st_size, zlib.compress(bytes(2**27))
    path.write_bytes(path.read_bytes() + bomb)
    with tifffile.TiffFile(path, mode="r+b") as tiff:
        tiff.pages[0].tags["StripOffsets"].overwrite(start)
        tiff.pages[0].tags["StripByteCounts"].overwrite(len(bomb))
    tracemalloc.start()
    with pytest.raises(formats.FormatError, match="unpacks to more pixels"):
        formats.read(path)
    assert tracemalloc.get_traced_memory()[1] < 2**22
    tracemalloc.stop()

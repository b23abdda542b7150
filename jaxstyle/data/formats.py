"""Image files into arrays: PNG, JPEG and TIFF, 8 or 16 bit, grey or RGB.

TIFF also in 32 bits and floats. Alpha is composited on black, palettes
become RGB, one bit becomes 0 and 255, and pictures are turned upright as
their orientation tag says. CMYK and stacks of images are refused, and what
claims more than `MAX_PIXELS`, before it is decoded.
"""

import io
import logging
import math
import struct
import warnings
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tifffile
from PIL import Image

from jaxstyle.data import png16
from jaxstyle.data.problems import printable

_TIFF_HEADS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_ORIENTATION = 274
_GREY, _COLOUR = ("1", "L", "LA", "I;16", "I;16B", "I"), ("P", "RGB", "RGBA")

# Of a pixel of a TIFF file; few enough to name them in the refusal.
_MAX_SAMPLES = 16
# 8192 x 8192: above any radiograph, and little enough memory.
MAX_PIXELS = 2**26


# Of damaged files it tells much, and may quote them.
logging.getLogger("tifffile").setLevel(logging.CRITICAL + 1)


class FormatError(ValueError):
    """An image file cannot be used; the message names it and says why.

    Args:
      message: for people.
      reason: the same, without the file's name and anything that is in it.

    Attributes:
      reason: likewise.
    """

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason

    def at(self, place: str) -> "FormatError":
        """The same error, which tells where the file was named."""
        return FormatError(f"{place}: {self}", self.reason)


def reason(error: ValueError) -> str:
    """Why an image cannot be used, without anything that names it."""
    return error.reason if isinstance(error, FormatError) else "cannot be read"


class Header(NamedTuple):
    """What a file says about itself.

    Attributes:
      dtype: type of its pixels.
      height: in pixels, as stored.
      width: in pixels, as stored.
    """

    dtype: np.dtype
    height: int
    width: int


def probe(path: Path) -> Header:
    """Reads the header alone.

    Raises:
      FormatError: naming the file, if it is no image that `read` takes.
    """
    return guarded(_probe, path)


def read(path: Path) -> np.ndarray:
    """Reads an image file: [H, W, 1 or 3] in the file's own number type.

    Raises:
      FormatError: naming the file, if it is missing, damaged, truncated or
        of a kind that is not supported.
    """
    return guarded(_read, path)


def decode(name: str, packed: bytes) -> np.ndarray:
    """As `read`, of the bytes of a PNG or JPEG of 8 bits.

    Args:
      name: what they are called in errors.
      packed: the bytes.
    """
    return guarded(lambda _: _read_packed(io.BytesIO(packed)), name)


def guarded(function: Any, path: Path | str, *rest: Any) -> Any:
    """`function(path, *rest)`, with errors that name the file.

    Raises:
      FormatError: whatever went wrong.
    """
    name = printable(str(path))
    try:
        if isinstance(path, Path):
            _check_file(path)
        return function(path, *rest)
    except FormatError:
        raise
    except Refused as error:
        raise FormatError(f"{name} {error}", str(error)) from error
    # Decoders raise anything on damaged bytes, IndexError and SyntaxError
    # included, and a folder of thousands must not end at one such file.
    except Exception as error:
        problem = "cannot be read as an image"
        raise FormatError(
            f"{name} {problem} ({printable(str(error))})",
            f"{problem} ({type(error).__name__})",
        ) from error


def _check_file(path: Path) -> None:
    # Opening a pipe would wait for ever.
    if path.is_dir():
        raise Refused("is a folder")
    if not path.exists():
        raise Refused("does not exist")
    if not path.is_file():
        raise Refused("is no file")


class Refused(ValueError):
    """A reason that reads on after the file's name."""


def check_size(height: int, width: int) -> None:
    """Refuses what takes too much memory, or none.

    Raises:
      Refused: telling the limit.
    """
    if height < 1 or width < 1:
        raise Refused(f"claims {height} x {width} pixels")
    if height * width > MAX_PIXELS:
        raise Refused(
            f"claims {height} x {width} pixels, more than {MAX_PIXELS}; "
            "save it smaller"
        )


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        head = file.read(26)
    if png16.is_png(head):
        # Before Pillow warns of it.
        height, width = struct.unpack(">II", head[16:24])[::-1]
        check_size(height, width)
    return head


def _probe(path: Path) -> Header:
    head = _head(path)
    if head.startswith(_TIFF_HEADS):
        with tifffile.TiffFile(path) as tiff:
            page = _only_page(tiff)
            return Header(
                np.dtype(page.dtype), page.imagelength, page.imagewidth
            )
    if png16.applies_to(head):
        height, width, _ = png16.shape(head)
        return Header(np.dtype(np.uint16), height, width)
    with _open(path) as image:
        deep = image.mode.startswith("I")
        dtype = np.dtype(np.uint16 if deep else np.uint8)
        return Header(dtype, image.height, image.width)


def _read(path: Path) -> np.ndarray:
    head = _head(path)
    if head.startswith(_TIFF_HEADS):
        return _read_tiff(path)
    if png16.applies_to(head):
        pixels = png16.decode(path)
        alpha = pixels.shape[-1] in (2, 4)
        return _on_black(pixels) if alpha else pixels
    return _read_packed(path)


def _read_packed(file: Path | io.BytesIO) -> np.ndarray:
    with _open(file) as image:
        pixels = _from_pillow(image)
        return _upright(pixels, image.getexif().get(_ORIENTATION, 1))


def check_jpeg(packed: bytes, height: int, width: int) -> None:
    """Refuses a JPEG that would unpack to another size.

    Raises:
      Refused: if the size is not that which the file around it claims.
    """
    _hush_pillow()
    with Image.open(io.BytesIO(packed), formats=("JPEG",)) as image:
        if image.size != (width, height):
            raise Refused(
                f"claims {height} x {width} pixels, and its packed data "
                f"{image.height} x {image.width}"
            )


def _hush_pillow() -> None:
    # It warns of damaged metadata, and of sizes that are refused here.
    warnings.filterwarnings("ignore", module=r"PIL\.")


def _open(path: Path | io.BytesIO) -> Image.Image:
    _hush_pillow()
    try:
        image = Image.open(path, formats=("PNG", "JPEG"))
    except Image.UnidentifiedImageError:
        raise Refused("is no PNG, JPEG or TIFF image") from None
    reason = ""
    if image.mode not in (*_GREY, *_COLOUR):
        reason = f"is {image.mode}; save it as grey or RGB"
    elif image.format == "PNG" and getattr(image, "n_frames", 1) > 1:
        reason = "is an animation; save the frame that you mean"
    try:
        if reason:
            raise Refused(reason)
        check_size(image.height, image.width)
    except Refused:
        image.close()
        raise
    return image


def _from_pillow(image: Image.Image) -> np.ndarray:
    transparent = image.info.get("transparency")
    if image.mode.startswith("I"):
        # Older Pillows open 16-bit greys as 32-bit integers.
        pixels = np.array(image).astype(np.uint16)[..., None]
        if transparent is not None:
            pixels[pixels == transparent] = 0
        return pixels
    grey = image.mode in _GREY
    if transparent is not None or image.mode in ("LA", "RGBA"):
        return _on_black(np.asarray(image.convert("LA" if grey else "RGBA")))
    pixels = np.asarray(image.convert("L" if grey else "RGB"))
    return pixels[..., None] if grey else pixels


def _on_black(pixels: np.ndarray) -> np.ndarray:
    """[H, W, C + alpha] -> [H, W, C], alpha's range that of the type."""
    if np.issubdtype(pixels.dtype, np.floating):
        return pixels[..., :-1] * pixels[..., -1:]
    opaque = np.iinfo(pixels.dtype).max
    share = pixels[..., -1:] / opaque
    return np.rint(pixels[..., :-1] * share).astype(pixels.dtype)


def _upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Undoes TIFF/EXIF orientation 1 to 8 (TIFF 6.0, section 8, tag 274)."""
    if orientation >= 5:
        pixels = np.swapaxes(pixels, 0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels


def _only_page(tiff: tifffile.TiffFile) -> Any:
    if len(tiff.pages) != 1:
        raise Refused(
            f"holds {len(tiff.pages)} images; save the one that you mean"
        )
    page: Any = tiff.pages[0]
    check_size(page.imagelength, page.imagewidth)
    if page.is_tiled:
        check_size(page.tilelength, page.tilewidth)
    if page.samplesperpixel > _MAX_SAMPLES or page.imagedepth != 1:
        raise Refused(
            f"has {page.samplesperpixel} channels and {page.imagedepth} "
            "layers; save it as grey or RGB"
        )
    if page.photometric.name not in (
        *("MINISBLACK", "MINISWHITE", "RGB", "PALETTE", "YCBCR"),
    ):
        raise Refused(f"is {page.photometric.name}; save it as grey or RGB")
    if page.bitspersample not in (1, 8, 16, 32, 64):
        raise Refused(
            f"has {page.bitspersample} bits a sample; save it in 8 or 16"
        )
    size = tiff.filehandle.size
    ends = zip(page.dataoffsets, page.databytecounts, strict=True)
    if any(start + count > size for start, count in ends):
        raise Refused("is truncated")
    return page


def _read_tiff(path: Path) -> np.ndarray:
    with tifffile.TiffFile(path) as tiff:
        page = _only_page(tiff)
        kind = page.photometric.name
        # tifffile unpacks these two to whatever comes of them.
        if kind == "YCBCR" or page.compression.name in ("LZMA", "ZSTD"):
            return _tiff_by_pillow(path, page)
        _check_deflated(tiff, page)
        try:
            pixels = page.asarray()
        except ValueError as error:
            # tifffile unpacks LZW and JPEG only with imagecodecs; Pillow
            # does so in 8 bits.
            if "imagecodecs" not in str(error):
                raise
            return _tiff_by_pillow(path, page)
        if "S" in page.axes:
            pixels = np.moveaxis(pixels, page.axes.index("S"), -1)
        else:
            pixels = pixels[..., None]
        tag = page.tags.get(_ORIENTATION)
        pixels = _tiff_colours(pixels, page, kind)
        return _upright(pixels, int(tag.value) if tag else 1)


def _check_deflated(tiff: tifffile.TiffFile, page: Any) -> None:
    """Refuses packed data of which a part is larger than the whole image.

    tifffile unpacks each part at once, whatever comes of it.
    """
    if page.compression.name not in ("DEFLATE", "ADOBE_DEFLATE"):
        return
    # Tiles may be larger than the image.
    pixels = max(math.prod(page.shape), math.prod(page.chunks))
    limit = pixels * page.dtype.itemsize
    for start, count in zip(page.dataoffsets, page.databytecounts, strict=True):
        tiff.filehandle.seek(start)
        packed = tiff.filehandle.read(count)
        unpacked = zlib.decompressobj().decompress(packed, limit + 1)
        if len(unpacked) > limit:
            raise Refused("unpacks to more pixels than it claims")


def _tiff_colours(pixels: np.ndarray, page: Any, kind: str) -> np.ndarray:
    if pixels.dtype == np.bool_:
        pixels = pixels.astype(np.uint8) * np.uint8(255)
    if kind == "PALETTE":
        # The map is uint16 [3, entries].
        return (page.colormap.T[pixels[..., 0]] >> 8).astype(np.uint8)
    if kind == "MINISWHITE":
        if not np.issubdtype(pixels.dtype, np.unsignedinteger):
            raise Refused(f"is {pixels.dtype} with white as its minimum")
        pixels = np.iinfo(pixels.dtype).max - pixels
    colours = 3 if kind == "RGB" else 1
    extra = tuple(int(value) for value in page.extrasamples)
    if pixels.shape[-1] == colours:
        return pixels
    # 1: alpha already multiplied into the colours; 2: not yet.
    if pixels.shape[-1] != colours + 1 or extra not in ((1,), (2,)):
        raise Refused(
            f"has {pixels.shape[-1]} channels; save it as grey or RGB"
        )
    return pixels[..., :-1] if extra == (1,) else _on_black(pixels)


def _tiff_by_pillow(path: Path, page: Any) -> np.ndarray:
    eight_bit = page.bitspersample in (1, 8)
    deep_grey = page.bitspersample == 16 and page.samplesperpixel == 1
    inverted = page.photometric.name == "MINISWHITE"
    if not eight_bit and (not deep_grey or inverted or page.dtype != np.uint16):
        raise Refused(
            f"is packed with {page.compression.name} in "
            f"{page.bitspersample} bits; save it uncompressed or with deflate"
        )
    _hush_pillow()
    # Pillow turns TIFFs upright by itself.
    with Image.open(path, formats=("TIFF",)) as image:
        if image.mode not in (*_GREY, *_COLOUR):
            raise Refused(f"is {image.mode}; save it as grey or RGB")
        return _from_pillow(image)

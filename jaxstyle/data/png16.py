"""16-bit PNGs in colour or with alpha, which Pillow cuts down to 8 bits.

W3C, Portable Network Graphics Specification (Third Edition), sections 5
(chunks), 7.3 (pixels) and 9 (filters).
"""

import struct
import zlib
from pathlib import Path

import numpy as np

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Samples in a pixel, by colour type.
_SAMPLES = {2: 3, 4: 2, 6: 4}


def is_png(head: bytes) -> bool:
    """Whether a file that begins so is a PNG with a whole header."""
    return head.startswith(_SIGNATURE) and len(head) >= 26


def applies_to(head: bytes) -> bool:
    """Whether a file that begins so (26 bytes or more) needs this decoder."""
    return is_png(head) and head[24] == 16 and head[25] in _SAMPLES


def shape(head: bytes) -> tuple[int, int, int]:
    """(height, width, samples) from the first 26 bytes."""
    width, height = struct.unpack(">II", head[16:24])
    return height, width, _SAMPLES[head[25]]


def decode(path: Path) -> np.ndarray:
    """Pixels, uint16 [H, W, 2 (grey, alpha), 3 (RGB) or 4 (RGBA)].

    Raises:
      ValueError: if the file is damaged, truncated or interlaced.
      zlib.error: if its compressed data are damaged.
    """
    file = path.read_bytes()
    height, width, samples = shape(file)
    if file[28]:
        raise ValueError("is interlaced; save it without interlacing")
    row = 1 + width * samples * 2
    # A few bytes may claim to be gigabytes.
    packed = zlib.decompressobj().decompress(
        _image_data(file), height * row + 1
    )
    if len(packed) != height * row:
        raise ValueError("is damaged: it holds too few or too many pixels")
    lines = np.frombuffer(packed, np.uint8).reshape(height, row)
    if lines[:, 0].max() > 4:
        raise ValueError("is damaged: it uses an unknown filter")
    filtered = lines[:, 1:].reshape(height, width, samples * 2)
    pixels = _unfilter(filtered, lines[:, 0])
    return pixels.view(">u2").astype(np.uint16)


def _image_data(file: bytes) -> bytes:
    place, parts = len(_SIGNATURE), []
    while place + 12 <= len(file):
        (length,) = struct.unpack(">I", file[place : place + 4])
        kind = file[place + 4 : place + 8]
        body = file[place + 8 : place + 8 + length]
        check = file[place + 8 + length : place + 12 + length]
        if check != struct.pack(">I", zlib.crc32(kind + body)):
            raise ValueError(f"is damaged or truncated in chunk {kind!r}")
        if kind == b"IDAT":
            parts.append(body)
        if kind == b"IEND":
            return b"".join(parts)
        place += 12 + length
    raise ValueError("is truncated: it has no end")


def _unfilter(filtered: np.ndarray, filters: np.ndarray) -> np.ndarray:
    """Undoes the filters of uint8 [H, W, bytes of a pixel].

    A pixel needs its left, upper and upper left neighbours, so all pixels
    of an anti-diagonal are done at once.
    """
    height, width, _ = filtered.shape
    # A border of zeros above and to the left stands for what is outside.
    out = np.zeros((height + 1, width + 1, filtered.shape[2]), np.int16)
    for diagonal in range(height + width - 1):
        y = np.arange(max(0, diagonal - width + 1), min(height, diagonal + 1))
        x = diagonal - y
        left, up = out[y + 1, x], out[y, x + 1]
        predicted = _predicted(left, up, out[y, x], filters[y][:, None])
        out[y + 1, x + 1] = (filtered[y, x] + predicted) & 255
    return np.ascontiguousarray(out[1:, 1:].astype(np.uint8))


def _predicted(
    left: np.ndarray, up: np.ndarray, corner: np.ndarray, kind: np.ndarray
) -> np.ndarray:
    """What filter `kind` predicts: none, left, up, average or Paeth."""
    to_left = np.abs(up - corner)
    to_up = np.abs(left - corner)
    to_corner = np.abs(left + up - 2 * corner)
    paeth = np.where(
        (to_left <= to_up) & (to_left <= to_corner),
        left,
        np.where(to_up <= to_corner, up, corner),
    )
    choices = [np.zeros_like(left), left, up, (left + up) // 2, paeth]
    return np.choose(kind, choices)

"""Small image files and manifests for the tests."""

import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from jaxstyle import config as config_lib


def random_pixels(
    *shape: int, dtype: type = np.uint8, seed: int = 0
) -> np.ndarray:
    limit = np.iinfo(dtype).max
    random = np.random.default_rng(seed)
    return random.integers(0, limit, shape, dtype=dtype, endpoint=True)


def save_png16(path: Path, pixels: np.ndarray, filters: list[int]) -> None:
    """Writes uint16 [H, W, 1 to 4]; row y is filtered by filters[y % n].

    Follows the PNG specification pixel by pixel, as a reference.
    """
    height, width, samples = pixels.shape
    size = 2 * samples
    raw = pixels.astype(">u2").tobytes()
    rows = [
        raw[y * width * size : (y + 1) * width * size] for y in range(height)
    ]
    packed = bytearray()
    for y, row in enumerate(rows):
        kind = filters[y % len(filters)]
        above = rows[y - 1] if y else bytes(len(row))
        packed.append(kind)
        for i, value in enumerate(row):
            left = row[i - size] if i >= size else 0
            corner = above[i - size] if i >= size else 0
            packed.append(
                (value - _predict(kind, left, above[i], corner)) % 256
            )
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[samples]
    head = struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(bytes(packed)))
        + chunk(b"IEND", b"")
    )


def _predict(kind: int, left: int, up: int, corner: int) -> int:
    if kind == 4:
        estimate = left + up - corner
        distances = [abs(estimate - value) for value in (left, up, corner)]
        return (left, up, corner)[distances.index(min(distances))]
    return (0, left, up, (left + up) // 2)[kind]


def chunk(kind: bytes, body: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(kind + body))
    return struct.pack(">I", len(body)) + kind + body + check


def folder_config(manifest: Path, **data) -> config_lib.Config:
    # Tests look at images by their names.
    values = {"resolution": 8, "channels": 1, "pseudonyms": False} | data
    return config_lib.Config(
        data=config_lib.DataConfig(
            source="folder", path=str(manifest), **values
        )
    )


def write_folder(folder: Path, patients: int = 12) -> list[list[str]]:
    """Two grey 8 px images of each patient; every other patient is ill.

    Returns:
      Rows of path, label and patient.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for number in range(2 * patients):
        name = f"image{number:02d}.png"
        pixels = random_pixels(8, 8, seed=number)
        Image.fromarray(pixels).save(folder / name)
        patient = number // 2
        rows.append([name, str(patient % 2), f"p{patient}"])
    return rows


def write_manifest(folder: Path, header: str, rows: list[list[str]]) -> Path:
    path = folder / "manifest.csv"
    lines = [header, *(",".join(row) for row in rows)]
    path.write_text("\n".join(lines) + "\n")
    return path

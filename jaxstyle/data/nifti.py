"""Slices of NIfTI volumes, shown the radiological way.

A volume is turned to RAS (its axes point to the patient's right, to the
front and to the head) by whole axes, never interpolated. On an axial slice
the front is up, on the others the head; the patient's right is at the left
of axial and coronal slices, and the front at the left of sagittal ones.
"""

import functools
import gzip
import logging
import struct
import threading
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from jaxstyle import config as config_lib
from jaxstyle.config.data import SLICE_AXES
from jaxstyle.data import formats, geometry, records, voi

INSTALL = "pip install nibabel"
# 512 x 512 x 1024.
MAX_VOXELS = 2**28
# Sizes and places of voxels are in mm, mostly.
MAX_MM = 1e9
# Bytes of header and extensions.
MAX_OFFSET = 2**24

_GZIP = b"\x1f\x8b"
# Slices of a volume are read one after the other, by several threads.
_LOCK = threading.Lock()


def applies_to(path: Path, head: bytes) -> bool:
    """Whether a file that begins so (348 bytes or more) is NIfTI."""
    if head.startswith(_GZIP):
        try:
            with gzip.open(path) as file:
                head = file.read(352)
        except (OSError, EOFError, zlib.error):
            return False
    return head[344:348] in (b"n+1\0", b"ni1\0") or (
        head[4:8] in (b"n+2\0", b"ni2\0")
    )


def probe(
    path: Path, data: config_lib.DataConfig
) -> tuple[formats.Header, range]:
    """What the file says of its slices, and those that the config wants.

    Raises:
      Refused: if `read` takes no such file, or no slice is wanted.
    """
    with _open(path) as stream:
        image = _image(stream)
        lengths = np.array(image.shape[:3])[_axes(image)]
        dtype = np.dtype(image.get_data_dtype())
    axis = SLICE_AXES.index(data.slice_axis)
    width, height = np.delete(lengths, axis)
    formats.check_size(int(height), int(width))
    wanted = _wanted(int(lengths[axis]), data.slice_range)
    if not wanted:
        raise formats.Refused(
            f"has {lengths[axis]} {data.slice_axis} slices, none of them in "
            f"data.slice_range = {data.slice_range}"
        )
    return formats.Header(dtype, int(height), int(width)), wanted


def read(path: Path, number: int, data: config_lib.DataConfig) -> records.Frame:
    """Slice `number` along `data.slice_axis`, counted from 0 at its start.

    That is at the patient's left, back or feet.

    Raises:
      Refused: if there is none, or it cannot be shown.
    """
    volume = _volume_of(path)
    axis = SLICE_AXES.index(data.slice_axis)
    count = volume.voxels.shape[axis]
    if not 0 <= number < count:
        raise formats.Refused(
            f"has the {data.slice_axis} slices 0 to {count - 1}, no {number}"
        )
    plane = np.take(volume.voxels, number, axis=axis)
    # [x, y] -> [row, column], both from the far end.
    image = plane[::-1, ::-1].T
    if volume.scale != (1.0, 0.0):
        # What becomes infinite is refused.
        with np.errstate(over="ignore"):
            image = image * volume.scale[0] + volume.scale[1]
    ends = _ends(image, volume, data)
    width, height = np.delete(volume.spacing, axis)
    unit = geometry.to_unit(image[..., None], ends)
    return records.Frame(unit, ends, (float(height), float(width)))


class _Volume:
    """A volume in RAS, as stored.

    Attributes:
      voxels: [right, front, head].
      scale: slope and intercept of its values.
      spacing: sizes of a voxel along the axes.
      window: the ends that the file suggests, or None.
    """

    def __init__(self, stream: BinaryIO) -> None:
        image = _image(stream)
        nibabel = _nibabel()
        turn = nibabel.orientations.io_orientation(image.affine)
        # Not mapped from the file, which may change or be cut.
        stored = np.array(image.dataobj.get_unscaled())
        if stored.ndim == 4:
            stored = stored[..., 0]
        self.voxels = nibabel.orientations.apply_orientation(stored, turn)
        self.scale = float(image.dataobj.slope), float(image.dataobj.inter)
        self.spacing = np.array(image.header.get_zooms()[:3])[_axes(image)]
        low, high = (float(image.header[f"cal_{end}"]) for end in _ENDS)
        self.window = (low, high) if low < high else None


_ENDS = ("min", "max")


def _nibabel() -> Any:
    try:
        import nibabel
    except ModuleNotFoundError as error:
        raise formats.Refused(f"is NIfTI: run `{INSTALL}`") from error
    # It tells what it mends in headers.
    logging.getLogger("nibabel.global").setLevel(logging.CRITICAL + 1)
    return nibabel


def _open(path: Path) -> Any:
    with path.open("rb") as file:
        packed = file.read(2) == _GZIP
    return gzip.open(path) if packed else path.open("rb")


def _image(stream: BinaryIO) -> Any:
    """The header, checked; its data are not read yet."""
    nibabel = _nibabel()
    head = stream.read(540)
    stream.seek(0)
    second = head[4:8] in (b"n+2\0", b"ni2\0")
    if head[344:348] == b"ni1\0" or head[4:8] == b"ni2\0":
        raise formats.Refused("is half of a pair; save it as one .nii file")
    _check_offset(head, second)
    kind = nibabel.Nifti2Image if second else nibabel.Nifti1Image
    # Not `kind.from_stream`: it reads extensions of whatever length they
    # claim, and no one asks for them.
    header = kind.header_class(head[: kind.header_class.sizeof_hdr])
    voxels = nibabel.arrayproxy.ArrayProxy(stream, header, mmap=False)
    affine = header.get_best_affine()
    if not np.abs(affine).max() < MAX_MM:
        raise formats.Refused("has an affine that is out of all proportion")
    image = kind(voxels, affine, header)
    shape = image.shape
    if len(shape) not in (3, 4) or shape[3:] not in ((), (1,)):
        raise formats.Refused(f"has the shape {shape}; save one volume of it")
    if min(shape) < 1 or np.prod(shape, dtype=np.float64) > MAX_VOXELS:
        raise formats.Refused(
            f"claims {' x '.join(map(str, shape))} voxels; there may be 1 to "
            f"{MAX_VOXELS}"
        )
    if image.get_data_dtype().kind not in "iuf":
        raise formats.Refused(
            f"holds {image.get_data_dtype()}; save it as grey"
        )
    codes = header["sform_code"], header["qform_code"]
    if not any(int(code) for code in codes):
        raise formats.Refused(
            "does not say which side is left (sform_code and qform_code are 0)"
        )
    return image


def _check_offset(head: bytes, second: bool) -> None:
    """Refuses headers whose extensions would take much memory."""
    order = "<" if head[0] in (348 % 256, 540 % 256) else ">"
    place, kind = (168, "q") if second else (108, "f")
    (offset,) = struct.unpack_from(order + kind, head, place)
    if not 0 <= offset <= MAX_OFFSET:
        raise formats.Refused(f"claims that its voxels begin at {offset:g}")


def _axes(image: Any) -> np.ndarray:
    """For each axis of RAS, the axis of the file."""
    turn = _nibabel().orientations.io_orientation(image.affine)
    if np.isnan(turn).any():
        raise formats.Refused("has an affine that turns its axes to nothing")
    return np.argsort(turn[:, 0])


def _volume_of(path: Path) -> _Volume:
    with _LOCK:
        return _volume(path, path.stat().st_mtime_ns)


@functools.lru_cache(maxsize=1)
def _volume(path: Path, changed: int) -> _Volume:
    del changed
    with _open(path) as stream:
        return _Volume(stream)


def _wanted(count: int, ends: tuple[float, float]) -> range:
    start, stop = ends
    if isinstance(start, float):
        start, stop = round(start * count), round(stop * count)
    return range(int(start), min(int(stop), count))


def _ends(
    image: np.ndarray, volume: _Volume, data: config_lib.DataConfig
) -> tuple[float, float]:
    if data.intensity_range:
        return data.intensity_range
    if data.window:
        return voi.window_ends(*data.window, exact=True)
    if volume.window:
        return volume.window
    if image.dtype == np.uint8:
        return 0.0, 255.0
    # Its type would hold far more than what was measured: a black image.
    raise formats.Refused(
        "does not say which values to show (cal_min and cal_max are not "
        "set); set data.window or data.intensity_range"
    )

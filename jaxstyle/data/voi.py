"""From the values a DICOM file stores to the intensities that are shown.

DICOM PS3.3, section C.11: the modality LUT (or rescale slope and
intercept), then the values of interest (VOI: a window or a LUT), then
MONOCHROME1 is turned so that white is white.
"""

import math
from typing import Any

import numpy as np

from jaxstyle import config as config_lib
from jaxstyle.data import formats, records


def window_ends(
    centre: float, width: float, exact: bool
) -> tuple[float, float]:
    """The values that a linear window makes black and white.

    DICOM PS3.3, C.11.2.1.2.1 (LINEAR, `exact` is False) and C.11.2.1.3.2
    (LINEAR_EXACT).

    Raises:
      Refused: if the width is too small for a window.
    """
    if exact:
        ends = centre - width / 2, centre + width / 2
    else:
        # Of width 1: a step at centre - 0.5.
        half = max(width - 1, 1e-6) / 2
        ends = centre - 0.5 - half, centre - 0.5 + half
    # Where the centre is too large, both ends are the same number.
    if not _is_range(*ends) or not (exact or width >= 1):
        raise formats.Refused(
            f"has a window of centre {centre:g} and width {width:g}; set "
            "data.window or data.intensity_range"
        )
    return ends


def _is_range(black: float, white: float) -> bool:
    return black < white and math.isfinite(white - black)


def colour(pixels: np.ndarray, white: int, header: Any) -> records.Frame:
    """RGB pixels [H, W, 3], from 0 to `white`."""
    unit = np.clip(pixels.astype(np.float32) / np.float32(white), 0, 1)
    return records.Frame(unit, (0.0, float(white)), _spacing(header))


def grey(
    stored: np.ndarray, header: Any, data: config_lib.DataConfig
) -> records.Frame:
    """Stored values [H, W] as a viewer shows them.

    Args:
      stored: as unpacked.
      header: the file's elements, those of the frame included.
      data: intensities, where the config decides.

    Raises:
      Refused: if they cannot be shown.
    """
    from pydicom.pixels import processing

    values = processing.apply_modality_lut(stored, header)
    if not np.isfinite(values).all():
        raise formats.Refused("has pixels that are NaN or infinite")
    unit, ends = _shown(values, header, data)
    if header.PhotometricInterpretation == "MONOCHROME1":
        unit, ends = 1 - unit, (ends[1], ends[0])
    # What surrounds the image is no part of it (PS3.3, C.7.5.1.1.2).
    unit[_padding(stored, header)] = 0
    unit = unit[..., None].astype(np.float32)
    return records.Frame(unit, ends, _spacing(header))


def _shown(
    values: np.ndarray, header: Any, data: config_lib.DataConfig
) -> tuple[np.ndarray, tuple[float, float]]:
    """[H, W] in [0, 1], and the values that are 0 and 1 there."""
    if data.intensity_range:
        return _linear(values, data.intensity_range)
    if data.window is None and header.get("VOILUTSequence"):
        return _by_table(values, header)
    window = data.window or _first_window(header)
    if window is None:
        return _linear(values, _whole_range(header))
    function = header.get("VOILUTFunction") or "LINEAR"
    if function == "SIGMOID":
        # C.11.2.1.3.1
        ends = window_ends(*window, exact=True)
        with np.errstate(over="ignore"):
            slope = np.exp(-4 * (values - window[0]) / window[1])
        return 1 / (1 + slope), ends
    exact = function == "LINEAR_EXACT"
    return _linear(values, window_ends(*window, exact=exact))


def _linear(
    values: np.ndarray, ends: tuple[float, float]
) -> tuple[np.ndarray, tuple[float, float]]:
    black, white = ends
    if not _is_range(black, white):
        raise formats.Refused(
            f"can hold values from {black:g} to {white:g}; set data.window or "
            "data.intensity_range"
        )
    with np.errstate(over="ignore"):
        unit = (values.astype(np.float64) - black) / (white - black)
    return np.clip(unit, 0, 1), ends


def _by_table(
    values: np.ndarray, header: Any
) -> tuple[np.ndarray, tuple[float, float]]:
    from pydicom.pixels import processing

    entries, first, bits = header.VOILUTSequence[0].LUTDescriptor
    if not 1 <= bits <= 16:
        raise formats.Refused(f"has a table of {int(bits)} bits")
    # Beyond, integers in floats have gaps; no table goes so far.
    whole = np.rint(np.clip(values, -(2**31), 2**31)).astype(np.int64)
    shown = processing.apply_voi(whole, header, 0)
    ends = float(first), float(first) + (entries or 2**16) - 1
    return np.clip(shown / (2**bits - 1), 0, 1), ends


def _first_window(header: Any) -> tuple[float, float] | None:
    centre, width = header.get("WindowCenter"), header.get("WindowWidth")
    if centre in (None, "") or width in (None, ""):
        return None
    first = np.atleast_1d(np.asarray(centre, float))
    widths = np.atleast_1d(np.asarray(width, float))
    return float(first[0]), float(widths[0])


def _whole_range(header: Any) -> tuple[float, float]:
    """What the bits stored can hold, after the modality LUT."""
    table = header.get("ModalityLUTSequence")
    if table:
        return 0.0, float(2 ** table[0].LUTDescriptor[2] - 1)
    if "PixelRepresentation" not in header:
        raise formats.Refused(
            "has floats and no window; set data.window or data.intensity_range"
        )
    count = 2**header.BitsStored
    low = -count // 2 if header.PixelRepresentation else 0
    slope = float(header.get("RescaleSlope") or 1)
    intercept = float(header.get("RescaleIntercept") or 0)
    ends = sorted(slope * end + intercept for end in (low, low + count - 1))
    return ends[0], ends[1]


def _padding(stored: np.ndarray, header: Any) -> np.ndarray:
    value = header.get("PixelPaddingValue")
    if value is None:
        return np.zeros(stored.shape, np.bool_)
    if stored.dtype.kind not in "iu":
        return stored == value
    largest = np.iinfo(stored.dtype).max
    limit = header.get("PixelPaddingRangeLimit", value)
    # Some files write the bits of a negative number as a positive one.
    low, high = sorted(
        int(end) - (2**header.BitsAllocated if end > largest else 0)
        for end in (value, limit)
    )
    return (stored >= low) & (stored <= high)


def _spacing(header: Any) -> tuple[float, float]:
    """Height and width of a pixel."""
    for name in ("PixelSpacing", "ImagerPixelSpacing", "PixelAspectRatio"):
        value = header.get(name)
        if value and len(value) == 2 and min(map(float, value)) > 0:
            return float(value[0]), float(value[1])
    return 1.0, 1.0

"""What JPEG 2000 data claim to be, before memory is taken for it.

ISO/IEC 15444-1 (ITU-T T.800), annex A.5.1: the marker segment SIZ.
"""

import re
import struct

from jaxstyle.data.formats import Refused

# Start of the codestream, followed by SIZ; no packed data contain it.
_START = re.compile(rb"\xff\x4f\xff\x51")


def check(packed: bytes, height: int, width: int, samples: int) -> None:
    """Refuses data that would unpack to another size.

    Args:
      packed: a codestream, also within a JP2 file.
      height: in pixels, as the file around it says.
      width: likewise.
      samples: of a pixel.

    Raises:
      Refused: if the size differs, or there is none.
    """
    found = [
        _claimed(packed[start.end() :]) for start in _START.finditer(packed)
    ]
    if not found:
        raise Refused("holds no JPEG 2000 data")
    for claimed in found:
        if claimed != (height, width, samples):
            raise Refused(
                f"claims {height} x {width} pixels of {samples} sample(s), and "
                "its packed data {} x {} of {}".format(*claimed)
            )


def _claimed(segment: bytes) -> tuple[int, int, int]:
    """(height, width, samples) from what follows the marker."""
    if len(segment) < 38:
        raise Refused("is truncated")
    right, bottom, left, top = struct.unpack(">4I", segment[4:20])
    (samples,) = struct.unpack(">H", segment[36:38])
    return bottom - top, right - left, samples

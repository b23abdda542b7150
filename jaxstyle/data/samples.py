"""Arrays of pixels as samples, for the sources that hold arrays."""

import numpy as np

from jaxstyle import config as config_lib
from jaxstyle.data import burned_in, geometry, records


def of_pixels(
    pixels: np.ndarray, data: config_lib.DataConfig
) -> records.Sample:
    """[H, W, 1 or 3] of any type, its pixels square, as the config wants it.

    Raises:
      ValueError: as `geometry.to_unit`.
    """
    unit = geometry.to_unit(pixels, data.intensity_range)
    shown = geometry.with_channels(unit, data.channels)
    return records.Sample(
        geometry.square(shown, data.resolution, data.fit),
        (pixels.shape[0], pixels.shape[1]),
        geometry.ends(pixels, data.intensity_range),
        burned_in.suspected(unit),
    )

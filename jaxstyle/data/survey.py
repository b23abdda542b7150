"""What preparation notes of every image on its way to the dataset."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from jaxstyle import config as config_lib
from jaxstyle.data import duplicates, geometry, records

# Side of a picture on the contact sheet, and how many of each class.
TILE, SHOWN = 64, 10


class Survey:
    """Numbers of every image, filled in any order and by any thread.

    Args:
      entries: of the source.
      data: what counts as the finding, and the fit.

    Attributes:
      sizes: int32 [N, 2], height and width before resizing.
      ends: float64 [N, 2], the values that became black and white.
      range: float32 [N, 2], darkest and brightest in [0, 1].
      white: float32 [N], share of the pixels that are white.
      means: float32 [N] in [0, 1].
      text: bool [N], text seems to be burned in.
      prints: what tells them apart.
      pairs: the same image in two splits, once it has been looked for.
      tiles: uint8 [TILE, TILE, C] of some images, by number.
    """

    def __init__(
        self, entries: Sequence[records.Entry], data: config_lib.DataConfig
    ) -> None:
        count = len(entries)
        self._fit = data.fit
        self.sizes = np.zeros((count, 2), np.int32)
        self.ends = np.zeros((count, 2))
        self.range = np.zeros((count, 2), np.float32)
        self.white = np.zeros(count, np.float32)
        self.means = np.zeros(count, np.float32)
        self.text = np.zeros(count, np.bool_)
        self.prints = duplicates.Prints(count)
        self.pairs: list[duplicates.Pair] = []
        self.tiles: dict[int, np.ndarray] = {}
        self._shown = _shown(entries, data)

    def add(
        self, number: int, sample: records.Sample, stored: np.ndarray
    ) -> None:
        """Notes one image, `stored` being its pixels in the dataset."""
        image = sample.image
        self.sizes[number], self.ends[number] = sample.size, sample.ends
        seen = geometry.unpad(image, *sample.size)
        seen = image if self._fit == "crop" else seen
        self.range[number] = seen.min(), seen.max()
        self.white[number] = (seen >= 1).mean()
        self.means[number] = seen.mean()
        self.text[number] = sample.text
        self.prints.add(number, seen, stored)
        if number in self._shown:
            tile = geometry.resized(image, TILE, TILE)
            self.tiles[number] = np.rint(tile * 255).astype(np.uint8)


def by_class(
    entries: Sequence[records.Entry], data: config_lib.DataConfig
) -> dict[tuple[str, int], list[int]]:
    """Numbers of the images by (split, position in `data.class_names`)."""
    out = defaultdict(list)
    classes = data.classes_of([entry.label for entry in entries]).tolist()
    for number, (entry, class_) in enumerate(
        zip(entries, classes, strict=True)
    ):
        out[entry.split, class_].append(number)
    return out


def _shown(
    entries: Sequence[records.Entry], data: config_lib.DataConfig
) -> set[int]:
    """Images for the contact sheet: evenly from each split and class."""
    chosen = set()
    for numbers in by_class(entries, data).values():
        places = np.linspace(0, len(numbers) - 1, SHOWN).astype(int)
        chosen |= {numbers[place] for place in places}
    return chosen

"""Suspects text that is burned into an image's pixels.

Names and dates of patients are often drawn into the pixels of ultrasound,
scanned film and secondary captures; a generator learns them by heart. This
is a heuristic for a warning, neither a reader nor a proof that there is none.
"""

import itertools

import numpy as np
from scipy import ndimage

# A letter is at least so high, and at most this share of the image.
_LEAST_HEIGHT, _MOST_SHARE = 5, 0.15
# So much brighter, or darker, than what is around it, of black to white.
_CONTRAST = 0.35
# Letters fill this share of their box, which is at most so wide.
_FILL, _MOST_WIDTH = (0.15, 0.9), 1.8
# A word has so many letters on a line, no farther apart than their height.
_LETTERS, _GAP = 5, 1.0
# Heights of a line's letters differ by this factor at most.
_ALIKE = 1.5
# More spots than this are texture, and no text.
_MOST_SPOTS = 2000


def suspected(unit: np.ndarray) -> bool:
    """Whether letters seem to stand on a line somewhere.

    Strokes that stand out against what is around them, in either direction,
    are cut into connected spots; five or more of like height, side by side,
    are taken for a word. Images under 64 px are too small to tell.

    Args:
      unit: float32 [H, W, C] in [0, 1], at the size of the file.
    """
    grey = unit.mean(axis=-1)
    if min(grey.shape) < 64:
        return False
    return any(_has_word(_boxes(side)) for side in (grey, 1 - grey))


def _boxes(grey: np.ndarray) -> list[tuple[int, int, int, int]]:
    """Top, bottom, left and right of bright spots that may be letters."""
    highest = max(_LEAST_HEIGHT, int(_MOST_SHARE * min(grey.shape)))
    # The opening takes away what is bright and narrower than its window.
    around = ndimage.grey_opening(grey, _window(highest))
    spots, count = ndimage.label(  # type: ignore[misc]
        grey - around > _CONTRAST, np.ones((3, 3))
    )
    if count > _MOST_SPOTS:
        return []
    found = []
    for number, (rows, columns) in enumerate(ndimage.find_objects(spots), 1):
        height, width = rows.stop - rows.start, columns.stop - columns.start
        fill = (spots[rows, columns] == number).mean()
        if (
            _LEAST_HEIGHT <= height <= highest
            and width <= _MOST_WIDTH * height
            and (_FILL[0] <= fill <= _FILL[1] or width < height / 2)
        ):
            found.append((rows.start, rows.stop, columns.start, columns.stop))
    return found


def _window(highest: int) -> tuple[int, int]:
    """Wider than strokes are."""
    side = min(max(3, highest // 3), 15)
    return side, side


def _has_word(boxes: list[tuple[int, int, int, int]]) -> bool:
    """Whether enough of them stand side by side on one line."""
    for first in boxes:
        line = sorted(box for box in boxes if _on_line(first, box))
        line.sort(key=lambda box: box[2])
        run = 1
        for left, right in itertools.pairwise(line):
            near = right[2] - left[3] <= _GAP * (first[1] - first[0])
            apart = right[2] > left[2]
            run = run + 1 if near and apart else 1
            if run >= _LETTERS:
                return True
    return False


def _on_line(
    first: tuple[int, int, int, int], other: tuple[int, int, int, int]
) -> bool:
    """Of like height, with feet or heads at the same level."""
    height, theirs = first[1] - first[0], other[1] - other[0]
    level = min(abs(first[1] - other[1]), abs(first[0] - other[0]))
    alike = max(height, theirs) <= _ALIKE * min(height, theirs)
    return alike and level <= max(1, height / 6)

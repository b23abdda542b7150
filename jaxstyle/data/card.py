"""The dataset's card: what is in it, in numbers and at a glance."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from jaxstyle import config as config_lib
from jaxstyle.data import duplicates, records, splits, survey

# Fewer images of a class in a split make its numbers worthless.
TINY_CLASS = 10
# Share of the range from black to white below which an image is pale.
PALE = 0.1
# Share of white pixels above which a window seems to be too low.
WHITE = 0.5

_MARGIN, _FONT_SIZE = 4, 12


def describe(
    source: records.Source,
    seen: survey.Survey,
    data: config_lib.DataConfig,
) -> dict[str, Any]:
    """The card as JSON values."""
    names = [entry.split for entry in source.entries]
    exact = sum(pair.exact for pair in seen.pairs)
    counted = classes(source.entries, data)
    return {
        "images": len(source.entries),
        "classes": counted,
        "sizes": _sizes(seen),
        "intensity": policy(data),
        "intensities": _intensities(seen),
        "duplicates": {
            "within_splits": duplicates.within_splits(seen.prints, names),
            "across_splits": exact,
            "nearly_across_splits": len(seen.pairs) - exact,
        },
        "warnings": _warnings(source, seen, counted),
    }


def policy(data: config_lib.DataConfig) -> dict[str, Any]:
    """How values of files become intensities, for people and programs."""
    if data.intensity_range:
        told = "data.intensity_range, in every file"
    elif data.window:
        told = "data.window in DICOM and NIfTI, else the type's range"
    else:
        told = "the file's own window or table, else the range it can hold"
    return {
        "policy": told,
        "intensity_range": data.intensity_range,
        "window": data.window,
        "fit": data.fit,
    }


def sheet(
    source: records.Source,
    seen: survey.Survey,
    data: config_lib.DataConfig,
) -> Image.Image:
    """A few images of each split and class, evenly from first to last."""
    classes = survey.by_class(source.entries, data)
    step = survey.TILE + _MARGIN
    height = step + _FONT_SIZE + _MARGIN
    named = range(len(data.class_names))
    keys = [(name, class_) for name in splits.NAMES for class_ in named]
    size = survey.SHOWN * step + _MARGIN, len(keys) * height + _MARGIN
    canvas = Image.new("RGB", size, "white")
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(_FONT_SIZE)
    for row, key in enumerate(keys):
        top = _MARGIN + row * height
        title = f"{key[0]}, {data.class_names[key[1]]}: {len(classes[key])}"
        draw.text((_MARGIN, top), title, "black", font)
        shown = [number for number in classes[key] if number in seen.tiles]
        for place, number in enumerate(shown):
            left = _MARGIN + place * step
            tile = _picture(seen.tiles[number])
            canvas.paste(tile, (left, top + _FONT_SIZE + _MARGIN))
    return canvas


def save_sheet(image: Image.Image, path: Path) -> None:
    """Writes the sheet as PNG."""
    image.save(path, "PNG")


def _picture(tile: np.ndarray) -> Image.Image:
    return Image.fromarray(tile[..., 0] if tile.shape[-1] == 1 else tile)


def classes(
    entries: Sequence[records.Entry], data: config_lib.DataConfig
) -> dict[str, dict[str, int]]:
    """How many images of each class each split has, by their names."""
    found = survey.by_class(entries, data)
    return {
        name: {
            of: len(found[name, class_])
            for class_, of in enumerate(data.class_names)
        }
        for name in splits.NAMES
    }


def _sizes(seen: survey.Survey) -> dict[str, Any]:
    heights, widths = seen.sizes.T
    return {
        "height": _spread(heights),
        "width": _spread(widths),
        "not_square": int((heights != widths).sum()),
    }


def _intensities(seen: survey.Survey) -> dict[str, Any]:
    ends = Counter(tuple(pair) for pair in seen.ends.tolist())
    return {
        "mean": _spread(seen.means),
        "darkest": _spread(seen.range[:, 0]),
        "brightest": _spread(seen.range[:, 1]),
        "black_and_white": [
            {"black": pair[0], "white": pair[1], "images": count}
            for pair, count in ends.most_common(10)
        ],
        "different_black_and_white": len(ends),
    }


def _spread(values: np.ndarray) -> dict[str, float]:
    low, middle, high = np.quantile(values, (0, 0.5, 1)).tolist()
    return {"min": low, "median": middle, "max": high}


def _warnings(
    source: records.Source,
    seen: survey.Survey,
    counted: dict[str, dict[str, int]],
) -> list[str]:
    entries = source.entries
    found = []
    if source.refused:
        found.append(
            f"{len(source.refused)} file(s) or image(s) could not be read and "
            "were left out; refused.csv lists them"
        )
    found += [
        f"split {name!r} has {count} image(s) of {of!r}; numbers over so few "
        "mean little"
        for name, counts in counted.items()
        for of, count in counts.items()
        if count < TINY_CLASS
    ]
    spans = seen.range[:, 1] - seen.range[:, 0]
    constant = np.flatnonzero(spans == 0)
    pale = np.flatnonzero((spans > 0) & (spans < PALE))
    found += _named("are of one value throughout", constant, entries)
    found += _named(
        "use less than a tenth of the range from black to white; is the "
        "intensity window right?",
        *(pale, entries),
    )
    white = np.flatnonzero((spans > 0) & (seen.white > WHITE))
    found += _named(
        "are white in more than half of their pixels; is the intensity "
        "window right for them?",
        *(white, entries),
    )
    found += _named(
        "seem to have text burned in, which the generator learns by heart; "
        "look whether it tells who somebody is",
        *(np.flatnonzero(seen.text), entries),
    )
    if len({entry.group for entry in entries}) == len(entries):
        found.append(
            "each image counts as its own patient; without a column "
            "`patient` the splits may share patients"
        )
    return found


def _named(
    what: str, numbers: np.ndarray, entries: Sequence[records.Entry]
) -> list[str]:
    if not len(numbers):
        return []
    some = ", ".join(entries[number].id for number in numbers[:5])
    more = ", ..." if len(numbers) > 5 else ""
    return [f"{len(numbers)} image(s) {what} ({some}{more})"]

"""The embedded images: tiles of a stained tissue section.

scikit-image ships one real section of colonic glands, immunostained for
FHL2: 512 x 512 pixels, blue haematoxylin where the stain is negative and
brown diaminobenzidine (DAB) where it is positive. It is cut into tiles
whose label says whether DAB covers the tile, or in which of so many equal
parts of the range from nothing to all of it.
"""

import numpy as np
from skimage import color, data

from jaxstyle import config as config_lib
from jaxstyle.data import geometry, records, splits
from jaxstyle.data.problems import DataError

ORIGIN = "skimage.data.immunohistochemistry()"

# A pixel counts as stained from this DAB optical density on (the third
# channel of `skimage.color.rgb2hed`, Ruifrok and Johnston 2001) ...
STAINED_DENSITY = 0.05

# Each block of BLOCK x BLOCK tiles belongs to one split as a whole, and no
# tile crosses a block, so that splits share no pixel. Blocks are dealt out
# along diagonals, k = (3 row + column) mod 16, so that each split sees all
# parts of the section. Of all choices of 4 residues for test and 3 for val,
# these are the most balanced at 32 px (negative, positive): train 1337,
# 1579; val 20, 24; test 31, 37.
BLOCK = 2
TEST_RESIDUES = frozenset({0, 6, 10, 13})
VAL_RESIDUES = frozenset({4, 12, 15})
# Training tiles overlap: this many of them start in a tile's length.
# Tiles of val and test do not, so that intervals over them are honest.
TRAIN_OVERLAP = 8


def dab_density(images: np.ndarray) -> np.ndarray:
    """Mean DAB optical density of each image.

    Args:
      images: float [N, H, W, 3] in [0, 1], RGB.

    Returns:
      float64 [N]; about 0 without stain, 0.2 where it is dense.
    """
    return color.rgb2hed(images.astype(np.float64))[..., 2].mean(axis=(1, 2))


def stained_share(images: np.ndarray) -> np.ndarray:
    """Share of each image's pixels whose DAB density is above threshold.

    Args:
      images: [N, H, W, 3], uint8 or float in [0, 1], RGB.

    Returns:
      float64 [N] in [0, 1].
    """
    stained = color.rgb2hed(images)[..., 2] > STAINED_DENSITY
    return stained.mean(axis=(1, 2))


def split_of_block(row: int, column: int) -> str:
    """The split that a block of the section belongs to."""
    residue = (3 * row + column) % 16
    if residue in TEST_RESIDUES:
        return "test"
    return "val" if residue in VAL_RESIDUES else "train"


def corners(side: int, tile: int) -> list[tuple[str, str, int, int]]:
    """Where tiles of `tile` px lie in a section of `side` px.

    Returns:
      (split, block, top, left) of each tile.
    """
    block = BLOCK * tile
    out = []
    for row in range(side // block):
        for column in range(side // block):
            split = split_of_block(row, column)
            stride = tile // TRAIN_OVERLAP if split == "train" else tile
            steps = range(0, block - tile + 1, stride)
            out += [
                (
                    split,
                    f"block{row:02d}-{column:02d}",
                    row * block + y,
                    column * block + x,
                )
                for y in steps
                for x in steps
            ]
    return out


def _grade(stained: np.ndarray, grades: int) -> int:
    """Which equal part of [0, 1] the share of stained pixels lies in."""
    # Whole numbers, as a share of 0.6 is not a float.
    part = int(stained.sum()) * grades // stained.size
    return min(part, grades - 1)


def open_source(config: config_lib.Config) -> records.Source:
    """The tiles at `config.data.resolution`.

    Labels 0 to K - 1 are the share of a tile that is stained, in K equal
    parts from nothing to all, K names being in `data.class_names`: of two,
    label 1 is half or more.

    Raises:
      DataError: if tiles of this size leave a split without one class.
    """
    section = data.immunohistochemistry()
    tile = config.data.resolution
    stained = color.rgb2hed(section)[..., 2] > STAINED_DENSITY
    places = corners(len(section), tile)
    grades = len(config.data.class_names)
    entries = [
        records.Entry(
            id=f"{block}-y{top:03d}-x{left:03d}",
            label=_grade(stained[top : top + tile, left : left + tile], grades),
            group=block,
            split=split,
        )
        for split, block, top, left in places
    ]
    found = splits.problems(
        [entry.split for entry in entries],
        [entry.label for entry in entries],
        [entry.group for entry in entries],
        config.data,
    )
    if found:
        found.append(
            f"the section of {len(section)} px is too small for tiles of "
            f"data.resolution = {tile}, or positive_labels is not (1,)"
        )
        raise DataError(ORIGIN, found)

    def load(number: int) -> records.Sample:
        _, _, top, left = places[number]
        pixels = section[top : top + tile, left : left + tile]
        image = geometry.model_image(
            pixels, tile, config.data.channels, config.data.intensity_range
        )
        ends = geometry.ends(pixels, config.data.intensity_range)
        return records.Sample(image, (tile, tile), ends)

    return records.Source(
        "ihc_tiles", np.dtype(np.uint8), entries, load, ORIGIN
    )

"""Ways to invert the generator, side by side."""

from typing import Any

from jaxstyle.report import ranking
from jaxstyle.report.content import Compared
from jaxstyle.report.markup import Markup, element, join
from jaxstyle.report.ranking import Column, Row

PICTURES = ("compare_inversions/comparison.png",)
STAGE, TITLE = "compare_inversions", "Ways to invert the generator"

# In the order of the picture.
_WAYS = (
    *("w_synthetic", "w_adapted", "w_refined"),
    *("w_plus_synthetic", "w_plus_adapted", "w_plus_refined"),
    "w_plus_refined_f",
)
_COLUMNS = (
    Column(
        "gap",
        "Gap in f",
        "How far f’s probability moves, on average, merely because an image "
        "is replaced by its reconstruction: 0 is best.",
        better=min,
    ),
    Column(
        "ssim",
        "Likeness (SSIM)",
        "How much of an image’s local structure its reconstruction keeps: 1 "
        "is all of it.",
    ),
    Column(
        "agreement",
        "Same decision",
        "Share of images whose reconstruction f decides for as for the image "
        "itself.",
        "{:.1%}",
    ),
    Column(
        "flip_rate",
        "Flip rate",
        "Share of the images whose decision by f changes along walks from "
        "these codes; measured for the passes trained for and after "
        "projection.",
        "{:.1%}",
    ),
    Column("images", "Images", "On how many it was measured.", "{}", None),
)


def section(compared: Compared) -> Markup:
    """A table of ways and refinements, and what each makes of some images.

    Args:
      compared: what `explain.compare_inversions` found.
    """
    ways = [name for name in _WAYS if name in compared.result]
    most = max(row["images"] for way in ways for row in compared.result[way])
    groups = [
        (
            way.replace("_", " "),
            [
                Row(_passes(row), row, row["images"] == most)
                for row in compared.result[way]
            ],
        )
        for way in ways
    ]
    return join(
        element(
            "p",
            "How well an image can be rebuilt bounds all that follows. “w” "
            "has one code for all layers of the generator, “w plus” one for "
            "each; “synthetic” encoders have seen generated images only, "
            "“adapted” ones real images, too; “refined” ones correct their "
            "code in further passes, and “f” minds what f says of the result.",
            class_="note",
        ),
        element(
            "p",
            f"{ranking.INTERVALS} “best” is chosen among the rows over all "
            f"{most:,} images.",
            class_="note",
        ),
        ranking.table("Ways to find an image’s code", "Way", _COLUMNS, groups),
        ranking.picture(
            compared,
            PICTURES[0],
            "The first images, and beside each what every way makes of it.",
            "Reconstructions of all ways beside each other",
        ),
    )


def _passes(row: dict[str, Any]) -> str:
    count = row["refinements"]
    text = "1 further pass" if count == 1 else f"{count} further passes"
    if not row["projected"]:
        return text
    return f"{text}, then {row['projected']:,} steps of projection"

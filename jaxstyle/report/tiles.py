"""The pictures of a card: still ones, then the frame and its difference."""

from pathlib import Path

from jaxstyle.report.colours import DIFFERENCE_LIMIT, diverging_table
from jaxstyle.report.images import data_uri
from jaxstyle.report.markup import Markup, element
from jaxstyle.report.question import Question
from jaxstyle.report.records import Walk


def tiles(walk: Walk, question: Question) -> Markup:
    """All tiles of an image; the page's script draws those that move."""
    still = _still(walk, question)
    return element("div", still, _moving(), class_=f"tiles still-{len(still)}")


def _still(walk: Walk, question: Question) -> list[Markup]:
    name, reconstruction = walk.image_id, "reconstruction"
    still = [
        _tile(
            "Original",
            _picture(walk.original, f"Original of {name}"),
            f"f = {question.shown(walk.predictor_original)}",
        ),
        _tile(
            "Reconstruction",
            _picture(
                walk.reconstruction, f"Reconstruction of {name}", reconstruction
            ),
            f"f = {question.shown(walk.predictor_reconstruction)}",
        ),
    ]
    if walk.sparse is not None:
        still.append(_sparse(walk, walk.sparse, question))
    if walk.grad_cam is not None:
        cam = _picture(walk.grad_cam, f"Grad-CAM of {name}")
        still.append(_tile("Grad-CAM", cam, "warmer: more weight for f"))
    return still


def _sparse(walk: Walk, path: Path, question: Question) -> Markup:
    moved = f"{walk.sparse_channels} of the generator’s channels"
    picture = _picture(
        path, f"Counterfactual of {walk.image_id} that moves {moved}"
    )
    below = f"{moved}; f = {question.shown(walk.sparse_probability or 0.0)}"
    return _tile("Fewest channels", picture, below)


def _moving() -> list[Markup]:
    return [
        _tile(
            element("span", class_="frame-name"),
            element("canvas", class_="frame", role="img"),
            element("span", class_="frame-value"),
            "moving current",
        ),
        _tile(
            "Difference",
            element("canvas", class_="difference", role="img"),
            colour_bar(),
            "moving",
        ),
    ]


def _tile(
    title: str | Markup, picture: Markup, below: str | Markup, class_: str = ""
) -> Markup:
    return element(
        "figure",
        element("div", title, class_="tile-title"),
        picture,
        element("figcaption", below),
        class_=f"tile {class_}".strip(),
    )


def _picture(path: Path, text: str, class_: str | None = None) -> Markup:
    return element("img", src=data_uri(path), alt=text, class_=class_)


def colour_bar() -> Markup:
    """The scale of the difference maps."""
    stops = ",".join(
        f"rgb({r},{g},{b})" for r, g, b in diverging_table()[::2].tolist()
    )
    return element(
        "div",
        element(
            "div",
            class_="bar",
            style=f"background:linear-gradient(to right,{stops})",
        ),
        element(
            "div",
            element("span", f"−{DIFFERENCE_LIMIT:g}"),
            element("span", "0"),
            element("span", f"+{DIFFERENCE_LIMIT:g}"),
            class_="bar-ends",
        ),
        element("div", "blue darker, red brighter"),
        class_="colour-bar",
        role="img",
        aria_label=f"Colour scale: blue, darker by {DIFFERENCE_LIMIT:g} or "
        f"more; white, no change; red, brighter by {DIFFERENCE_LIMIT:g} or "
        "more; as shares of the full intensity range",
    )

"""The sections on walks and on training."""

from typing import Any

from jaxstyle.report import charts, filters, trust
from jaxstyle.report.cards import card
from jaxstyle.report.content import Content
from jaxstyle.report.markup import Markup, element
from jaxstyle.report.selection import Group


def walks_section(content: Content) -> Markup:
    """The images, grouped by what became of them."""
    first, sections = 1, []
    for group in content.groups:
        if group.total:
            sections.append(_group(group, content, first))
            first += len(group.shown)
    return element(
        "section",
        element("h2", "Images and their walks"),
        element("p", _counts(content), class_="note"),
        element(
            "p",
            "Move a slider with ",
            element("kbd", "←"),
            " ",
            element("kbd", "→"),
            ". ",
            element("kbd", "J"),
            " and ",
            element("kbd", "K"),
            " go to the next and the previous image. A difference map shows "
            "where the frame is ",
            "brighter (red) or darker (blue) than the reconstruction, on one "
            "scale for all images. The mark on a slider is the smallest flip.",
            class_="note",
        ),
        element(
            "p",
            "Trust: a flip is “with care” where f moves by more than "
            f"{trust.MOST_GAP:g} merely because the image is rebuilt, or "
            "where the rank correlation of f with the way gone is below "
            f"{trust.LEAST_STEADINESS:g}; “not explained” is what does not "
            "flip, or whose reconstruction f judges differently.",
            class_="note",
        ),
        _sparse_note() if content.has_sparse else None,
        element(
            "p",
            "This browser alters the pixels that a page reads, so the "
            "difference maps are left out. They are in the strips that the "
            "renderer wrote.",
            class_="pixel-warning",
        ),
        filters.controls(content),
        element(
            "noscript", element("p", "The sliders need JavaScript to run.")
        ),
        sections,
        id="walks",
    )


def _sparse_note() -> Markup:
    return element(
        "p",
        "“Fewest channels” is the reconstruction with only those style "
        "channels of the generator moved, and only as far, as f needs to "
        "decide otherwise: the fewest that were found. The rest of the walk "
        "was not needed for that.",
        class_="note",
    )


def _counts(content: Content) -> str:
    shown = sum(len(group.shown) for group in content.groups)
    smaller = (
        " Fewer than configured are shown, to keep the page’s size in bounds."
        if content.made_smaller
        else ""
    )
    return (
        f"{content.total - content.failed} of {content.total} rendered images "
        f"flip; {content.failed} of {content.total} are not explained. "
        f"{shown} are shown here: the kinds in equal numbers where there are "
        "enough, evenly spaced in the order of rendering, not picked by hand."
        f"{smaller}"
    )


def _group(group: Group, content: Content, first: int) -> Markup:
    negative, positive = content.question.ends
    titles = {
        "positive": f"From {negative} to {positive}",
        "negative": f"From {positive} to {negative}",
        "failed": "Not explained",
    }
    return element(
        "div",
        element("h3", titles[group.kind]),
        element(
            "p", f"{len(group.shown)} of {group.total} shown", class_="note"
        ),
        [
            card(walk, number, content.question)
            for number, walk in enumerate(group.shown, first)
        ],
        class_="kind",
        data_kind=group.kind,
    )


def generator_section(content: Content) -> Markup:
    """Samples of the generator, and curves of the training."""
    grid = None
    if content.samples is not None:
        kimg, source = content.samples
        grid = element(
            "figure",
            element(
                "img",
                src=source,
                alt="Grid of generated images",
                class_="samples",
            ),
            element(
                "figcaption",
                f"Images from the generator after {kimg:g} thousand training "
                "images.",
                class_="note",
            ),
        )
    return element(
        "section",
        element("h2", "Generator and training"),
        grid,
        [_curves(name, lines) for name, lines in content.metrics.items()],
        id="generator",
    )


def _curves(stage: str, lines: list[dict[str, Any]]) -> Markup | None:
    unit, series = charts.curves(lines)
    if not series:
        return None
    ends = [points[-1][0] for points in series.values()]
    return element(
        "div",
        element("h3", f"Training: {stage}"),
        element(
            "p",
            f"Over {max(ends):,.0f} {unit}; beside each name, its last value.",
            class_="note",
        ),
        element(
            "div",
            [charts.training_chart(*item) for item in series.items()],
            class_="multiples",
        ),
        class_="kind",
    )

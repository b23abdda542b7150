"""Tables that hold several ways against one another, column by column."""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from jaxstyle.report import numbers
from jaxstyle.report.content import Compared
from jaxstyle.report.markup import Markup, element, join

INTERVALS = (
    "Below a value: its 95% bootstrap interval over patients; where intervals "
    "overlap, the difference may be chance."
)


class Column(NamedTuple):
    """One measure.

    Attributes:
      key: of the value; its interval is under `<key>_low` and `<key>_high`.
      label: short name.
      sentence: what it says, for a reader who is no specialist.
      pattern: format of the value.
      better: `max` or `min`; None where no value is better than another.
    """

    key: str
    label: str
    sentence: str
    pattern: str = "{:.3f}"
    better: Callable[[list[float]], float] | None = max


class Row(NamedTuple):
    """One way.

    Attributes:
      label: names it.
      values: by key; what was not measured may be absent.
      ranked: whether it takes part in the choice of the best.
    """

    label: str | Markup
    values: dict[str, Any]
    ranked: bool = True


def table(
    caption: str,
    first: str,
    columns: Sequence[Column],
    groups: Sequence[tuple[str | None, Sequence[Row]]],
) -> Markup:
    """The table, and below it what its columns mean.

    The best value of a column is marked in words, too, unless all read the
    same.

    Args:
      caption: of the table.
      first: heading of the ways' names.
      columns: in order.
      groups: rows that belong together, under their name where it is given.
    """
    rows = [row for _, some in groups for row in some]
    best = {column.key: _best(column, rows) for column in columns}
    heads = [element("th", first, scope="col")]
    heads += [element("th", column.label, scope="col") for column in columns]
    bodies = [
        element(
            "tbody",
            _group(name, len(heads)) if name is not None else None,
            [_row(row, columns, best) for row in some],
        )
        for name, some in groups
    ]
    return join(
        numbers.scrolling(
            caption,
            element(
                "table",
                element("caption", element("span", caption)),
                element("thead", element("tr", heads)),
                bodies,
                class_="plain ranking",
            ),
        ),
        element(
            "dl",
            [
                element(
                    "div",
                    element("dt", column.label),
                    element("dd", column.sentence),
                )
                for column in columns
            ],
            class_="columns",
        ),
    )


def picture(
    compared: Compared, file: str, caption: str, alt: str
) -> Markup | None:
    """A picture of a comparison, if there is one.

    Args:
      compared: holds it.
      file: its path in the run folder.
      caption: below it.
      alt: read aloud in its place.
    """
    if file not in compared.pictures:
        return None
    uri, (width, height), smaller = compared.pictures[file]
    whole = (
        "Made smaller for this page, and not exact to the pixel; the whole "
        f"picture is {file} of the run."
        if smaller
        else f"The file is {file} of the run."
    )
    image = element(
        "img",
        src=uri,
        alt=alt,
        width=width,
        height=height,
        loading="lazy",
        decoding="async",
    )
    return element(
        "figure",
        numbers.scrolling(alt, image),
        element("figcaption", f"{caption} {whole}", class_="note"),
        class_="comparison",
    )


def _best(column: Column, rows: Sequence[Row]) -> str | None:
    """How the best value of a column reads; None where none stands out."""
    values = [
        row.values[column.key]
        for row in rows
        if row.ranked and _is_measured(row.values.get(column.key))
    ]
    texts = {numbers.formatted(value, column.pattern) for value in values}
    if column.better is None or len(texts) < 2:
        return None
    return numbers.formatted(column.better(values), column.pattern)


def _is_measured(value: Any) -> bool:
    return value is not None and math.isfinite(value)


def _group(name: str, width: int) -> Markup:
    head = element("th", name, colspan=width, scope="rowgroup")
    return element("tr", head, class_="group")


def _row(
    row: Row, columns: Sequence[Column], best: dict[str, str | None]
) -> Markup:
    return element(
        "tr",
        element("th", row.label, scope="row"),
        [_cell(row, column, best[column.key]) for column in columns],
    )


def _cell(row: Row, column: Column, best: str | None) -> Markup:
    value = row.values.get(column.key)
    if not _is_measured(value):
        dash = element("span", "–", aria_hidden="true")
        spoken = element("span", "not measured", class_="unseen")
        return element("td", dash, spoken)
    text = numbers.formatted(value, column.pattern)
    below = None
    ends = [row.values.get(f"{column.key}_{end}") for end in ("low", "high")]
    if None not in ends:
        below = element(
            "span", numbers.interval(ends, column.pattern), class_="interval"
        )
    if row.ranked and text == best:
        marked = element("b", text), " ", element("span", "best", class_="tag")
        return element("td", marked, below, class_="best")
    return element("td", text, below)

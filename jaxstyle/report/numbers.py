"""Tables of numbers: the evaluation's with their meanings, and small ones."""

import math
from collections.abc import Sequence
from typing import Any

from jaxstyle.report.markup import Markup, element
from jaxstyle.report.meanings import (
    HEADLINES,
    MEANINGS,
    OPTIONAL,
    SPECIAL,
    Meaning,
)

__all__ = [
    "MEANINGS",
    "divided",
    "flattened",
    "formatted",
    "headlines",
    "interval",
    "missing",
    "plain_table",
    "scrolling",
    "table",
]

_COLUMNS = ("Number", "Value", "95% interval", "What it means")


def table(
    caption: str,
    values: dict[str, Any],
    intervals: dict[str, Any] | None = None,
    asides: dict[str, str] | None = None,
) -> Markup:
    """Every number with its meaning, known ones in a fixed order.

    Args:
      caption: read aloud only, as a heading stands above.
      values: evaluation results by key; None or NaN reads "not measured".
      intervals: 95 % bootstrap intervals (low, high) by key.
      asides: what is told behind a meaning, by key.
    """
    unknown = {key: Meaning("Other numbers", key, "") for key in sorted(values)}
    # Known keys first, in their own order; their meanings win.
    meanings = {
        key: meaning
        for key, meaning in {**MEANINGS, **unknown, **MEANINGS}.items()
        if key in values
    }
    groups: dict[str, list[Markup]] = {}
    for key, meaning in meanings.items():
        ends = (intervals or {}).get(key)
        aside = (asides or {}).get(key)
        row = _row(key, meaning, values[key], ends, aside)
        groups.setdefault(meaning.group, []).append(row)
    return element(
        "table",
        element("caption", caption, class_="unseen"),
        _head(_COLUMNS),
        [element("tbody", _group(name), rows) for name, rows in groups.items()],
        class_="numbers",
    )


def divided(values: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Numbers for every reader, and those for specialists or not known."""
    open_ = {
        key: value
        for key, value in values.items()
        if key in MEANINGS and MEANINGS[key].group not in SPECIAL
    }
    return open_, {key: values[key] for key in values if key not in open_}


def missing(values: dict[str, Any]) -> list[str]:
    """Labels of the numbers that every run should have and this one lacks."""
    return [
        meaning.label
        for key, meaning in MEANINGS.items()
        if key not in values and meaning.group not in OPTIONAL
    ]


def headlines(values: dict[str, Any]) -> Markup:
    """The few numbers to read first."""
    facts = [
        element(
            "div",
            element("dt", text),
            element("dd", formatted(values[key], MEANINGS[key].pattern)),
        )
        for key, text in HEADLINES.items()
        if key in values
    ]
    return element("dl", facts, class_="facts")


def plain_table(
    caption: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]
) -> Markup:
    """A small table; the first column names the rows."""
    return scrolling(
        caption,
        element(
            "table",
            element("caption", element("span", caption)),
            _head(columns),
            element("tbody", [_plain_row(row) for row in rows]),
            class_="plain",
        ),
    )


def scrolling(name: str, content: Markup) -> Markup:
    """A box that scrolls sideways where its content is too wide.

    Args:
      name: what is in it, read aloud when the keyboard gets there.
      content: the table or picture.
    """
    return element(
        "div",
        content,
        class_="scroll",
        role="region",
        aria_label=name,
        tabindex=0,
    )


def flattened(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested results as one level, `a.b` for b in a."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            flat.update(flattened(value, f"{prefix}{key}."))
        else:
            flat[prefix + key] = value
    return flat


def formatted(value: Any, pattern: str = "{:.4g}") -> str:
    """A value for the page; None and non-finite read "not measured"."""
    if isinstance(value, list | tuple):
        return " – ".join(formatted(item, pattern) for item in value)
    if value is None:
        return "not measured"
    if isinstance(value, bool | str):
        return str(value)
    if not math.isfinite(value):
        return "not measured"
    if isinstance(value, int) and pattern == "{:.4g}":
        return f"{value:,}"
    return pattern.format(value).replace("-", "−")


def interval(ends: Any, pattern: str) -> str:
    """(low, high) for the page; nothing for None."""
    return "" if ends is None else formatted(tuple(ends), pattern)


def _head(columns: Sequence[str]) -> Markup:
    heads = [element("th", column, scope="col") for column in columns]
    return element("thead", element("tr", heads))


def _group(name: str) -> Markup:
    return element(
        "tr",
        element("th", name, colspan=len(_COLUMNS), scope="rowgroup"),
        class_="group",
    )


def _plain_row(row: Sequence[Any]) -> Markup:
    return element(
        "tr",
        element("th", row[0], scope="row"),
        [element("td", formatted(value)) for value in row[1:]],
    )


def _row(
    key: str, meaning: Meaning, value: Any, ends: Any, aside: str | None
) -> Markup:
    pattern = meaning.pattern
    return element(
        "tr",
        element("th", meaning.label, element("code", key), scope="row"),
        element("td", formatted(value, pattern), class_="value"),
        element("td", interval(ends, pattern), class_="interval"),
        element(
            "td",
            meaning.sentence,
            element("span", " ", aside, class_="aside") if aside else None,
            class_="meaning",
        ),
    )

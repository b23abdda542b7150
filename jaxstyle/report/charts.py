"""Inline SVG: f along a walk, and small multiples of training curves.

The drawings stretch to any width (`preserveAspectRatio="none"`) while their
strokes do not; dots are strokes of no length with round ends. Words are HTML
beside them, so that they stay legible on a phone.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxstyle.report.markup import Markup, element
from jaxstyle.report.question import Question
from jaxstyle.report.records import Walk

_MOST_POINTS = 150
# Where the axis of a value is labelled, as probabilities.
_VALUES_AT = (0.9, 0.5, 0.1)


def walk_chart(walk: Walk, question: Question) -> Markup:
    """f's probability over the frames, with the place of the slider.

    x is the frame's index, so that the slider below it lines up. Of a value
    the height is its probability, and the axis tells values.
    """
    threshold = question.level
    f = [frame.predictor for frame in walk.frames]
    latent = [frame.latent for frame in walk.frames]
    last = max(len(f) - 1, 1)
    dots = [
        _dot(x, 1 - p, "dot flip" if x == walk.flip_frame else "dot")
        for x, p in enumerate(f)
    ]
    svg = element(
        "svg",
        element("line", x1=0, x2=last, y1=0, y2=0, class_="grid"),
        element("line", x1=0, x2=last, y1=1, y2=1, class_="grid"),
        element(
            "line",
            x1=0,
            x2=last,
            y1=1 - threshold,
            y2=1 - threshold,
            class_="threshold",
        ),
        element("line", x1=0, x2=0, y1=0, y2=1, class_="now"),
        _line([(x, 1 - p) for x, p in enumerate(latent)], "latent"),
        _line([(x, 1 - p) for x, p in enumerate(f)], "curve"),
        _dot(0, 1 - f[0], "here"),
        dots,
        viewBox=f"0 0 {last} 1",
        preserveAspectRatio="none",
        role="img",
        aria_label=_spoken(walk, question),
    )
    ticks = [(1.0, "1"), (threshold, f"{threshold:g}"), (0.0, "0")]
    if question.is_value:
        ticks = [(p, question.tick(p)) for p in _VALUES_AT]
    labels = [
        element("span", text, style=f"top:{100 * (1 - at):.2f}%")
        for at, text in ticks
    ]
    return element(
        "div",
        element("div", labels, class_="axis", aria_hidden="true"),
        svg,
        class_="plot",
    )


def training_chart(name: str, points: Sequence[tuple[float, float]]) -> Markup:
    """One metric over the training: mean line, and range where thinned."""
    x, low, mean, high = _thinned(np.asarray(points, np.float64))
    bottom, top = float(low.min()), float(high.max())
    height = (top - bottom) or 1.0
    width = float(x[-1] - x[0]) or 1.0
    across = (x - x[0]) / width

    def scaled(values: np.ndarray) -> list[tuple[float, float]]:
        return list(zip(across, (top - values) / height, strict=True))

    band = scaled(high) + scaled(low)[::-1]
    svg = element(
        "svg",
        element("polygon", points=_points(band), class_="band"),
        _line(scaled(mean), "curve"),
        viewBox="0 0 1 1",
        preserveAspectRatio="none",
        role="img",
        aria_label=f"{name} from {bottom:.3g} to {top:.3g}, "
        f"at last {points[-1][1]:.3g}",
    )
    return element(
        "figure",
        element(
            "figcaption",
            element("span", name.replace("_", " ")),
            element("b", _minus(f"{points[-1][1]:.3g}")),
        ),
        element(
            "div",
            element(
                "div",
                element("span", _minus(f"{top:.3g}"), style="top:0%"),
                element("span", _minus(f"{bottom:.3g}"), style="top:100%"),
                class_="axis",
                aria_hidden="true",
            ),
            svg,
            class_="plot",
        ),
        class_="multiple",
    )


def curves(
    lines: list[dict[str, Any]],
) -> tuple[str, dict[str, list[tuple[float, float]]]]:
    """The series of a `metrics.jsonl`.

    Args:
      lines: from `run_log.read_metrics`.

    Returns:
      What x counts ("images" or "steps"), and the finite points of every
      numeric key that has two or more.
    """
    unit = "images" if lines and all("images" in n for n in lines) else "step"
    series: dict[str, list[tuple[float, float]]] = {}
    for line in lines:
        for key, value in line.items():
            if key in ("step", "images") or not _is_finite(value):
                continue
            series.setdefault(key, []).append((line[unit], value))
    drawn = {key: points for key, points in series.items() if len(points) > 1}
    return ("images" if unit == "images" else "steps"), drawn


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _thinned(
    points: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """x, least, mean and greatest y of at most `_MOST_POINTS` bins."""
    bins = np.array_split(points, min(len(points), _MOST_POINTS))
    x = np.asarray([part[:, 0].mean() for part in bins])
    y = [part[:, 1] for part in bins]
    return (
        x,
        np.asarray([part.min() for part in y]),
        np.asarray([part.mean() for part in y]),
        np.asarray([part.max() for part in y]),
    )


def _line(points: list[tuple[float, float]], class_: str) -> Markup:
    return element("path", d="M" + _points(points), class_=class_)


def _points(points: list[tuple[float, float]]) -> str:
    return " ".join(f"{x:.4g},{y:.4g}" for x, y in points)


def _dot(x: float, y: float, class_: str) -> Markup:
    return element("path", d=f"M{x:.4g},{y:.4g}h0", class_=class_)


def _minus(text: str) -> str:
    return text.replace("-", "−")


def _spoken(walk: Walk, question: Question) -> str:
    shown = question.target.shown
    values = ", ".join(shown(frame.predictor) for frame in walk.frames)
    what = (
        "Value" if question.is_value else f"Probability of {question.ends[1]}"
    )
    return (
        f"{what} by f over the frames: {values}; "
        f"threshold {question.target.threshold:g}"
    )

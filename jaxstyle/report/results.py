"""The section of numbers."""

from typing import Any

from jaxstyle.report import numbers
from jaxstyle.report.content import Content
from jaxstyle.report.markup import Markup, element


def section(content: Content) -> Markup:
    """Every number with its plain meaning; those for specialists folded."""
    values, special = numbers.divided(content.evaluation)
    intervals = content.details.get("intervals")
    return element(
        "section",
        element("h2", "Numbers"),
        numbers.headlines(content.evaluation),
        numbers.table(
            "Numbers of the evaluation", values, intervals, _chance(content)
        ),
        _notes(content, intervals),
        _folded(
            "More numbers: other measures of change, direction, generator",
            numbers.table("More numbers", special, intervals)
            if special
            else None,
            *_by_network(content),
        ),
        _folded("Numbers of each stage", _stages(content)),
        id="numbers",
    )


def _chance(content: Content) -> dict[str, str]:
    told = content.details.get("counterfactuals", {})
    if "identity_chance" not in told:
        return {}
    text = numbers.formatted(told["identity_chance"], "{:.2%}")
    return {"walk.identity": f"By chance it would be {text}."}


def _notes(content: Content, intervals: dict[str, Any] | None) -> list[Markup]:
    texts = []
    if intervals:
        texts.append(
            "Intervals are 95% bootstrap intervals: over patients, or images "
            "where patients are not known."
        )
    missing = numbers.missing(content.evaluation)
    if missing:
        texts.append(
            "Not measured in this run, as too few images bear it or its stage "
            f"does not tell it: {'; '.join(missing)}."
        )
    return [element("p", text, class_="note") for text in texts]


def _folded(title: str, *parts: Markup | None) -> Markup | None:
    """Parts that open at a click; nothing if there are none."""
    if not any(parts):
        return None
    return element("details", element("summary", title), *parts)


def _stages(content: Content) -> Markup | None:
    rows = [
        [f"{name}.{key}", value]
        for name, result in content.stages.items()
        for key, value in numbers.flattened(result).items()
        if isinstance(value, int | float | str | list) or value is None
    ]
    if not rows:
        return None
    return numbers.plain_table(
        "Numbers of each stage", ["Number", "Value"], rows
    )


def _by_network(content: Content) -> list[Markup]:
    """Distances of populations in the features of each network."""
    frechet = content.details.get("counterfactuals", {}).get("frechet", {})
    named = {
        "Generator, by feature network": content.details.get(
            "feature_networks", {}
        ),
        "Counterfactuals of all images, by feature network": frechet.get(
            "all", {}
        ),
        "Counterfactuals that flip, by feature network": frechet.get(
            "flipped", {}
        ),
    }
    return [
        _network_table(caption, networks)
        for caption, networks in named.items()
        if networks
    ]


def _network_table(caption: str, networks: dict[str, dict[str, Any]]) -> Markup:
    keys = list(dict.fromkeys(key for n in networks.values() for key in n))
    rows = [
        [name, *(values.get(key) for key in keys)]
        for name, values in networks.items()
    ]
    labels = [key.replace("_", " ") for key in keys]
    for name in ("fid", "kid"):
        labels = [label.replace(name, name.upper()) for label in labels]
    return numbers.plain_table(caption, ["Feature network", *labels], rows)

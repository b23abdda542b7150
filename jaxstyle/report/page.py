"""Puts the page together: one HTML file that needs nothing else."""

import base64
import dataclasses
import hashlib
from importlib import resources
from typing import Any

from jaxstyle.report import charts, images, numbers
from jaxstyle.report.cards import card
from jaxstyle.report.colours import DIFFERENCE_LIMIT, diverging_table
from jaxstyle.report.markup import Markup, element, join, json_script
from jaxstyle.report.selection import Group

# Below this side, pixels are shown as squares instead of being smoothed.
_PIXELATED_BELOW = 128


@dataclasses.dataclass(frozen=True)
class Content:
    """All that the page shows.

    Attributes:
      title: heading.
      name: of the experiment.
      class_names: absence and presence of the finding.
      threshold: probability from which f decides for the finding.
      evaluation: numbers by key.
      intervals: 95 % intervals (low, high) by key.
      feature_networks: distribution metrics by feature network.
      stages: results of the other stages by name.
      metrics: lines of `metrics.jsonl` by stage.
      samples: name and data URI of the sample grid.
      groups: the walks shown.
      made_smaller: fewer walks are shown than asked, to bound the size.
    """

    title: str
    name: str
    class_names: tuple[str, str]
    threshold: float
    evaluation: dict[str, Any]
    intervals: dict[str, Any]
    feature_networks: dict[str, dict[str, Any]]
    stages: dict[str, dict[str, Any]]
    metrics: dict[str, list[dict[str, Any]]]
    samples: tuple[str, str] | None
    groups: list[Group]
    made_smaller: bool

    @property
    def total(self) -> int:
        """Images that were rendered."""
        return sum(group.total for group in self.groups)

    @property
    def failed(self) -> int:
        """Images without a flip."""
        return sum(g.total for g in self.groups if g.kind == "failed")


def render(content: Content) -> str:
    """The page as HTML text."""
    script = _resource("page.js")
    body = element(
        "body",
        _masthead(content),
        element(
            "main",
            _numbers(content),
            _walks(content),
            _generator(content),
        ),
        _colophon(),
        _settings(content),
        element("script", Markup(script)),
        class_=_pixelated(content),
    )
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element(
            "meta",
            http_equiv="Content-Security-Policy",
            content=_policy(script),
        ),
        element(
            "meta",
            name="viewport",
            content="width=device-width, initial-scale=1",
        ),
        element("title", f"{content.title}: {content.name}"),
        element("link", rel="icon", href="data:,"),
        element("style", Markup(_resource("page.css"))),
    )
    return "<!doctype html>\n" + element("html", head, body, lang="en") + "\n"


def _policy(script: str) -> str:
    """Lets the page load nothing and run no script but its own."""
    digest = hashlib.sha256(script.encode()).digest()
    return (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{base64.b64encode(digest).decode()}'"
    )


def _resource(name: str) -> str:
    return resources.files("jaxstyle.report").joinpath(name).read_text("utf-8")


def _pixelated(content: Content) -> str | None:
    for group in content.groups:
        for walk in group.shown:
            small = images.side(walk.original) < _PIXELATED_BELOW
            return "pixelated" if small else None
    return None


def _masthead(content: Content) -> Markup:
    links = (
        ("#numbers", "Numbers"),
        ("#walks", "Images and their walks"),
        ("#generator", "Generator and training"),
    )
    return element(
        "header",
        element("p", content.name, class_="name"),
        element("h1", content.title),
        element("p", _introduction(content.class_names), class_="lead"),
        element(
            "p",
            element("strong", "Synthetic images, not for diagnosis."),
            " Every image but the originals was made by a generative model. "
            "The page shows what the classifier responds to, which need not "
            "be what the disease looks like.",
            class_="warning",
        ),
        element("nav", [element("a", text, href=to) for to, text in links]),
        class_="masthead",
    )


def _introduction(class_names: tuple[str, str]) -> str:
    return (
        "A classifier f gives each image a probability of "
        f"“{class_names[1]}”. For each image below, a generative model first "
        "rebuilds it (the reconstruction), then changes it step by step "
        f"along one fixed direction, from “{class_names[0]}” towards "
        f"“{class_names[1]}”. λ says how far, and at λ = 0 stands the "
        "reconstruction. f judges every frame anew. The frame at which its "
        "decision changes is a counterfactual: the image that f would have "
        "judged otherwise."
    )


def _numbers(content: Content) -> Markup:
    networks = None
    if content.feature_networks:
        networks = join(
            element("h3", "Generator, by feature network"),
            _by_network(content.feature_networks),
        )
    stages = [
        [f"{name}.{key}", value]
        for name, result in content.stages.items()
        for key, value in numbers.flattened(result).items()
        if isinstance(value, int | float | str | list) or value is None
    ]
    return element(
        "section",
        element("h2", "Numbers"),
        numbers.headlines(content.evaluation),
        numbers.table(content.evaluation, content.intervals),
        _interval_note(content.intervals),
        element("div", networks, class_="kind") if networks else None,
        element(
            "details",
            element("summary", "Numbers of each stage"),
            numbers.plain_table(["Number", "Value"], stages),
        )
        if stages
        else None,
        id="numbers",
    )


def _interval_note(intervals: dict[str, Any]) -> Markup | None:
    if not intervals:
        return None
    return element(
        "p", "Below a value: its 95% bootstrap interval.", class_="note"
    )


def _by_network(networks: dict[str, dict[str, Any]]) -> Markup:
    keys = list(dict.fromkeys(key for n in networks.values() for key in n))
    rows = [
        [name, *(values.get(key) for key in keys)]
        for name, values in networks.items()
    ]
    labels = [key.replace("_", " ").replace("fid", "FID") for key in keys]
    labels = [label.replace("kid", "KID") for label in labels]
    return numbers.plain_table(["Feature network", *labels], rows)


def _walks(content: Content) -> Markup:
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
            "scale for all images.",
            class_="note",
        ),
        element(
            "p",
            "This browser alters the pixels that a page reads, so the "
            "difference maps are left out. They are in the strips that the "
            "renderer wrote.",
            class_="pixel-warning",
        ),
        element(
            "noscript", element("p", "The sliders need JavaScript to run.")
        ),
        sections,
        id="walks",
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
    negative, positive = content.class_names
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
            card(walk, number, content.threshold, content.class_names)
            for number, walk in enumerate(group.shown, first)
        ],
        class_="kind",
        data_kind=group.kind,
    )


def _generator(content: Content) -> Markup:
    grid = None
    if content.samples is not None:
        name, source = content.samples
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
                f"Generated images at the end of training ({name}).",
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


def _colophon() -> Markup:
    return element(
        "footer",
        "Made by jaxstyle. Strips, animations and every frame of every "
        "rendered image lie in the folder render/ of the run.",
        class_="colophon",
    )


def _settings(content: Content) -> Markup:
    return json_script(
        {
            "threshold": content.threshold,
            "classes": list(content.class_names),
            "limit": DIFFERENCE_LIMIT,
            "colours": diverging_table().ravel().tolist(),
        },
        id="settings",
    )

"""Puts the page together: one HTML file that needs nothing else."""

import base64
import hashlib
from importlib import resources
from typing import Any

from jaxstyle.report import comparisons, images, methods, results
from jaxstyle.report.colours import DIFFERENCE_LIMIT, diverging_table
from jaxstyle.report.content import Content
from jaxstyle.report.markup import Markup, element, join, json_script
from jaxstyle.report.sections import generator_section, walks_section

# Below this side, pixels are shown as squares instead of being smoothed.
_PIXELATED_BELOW = 128


def render(content: Content) -> str:
    """The page as HTML text."""
    script = _resource("page.js")
    body = element(
        "body",
        _masthead(content),
        element(
            "main",
            results.section(content),
            walks_section(content),
            comparisons.sections(content),
            generator_section(content),
        ),
        _colophon(content.predictor),
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
    links = {
        "numbers": "Numbers",
        "walks": "Images and their walks",
        **{name: comparisons.TITLES[name] for name in content.compared},
        "generator": "Generator and training",
    }
    return element(
        "header",
        element("p", content.name, class_="name"),
        element("h1", content.title),
        element("p", _introduction(content), class_="lead"),
        element(
            "p",
            element("strong", "Synthetic images, not for diagnosis."),
            " Every image but the originals was made by a generative model. "
            "The page shows what the classifier responds to, which need not "
            "be what the finding itself looks like.",
            class_="warning",
        ),
        element(
            "nav",
            [element("a", text, href=f"#{to}") for to, text in links.items()],
            aria_label="Sections",
        ),
        class_="masthead",
    )


# Of the methods whose walks do not all follow one direction.
_WAYS = {
    "transport": "the line on which the codes of one class, as a whole, would "
    "become those of the other",
    "mlp": "a curve on which the latent predictor rises",
    methods.NEAREST: "the image's own way to the least change that makes f "
    "sure of the opposite",
}


def _introduction(content: Content) -> str:
    question = content.question
    negative, positive = question.ends
    way = _WAYS.get(content.method, "one fixed direction")
    return (
        f"{question.introduction} For each image below, a generative model "
        "first rebuilds it (the reconstruction), then changes it step by step "
        f"along {way}, from “{negative}” towards "
        f"“{positive}”. λ says how far, and at λ = 0 stands the "
        "reconstruction. f judges every frame anew. The frame at which its "
        "decision changes is a counterfactual: the image that f would have "
        f"judged otherwise. {question.scale}".rstrip()
    )


def _colophon(predictor: dict[str, Any]) -> Markup:
    return element(
        "footer",
        element("p", _model(predictor)) if predictor else None,
        "Made by jaxstyle. Strips, animations and every frame of every "
        "rendered image lie in the folder render/ of the run.",
        class_="colophon",
    )


def _model(predictor: dict[str, Any]) -> Markup:
    """Names f, so that another one is not taken for it."""
    files = [
        join("; ", name, " has sha256 ", element("code", hashed))
        for name, hashed in sorted(predictor["files"].items())
    ]
    return join(
        f"f is the {predictor['kind']} {predictor['address']}".rstrip(),
        ", whose answers to fixed probe images have the fingerprint ",
        element("code", predictor["fingerprint"]),
        *files,
        ".",
    )


def _settings(content: Content) -> Markup:
    return json_script(
        {
            "classes": list(content.question.ends),
            "limit": DIFFERENCE_LIMIT,
            "colours": diverging_table().ravel().tolist(),
        },
        id="settings",
    )

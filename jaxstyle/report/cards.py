"""The card of one image: tiles, f along the walk, and the slider."""

from jaxstyle.report import tiles, trust
from jaxstyle.report.charts import walk_chart
from jaxstyle.report.images import data_uri
from jaxstyle.report.markup import Markup, element, join, json_script
from jaxstyle.report.question import Question
from jaxstyle.report.records import Walk


def card(walk: Walk, number: int, question: Question) -> Markup:
    """One image with its walk.

    Args:
      walk: what the renderer found.
      number: position on the page, which makes element ids unique.
      question: what f is asked.
    """
    ends = question.ends
    heading = f"walk-{number}"
    verdict = trust.judge(walk, question)
    return element(
        "article",
        element(
            "header",
            element("h3", walk.image_id, id=heading),
            _truth(walk, ends),
            element("p", _story(walk, question), class_="story"),
            _badge(verdict),
        ),
        tiles.tiles(walk, question),
        element(
            "div",
            element(
                "p",
                f"{question.answer} on each frame",
                _legend(),
                class_="plot-title",
            ),
            walk_chart(walk, question),
            _slider(walk, heading, ends),
            class_="walk",
        ),
        json_script(_data(walk, question)),
        class_="card" if walk.flipped else "card failed",
        aria_labelledby=heading,
        data_id=walk.image_id,
        data_outcome="flipped" if walk.flipped else "failed",
        data_decision=walk.decision,
        data_trust=verdict.level,
    )


def _badge(verdict: trust.Trust) -> Markup:
    return element(
        "p",
        element("b", verdict.level, class_="level"),
        " ",
        verdict.reason,
        class_="trust",
    )


def _truth(walk: Walk, ends: tuple[str, str]) -> Markup | None:
    if not walk.target:
        return None
    names = {"0": ends[0], "1": ends[1]}
    name = names.get(walk.target.removesuffix(".0"), walk.target)
    return element("p", "true label: ", element("b", name), class_="truth")


def _story(walk: Walk, question: Question) -> Markup:
    ends = question.ends
    says = join(
        "f says ",
        element("b", ends[walk.decision]),
        f" ({question.shown(walk.predictor_original)}). ",
    )
    if walk.flip_frame is None:
        return join(
            says,
            element("b", "Not explained: ", class_="why"),
            f"asked for {ends[walk.asked]}, but: {walk.status}.",
        )
    flip = walk.frames[walk.flip_frame]
    return join(
        says,
        "Becomes ",
        element("b", ends[walk.asked], class_="flip-word"),
        f" ({question.shown(flip.predictor)}) at frame "
        f"{walk.flip_frame + 1} of {len(walk.frames)}.",
    )


def _legend() -> Markup:
    return element(
        "span",
        element("span", "f", class_="key key-f"),
        element("span", "latent predictor", class_="key key-latent"),
        element("span", "flip", class_="key key-flip"),
        class_="legend",
        aria_hidden="true",
    )


def _slider(walk: Walk, heading: str, ends: tuple[str, str]) -> Markup:
    buttons = [
        element(
            "button",
            text,
            type="button",
            data_frame=index,
            disabled=index is None,
        )
        for text, index in (
            ("Reconstruction", walk.reconstruction_frame),
            ("Smallest flip", walk.flip_frame),
        )
    ]
    last = len(walk.frames) - 1
    mark = None
    if walk.flip_frame is not None:
        place = walk.flip_frame / last
        mark = element("span", class_="mark", style=f"--place:{place:.4f}")
    return join(
        element(
            "div",
            element(
                "input",
                type="range",
                min=0,
                max=last,
                step=1,
                value=walk.first_shown,
                aria_label=f"Frame of the walk of {walk.image_id}",
                aria_describedby=heading,
            ),
            mark,
            class_="track",
        ),
        element(
            "div",
            element("span", "← ", ends[0]),
            element("span", buttons, class_="jumps"),
            element("span", ends[1], " →"),
            class_="ends",
        ),
        element("p", class_="readout"),
    )


def _data(walk: Walk, question: Question) -> list[dict]:
    return [
        {
            "lambda": frame.position,
            "f": frame.predictor,
            "shown": question.shown(frame.predictor),
            "latent": frame.latent,
            "flipped": frame.flipped,
            "decision": walk.decision ^ frame.flipped,
            "distance": frame.distance,
            "src": data_uri(frame.path),
        }
        for frame in walk.frames
    ]

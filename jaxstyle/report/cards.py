"""The card of one image: tiles, f along the walk, and the slider."""

from jaxstyle.report import tiles, trust
from jaxstyle.report.charts import walk_chart
from jaxstyle.report.images import data_uri
from jaxstyle.report.markup import Markup, element, join, json_script
from jaxstyle.report.records import Walk


def card(
    walk: Walk, number: int, threshold: float, class_names: tuple[str, str]
) -> Markup:
    """One image with its walk.

    Args:
      walk: what the renderer found.
      number: position on the page, which makes element ids unique.
      threshold: probability from which f decides for the finding.
      class_names: absence and presence of the finding.
    """
    heading = f"walk-{number}"
    verdict = trust.judge(walk)
    return element(
        "article",
        element(
            "header",
            element("h3", walk.image_id, id=heading),
            _truth(walk, class_names),
            element("p", _story(walk, class_names), class_="story"),
            _badge(verdict),
        ),
        tiles.tiles(walk),
        element(
            "div",
            element(
                "p",
                f"f’s probability of “{class_names[1]}” on each frame",
                _legend(),
                class_="plot-title",
            ),
            walk_chart(walk, threshold, class_names),
            _slider(walk, heading, class_names),
            class_="walk",
        ),
        json_script(_data(walk)),
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


def _truth(walk: Walk, class_names: tuple[str, str]) -> Markup | None:
    if not walk.target:
        return None
    names = {"0": class_names[0], "1": class_names[1]}
    name = names.get(walk.target.removesuffix(".0"), walk.target)
    return element("p", "true label: ", element("b", name), class_="truth")


def _story(walk: Walk, class_names: tuple[str, str]) -> Markup:
    says = join(
        "f says ",
        element("b", class_names[walk.decision]),
        f" ({walk.predictor_original:.3f}). ",
    )
    if walk.flip_frame is None:
        return join(
            says,
            element("b", "Not explained: ", class_="why"),
            f"asked for {class_names[walk.asked]}, and it was not reached.",
        )
    flip = walk.frames[walk.flip_frame]
    return join(
        says,
        "Becomes ",
        element("b", class_names[walk.asked], class_="flip-word"),
        f" ({flip.predictor:.3f}) at frame {walk.flip_frame + 1} of "
        f"{len(walk.frames)}.",
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


def _slider(walk: Walk, heading: str, class_names: tuple[str, str]) -> Markup:
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
            element("span", "← ", class_names[0]),
            element("span", buttons, class_="jumps"),
            element("span", class_names[1], " →"),
            class_="ends",
        ),
        element("p", class_="readout"),
    )


def _data(walk: Walk) -> list[dict]:
    return [
        {
            "lambda": frame.position,
            "f": frame.predictor,
            "latent": frame.latent,
            "flipped": frame.flipped,
            "distance": frame.distance,
            "src": data_uri(frame.path),
        }
        for frame in walk.frames
    ]

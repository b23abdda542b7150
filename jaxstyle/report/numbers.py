"""What every number of the evaluation means, in plain language."""

import math
from typing import Any, NamedTuple

from jaxstyle.report.markup import Markup, element


class Meaning(NamedTuple):
    """How a number is presented.

    Attributes:
      group: heading of the rows that belong together.
      label: short name.
      sentence: what it says, for a reader who is no specialist.
      pattern: format of the value.
    """

    group: str
    label: str
    sentence: str
    pattern: str = "{:.3f}"


_F = "The classifier f"
_DIRECTION = "The direction in latent space"
_RECONSTRUCTION = "The reconstructions"
_WALK = "The walks"
_GAN = "The generator"
_CONCEPT = "A known concept"

MEANINGS = {
    "predictor.auc": Meaning(
        _F,
        "Classifier AUC",
        "How often f scores a random positive test image above a random "
        "negative one: 1 is perfect, 0.5 is a coin toss.",
    ),
    "latent.auc_vs_predictor": Meaning(
        _DIRECTION,
        "Agreement with f (AUC)",
        "How well a position along the direction tells f’s own two "
        "decisions apart: 1 means that the direction captures what f "
        "decides by.",
    ),
    "latent.auc_vs_truth": Meaning(
        _DIRECTION,
        "Agreement with the truth (AUC)",
        "The same position, held against the true labels instead of f’s "
        "decisions.",
    ),
    "latent.spearman": Meaning(
        _DIRECTION,
        "Agreement in rank",
        "Whether images further along the direction also score higher with "
        "f: 1 means in exactly the same order, 0 means unrelated.",
    ),
    "reconstruction.psnr": Meaning(
        _RECONSTRUCTION,
        "Likeness (PSNR)",
        "How close the pixels of a reconstruction are to the original, in "
        "decibels: higher is closer.",
        "{:.1f} dB",
    ),
    "reconstruction.ssim": Meaning(
        _RECONSTRUCTION,
        "Likeness (SSIM)",
        "How much of the original’s local structure a reconstruction keeps: "
        "1 is all of it.",
    ),
    "reconstruction.gap": Meaning(
        _RECONSTRUCTION,
        "Gap in f",
        "How far f’s probability moves, on average, merely because the "
        "original is replaced by its reconstruction: 0 means that each walk "
        "starts where its image stands.",
    ),
    "walk.flip_rate": Meaning(
        _WALK,
        "Flip rate",
        "Share of test images whose decision by f changes to the other class "
        "before the walk leaves the region where the generator is trusted.",
        "{:.1%}",
    ),
    "walk.monotonicity": Meaning(
        _WALK,
        "Steadiness",
        "Whether f’s probability rises with every step of a walk: 1 means "
        "always, 0 means that it wanders.",
    ),
    "walk.proximity": Meaning(
        _WALK,
        "Change at the flip",
        "Mean change of a pixel, as a share of the full intensity range, "
        "between the reconstruction and the first frame that f judges "
        "otherwise: smaller is a subtler counterfactual.",
    ),
    "concept.dab_monotonicity": Meaning(
        _CONCEPT,
        "Brown stain along the walk",
        "Whether the measured amount of brown (DAB) stain rises with every "
        "step of a walk: 1 means always. No model was ever shown this "
        "measurement.",
    ),
    "gan.fid_features": Meaning(
        _GAN,
        "Fréchet distance",
        "How far generated images are, as a population, from real ones in "
        "the feature space of a fixed network: 0 means that they cannot be "
        "told apart. Only comparable under the same network.",
        "{:.2f}",
    ),
    "gan.precision": Meaning(
        _GAN,
        "Precision",
        "Share of generated images that fall among the real ones: are they "
        "plausible?",
    ),
    "gan.recall": Meaning(
        _GAN,
        "Recall",
        "Share of real images that fall among the generated ones: is the "
        "variety of the data covered?",
    ),
    "gan.nearest_train_distance": Meaning(
        _GAN,
        "Distance to the training images",
        "Mean distance in feature space from a generated image to the "
        "nearest training image: near 0 would mean copying.",
    ),
}

_HEADLINES = {
    "walk.flip_rate": "of test images flip to the other class",
    "predictor.auc": "AUC of the classifier f",
    "latent.auc_vs_predictor": "AUC of the direction against f",
    "reconstruction.gap": "mean shift of f by reconstructing",
}


def table(
    values: dict[str, Any], intervals: dict[str, Any] | None = None
) -> Markup:
    """Every number with its meaning, known ones in a fixed order.

    Args:
      values: evaluation results by key; None or NaN reads "not measured".
      intervals: 95 % bootstrap intervals (low, high) by key.
    """
    unknown = {key: Meaning("Other numbers", key, "") for key in sorted(values)}
    # Known keys first, in their own order; their meanings win.
    meanings = {
        key: meaning
        for key, meaning in {**MEANINGS, **unknown, **MEANINGS}.items()
        if key in values
    }
    groups = list(dict.fromkeys(m.group for m in meanings.values()))
    bodies = [
        element(
            "tbody",
            element(
                "tr",
                element("th", group, colspan=3, scope="rowgroup"),
                class_="group",
            ),
            [
                _row(key, meaning, values[key], (intervals or {}).get(key))
                for key, meaning in meanings.items()
                if meaning.group == group
            ],
        )
        for group in groups
    ]
    return element("table", bodies, class_="numbers")


def headlines(values: dict[str, Any]) -> Markup:
    """The few numbers to read first."""
    facts = [
        element(
            "div",
            element("dt", text),
            element("dd", formatted(values[key], MEANINGS[key].pattern)),
        )
        for key, text in _HEADLINES.items()
        if key in values
    ]
    return element("dl", facts, class_="facts")


def plain_table(columns: list[str], rows: list[list[Any]]) -> Markup:
    """A small table; the first column names the rows."""
    return element(
        "div",
        element(
            "table",
            element(
                "thead",
                element("tr", [element("th", c, scope="col") for c in columns]),
            ),
            element("tbody", [_plain_row(row) for row in rows]),
            class_="plain",
        ),
        class_="scroll",
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


def _plain_row(row: list[Any]) -> Markup:
    return element(
        "tr",
        element("th", row[0], scope="row"),
        [element("td", formatted(value)) for value in row[1:]],
    )


def _row(key: str, meaning: Meaning, value: Any, interval: Any) -> Markup:
    spread = None
    if interval is not None:
        low, high = (formatted(end, meaning.pattern) for end in interval)
        spread = element("span", f"{low} – {high}", class_="interval")
    return element(
        "tr",
        element("th", meaning.label, element("code", key), scope="row"),
        element(
            "td", formatted(value, meaning.pattern), spread, class_="value"
        ),
        element("td", meaning.sentence, class_="meaning"),
    )

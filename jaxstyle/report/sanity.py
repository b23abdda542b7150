"""Sanity checks: whether explanations depend on what f has learnt."""

from typing import Any

from jaxstyle.report import numbers, ranking
from jaxstyle.report.content import Compared
from jaxstyle.report.markup import Markup, element, join
from jaxstyle.report.ranking import Column, Row

PICTURES = (
    "sanity_checks/sanity.png",
    "sanity_checks/sanity_balanced.png",
)
STAGE, TITLE = "sanity_checks", "Sanity checks"

# No value is better than another: it depends on the row what is right.
_COLUMNS = (
    Column(
        "answers",
        "Alike answers",
        "Rank correlation of its probabilities with those of f: 1 is the same "
        "order of the images, 0 is unrelated.",
        better=None,
    ),
    Column(
        "explained",
        "Explained",
        "Share of the images that f explains which flip for it, too.",
        "{:.1%}",
        None,
    ),
    Column(
        "cosine",
        "Alike directions",
        "Cosine of the directions in latent space: 1 is the same direction, "
        "0 is unrelated.",
        better=None,
    ),
    Column(
        "spearman",
        "Alike changes (rank)",
        "Rank correlation of the pixels’ changes until the flip, over images "
        "that both explain: 1 is the same map.",
        better=None,
    ),
    Column(
        "ssim",
        "Alike changes (SSIM)",
        "How much local structure these maps of change share: 1 is all of it.",
        better=None,
    ),
    Column(
        "grad_cam.spearman",
        "Alike Grad-CAM (rank)",
        "Rank correlation of the Grad-CAM maps: 1 is the same map.",
        better=None,
    ),
    Column(
        "compared",
        "Images",
        "How many are explained by both, so that changes are compared.",
        "{:,}",
        None,
    ),
)


def section(compared: Compared) -> Markup:
    """Tables of networks that know less than f, and what they make of images.

    Args:
      compared: what `faithfulness.sanity` found.
    """
    result = compared.result
    controls, less = result["controls"], result["randomised"]
    permuted = result["permuted_labels"]
    same = _row("f, direction from other rows", controls, "another_bootstrap")
    other = _row("f, of different images", controls, "other_images")
    groups = [("Controls", [same, other])]
    for kind, title in (
        ("as_it_is", "Networks that know less"),
        ("balanced", "The same, balanced"),
    ):
        rows = [
            _row(f"new: {layer.replace('_', ' ')}", less[layer], kind)
            for layer in result["layers"]
        ]
        rows.append(_row("permuted labels", permuted, kind))
        groups.append((title, rows))
    return join(
        *_notes(result),
        ranking.table(
            "Other networks’ explanations of the same images, against f’s",
            "Network",
            _COLUMNS,
            groups,
        ),
        _picture(compared, PICTURES[0], "networks that know less"),
        _picture(compared, PICTURES[1], "networks that know less, balanced"),
    )


def _row(label: str, found: dict[str, Any], key: str) -> Row:
    return Row(label, numbers.flattened(found[key]))


def _notes(result: dict[str, Any]) -> list[Markup]:
    share = numbers.formatted(result["trained"].get("explained"), "{:.1%}")
    learnt = result["permuted_labels"]["classifier"]
    auc = numbers.formatted(learnt.get("auc"), "{:.3f}")
    texts = (
        "An explanation that stays the same where f has forgotten what it "
        "learnt shows the images and not f. So the explanations of f are "
        "compared with those of networks of its kind whose layers are new, "
        "from the logits down to the one named, and of one that learnt "
        f"permuted labels (AUC {auc} for the true ones). They should agree "
        "much less than the first control does. The second tells how alike "
        "the explanations of different images are.",
        "A new network may decide alike for all images, and explains none "
        "then; so each is looked at once more, balanced: shifted until it "
        "decides for the finding as often as f does. f itself explains "
        f"{share} of the {result['images']:,} images.",
        ranking.INTERVALS,
    )
    return [element("p", text, class_="note") for text in texts]


def _picture(compared: Compared, file: str, of: str) -> Markup | None:
    return ranking.picture(
        compared,
        file,
        "What changes until the flip: an image a row; f itself, f with a "
        f"direction from other rows, and {of}. Blank where nothing flips.",
        f"Difference maps of f and of {of}",
    )

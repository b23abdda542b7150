"""Methods of finding the direction, side by side."""

from jaxstyle.config import NEAREST, Config
from jaxstyle.report import numbers, ranking
from jaxstyle.report.content import Compared
from jaxstyle.report.markup import Markup, element, join
from jaxstyle.report.ranking import Column, Row

PICTURES = ("compare_directions/comparison.png",)
STAGE, TITLE = "compare_directions", "Methods side by side"

_NAMES = {
    "logistic": "Logistic regression",
    "least_squares": "Least squares",
    "svm": "Linear SVM",
    "class_means": "Difference of class means",
    "row_means": "Difference of class means, row by row",
    "transport": "Optimal transport",
    "whitened": "Whitened logistic regression",
    "mlp": "MLP, curved walks",
    NEAREST: "Each image's nearest counterfactual",
}
_COLUMNS = (
    Column(
        "fidelity.auc_vs_predictor",
        "Agreement with f (AUC)",
        "How well a position along the direction tells f’s own two decisions "
        "apart: 1 is perfect, 0.5 is a coin toss.",
    ),
    Column(
        "fidelity.r2",
        "Explained variation (R²)",
        "How much of the variation in f’s logits that position explains: 1 "
        "is all of it, below 0 is worse than their mean.",
    ),
    Column(
        "flip_rate",
        "Flip rate",
        "Share of the images whose decision by f the walk changes; an image "
        "whose reconstruction f judges differently counts as a failure.",
        "{:.1%}",
    ),
    Column(
        "flip_lambda_common",
        "Length at the flip",
        "How far the walk has gone in latent space when f first decides "
        "otherwise: shorter is more direct.",
        "{:.2f}",
        min,
    ),
    Column(
        "proximity_common",
        "Change at the flip",
        "Mean change of a pixel by then, as a share of the full intensity "
        "range: smaller is a subtler counterfactual.",
        better=min,
    ),
    Column(
        "off_target_common",
        "Off-target change",
        "How far the image has moved by then for a fixed untrained network, "
        "where 1 is the distance of two real images: all change counts, so "
        "of two ways to flip the same image the lower one changes less "
        "besides the finding.",
        better=min,
    ),
)


def chosen(config: Config) -> str:
    """The method that the run's own walks follow."""
    own = config.walk.along == NEAREST
    return NEAREST if own else config.direction.method


def section(compared: Compared, own: str) -> Markup:
    """A table of the methods, and walks by all of them.

    Args:
      compared: what `explain.compare` found.
      own: the method that this run walks with.
    """
    result = compared.result
    images, common = result["images"], result["flipped_by_all"]
    rows = [
        Row(
            _method(name, name == own),
            numbers.flattened(result[name]),
        )
        for name in _NAMES
        if name in result
    ]
    return join(
        element(
            "p",
            "Each method finds a direction from the same codes and walks from "
            f"the same {images:,} images along it; the nearest counterfactual "
            "is looked for with f’s gradient, for each image anew. Methods "
            "flip different images, so the last three columns are means over "
            f"those that every method flips: {common:,} of {images:,}.",
            class_="note",
        ),
        element("p", ranking.INTERVALS, class_="note"),
        ranking.table(
            f"{len(rows)} methods of finding the direction",
            "Method",
            _COLUMNS,
            [(None, rows)],
        ),
        ranking.picture(
            compared,
            PICTURES[0],
            "The walks from the first images of either decision by f: for "
            "each image those of all methods under each other, and the "
            "smallest flip in a thick box.",
            "Walks of all methods under each other",
        ),
    )


def _method(name: str, own: bool) -> Markup:
    tag = element("span", "this run", class_="tag own") if own else None
    return join(_NAMES.get(name, name), " ", tag, element("code", name))

"""A second opinion: what another classifier makes of the counterfactuals."""

from jaxstyle.report import numbers, ranking
from jaxstyle.report.content import Compared
from jaxstyle.report.markup import Markup, element, join
from jaxstyle.report.question import Question
from jaxstyle.report.ranking import Column, Row

PICTURES = ()
STAGE, TITLE = "second_opinion", "A second opinion"

# f's own row is there for comparison, and no way is better than another.
_COLUMNS = (
    Column(
        "compared",
        "Images",
        "How many f flips, and the second classifier decides for their "
        "reconstruction as f does.",
        "{:,}",
        None,
    ),
    Column(
        "end.share",
        "Convinced at the end",
        "Share of them for which it decides otherwise, too, at the last "
        "frame: near 100% the finding has changed for both, near 0% f alone "
        "was moved.",
        "{:.1%}",
        None,
    ),
    Column(
        "flip.share",
        "Convinced at the flip",
        "Likewise at the smallest flip, where f has only just changed its "
        "mind: about 50% is to be expected.",
        "{:.1%}",
        None,
    ),
    Column(
        "end.change",
        "Its change",
        "How far its probability moves from the reconstruction to the last "
        "frame, towards what is asked for.",
        better=None,
    ),
    Column("f.end.change", "f’s change", "The same of f.", better=None),
)


def section(compared: Compared, question: Question) -> Markup:
    """A table of both ways that walks may go.

    Args:
      compared: what `faithfulness.second_opinion` found.
      question: whose ends name them.
    """
    result = compared.result
    rows = [Row("All walks", numbers.flattened(result))]
    rows += [
        Row(f"Towards “{question.ends[int(side)]}”", numbers.flattened(told))
        for side, told in sorted(result.get("towards", {}).items())
    ]
    return join(
        element(
            "p",
            "Another classifier, trained on the same images from another "
            f"seed (AUC {result['classifier']['auc']:.3f}), took no part in "
            "the walks and is asked about their frames. It agrees with f on "
            f"{result['agrees']:.1%} of the images themselves. Where it is "
            "not convinced, the change may be one that f alone responds to.",
            class_="note",
        ),
        element("p", ranking.INTERVALS, class_="note"),
        ranking.table(
            "What a second classifier makes of the walks",
            "Walks",
            _COLUMNS,
            [(None, rows)],
        ),
    )

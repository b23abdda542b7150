"""How far one image's explanation can be trusted, and why not further."""

from typing import NamedTuple

import numpy as np

from jaxstyle.evaluation import statistics
from jaxstyle.report.question import Question
from jaxstyle.report.records import Walk

# Beyond these a flip is shown, but with a word of caution. f on the
# reconstruction may differ by this much from f on the image:
MOST_GAP = 0.1
# and the rank correlation of f with lambda may be as low as this:
LEAST_STEADINESS = 0.9

TRUSTED, CAREFUL, UNEXPLAINED = "trusted", "with care", "not explained"
LEVELS = (TRUSTED, CAREFUL, UNEXPLAINED)


class Trust(NamedTuple):
    """The verdict on one explanation.

    Attributes:
      level: one of `LEVELS`.
      reason: a phrase that says why.
    """

    level: str
    reason: str


def judge(walk: Walk, question: Question) -> Trust:
    """Reads the verdict off f's answers to the frames."""
    if not walk.flipped:
        return Trust(UNEXPLAINED, walk.status)
    doubts = []
    gap = abs(walk.predictor_original - walk.predictor_reconstruction)
    if gap > MOST_GAP:
        doubts.append(
            f"f moves {_moved(walk, question)} merely because the image is "
            "rebuilt"
        )
    steadiness = statistics.spearman(
        np.asarray([frame.position for frame in walk.frames]),
        np.asarray([frame.predictor for frame in walk.frames]),
    )
    if steadiness < LEAST_STEADINESS:
        doubts.append(
            "f does not follow the walk steadily (rank correlation "
            f"{steadiness:.2f})"
        )
    if doubts:
        return Trust(CAREFUL, "; ".join(doubts))
    return Trust(
        TRUSTED,
        "f judges image and reconstruction alike (it moves "
        f"{_moved(walk, question)}), follows the walk steadily and flips",
    )


def _moved(walk: Walk, question: Question) -> str:
    """How far f is from its answer to the image, in its own unit."""
    before, after = walk.predictor_original, walk.predictor_reconstruction
    if question.is_value:
        return f"from {question.shown(before)} to {question.shown(after)}"
    return f"by {abs(before - after):.2f}"

"""What the page shows, gathered from the stages of a run."""

import dataclasses
from typing import Any

from jaxstyle.report.images import Bounded
from jaxstyle.report.question import Question
from jaxstyle.report.selection import Group


@dataclasses.dataclass(frozen=True)
class Compared:
    """What a comparison found that was run beside the pipeline.

    Attributes:
      result: its numbers.
      pictures: by path in the run folder; without what is missing or too
        large.
    """

    result: dict[str, Any]
    pictures: dict[str, Bounded]


@dataclasses.dataclass(frozen=True)
class Content:
    """All that the page shows.

    Attributes:
      title: heading.
      name: of the experiment.
      question: what f is asked.
      method: that found the direction, or each image's own.
      predictor: which f the walks explain (see `predictors.recorded`).
      evaluation: numbers by key.
      details: what the evaluation tells beside them: "intervals", 95 %
        (low, high) by key; "feature_networks", distribution metrics by
        network; "counterfactuals". Each may be absent.
      stages: results of the other stages by name.
      compared: comparisons by stage, of those that were run.
      metrics: lines of `metrics.jsonl` by stage.
      samples: thousands of training images, and the sample grid then.
      groups: the walks shown.
      made_smaller: fewer walks are shown than asked, to bound the size.
    """

    title: str
    name: str
    question: Question
    method: str
    predictor: dict[str, Any]
    evaluation: dict[str, Any]
    details: dict[str, Any]
    stages: dict[str, dict[str, Any]]
    compared: dict[str, Compared]
    metrics: dict[str, list[dict[str, Any]]]
    samples: tuple[float, str] | None
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

    @property
    def has_sparse(self) -> bool:
        """Whether a walk shown has a counterfactual of fewest channels."""
        return any(
            walk.sparse is not None for g in self.groups for walk in g.shown
        )

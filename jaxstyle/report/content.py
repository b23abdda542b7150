"""What the page shows, gathered from the stages of a run."""

import dataclasses
from typing import Any

from jaxstyle.report.selection import Group


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
      samples: thousands of training images, and the sample grid then.
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

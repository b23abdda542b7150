"""Settings of the question that is asked of the black box."""

from dataclasses import dataclass

import numpy as np

from jaxstyle.config.checks import require, require_natural
from jaxstyle.config.data import DataConfig

KINDS = ("finding", "class", "pair", "grade", "value")
# Those whose answer is about `data.class_names`, one name a column of f.
_OF_CLASSES = ("class", "pair", "grade")
# A value farther from its threshold is shown as "<" or ">" that only: what
# is kept of its probability tells no more.
_SCALES_SHOWN = 7.0


@dataclass
class TargetConfig:
    """What is asked: each kind turns f's K columns into one probability.

    | kind      | the probability                     | decides for          |
    |-----------|-------------------------------------|----------------------|
    | "finding" | p[column]                           | the second name      |
    | "class"   | p[column]                           | that class           |
    | "pair"    | p[column] / (p[column] + p[against])| class column         |
    | "grade"   | sum of p[column:]                   | that grade or higher |
    | "value"   | logistic((value - threshold)/scale) | the second name      |

    "finding" is a single answer, or one of several findings that do not
    exclude each other; the truth is `data.positive_labels`, and
    `data.class_names` are two. So it is for "value", where f gives a number
    of any range. For "class", "pair" and "grade" f's columns are the classes
    that `data.class_names` names, three or more, in the order of the labels
    0, 1, 2, ...; they exclude each other. Of a "pair", only images of these
    two classes are explained.

    Attributes:
      kind: one of the above.
      column: of f's answer, from 0: the finding, the class, the lowest grade
        that counts, or the value.
      against: of "pair": the other class.
      threshold: from where on f decides for what is asked: a probability,
        or for "value" a value.
      scale: of "value": so far above the threshold the probability is 0.73.
        About a standard deviation of f's values is good; frames show the
        value itself within 7 scales, and beyond "<" or ">" that.
      unit: of "value": printed behind it.
    """

    kind: str = "finding"
    column: int = 0
    against: int = 0
    threshold: float = 0.5
    scale: float = 1.0
    unit: str = ""

    def __post_init__(self) -> None:
        require(
            self.kind in KINDS, "target.kind", self.kind, f"use one of {KINDS}"
        )
        require_natural("target", self, "column", "against")
        is_value = self.kind == "value"
        require(
            is_value or 0 < self.threshold < 1,
            "target.threshold",
            self.threshold,
            "use a probability strictly between 0 and 1",
        )
        require(
            np.isfinite(self.threshold) and 0 < self.scale < np.inf,
            "target.scale",
            self.scale,
            "use a positive scale and a finite threshold",
        )
        require(
            is_value or (self.scale == 1 and not self.unit),
            "target.kind",
            self.kind,
            "scale and unit are for 'value' only",
        )
        require(
            self.against != self.column
            if self.kind == "pair"
            else self.against == 0,
            "target.against",
            self.against,
            "name another class than target.column, for 'pair' only",
        )

    def check(self, data: DataConfig) -> None:
        """Refuses a question that the classes do not have.

        Raises:
          ConfigError: naming the field, its value and what to do.
        """
        names = data.class_names
        of_classes = self.kind in _OF_CLASSES
        require(
            of_classes == (len(names) > 2),
            "target.kind",
            self.kind,
            f"data.class_names names {len(names)} classes: use one of "
            f"{_OF_CLASSES} where there are three or more, else 'finding' or "
            "'value'",
        )
        if not of_classes:
            return
        for name in ("column", "against"):
            value = getattr(self, name)
            require(
                value < len(names),
                f"target.{name}",
                value,
                f"data.class_names names the classes 0 to {len(names) - 1}",
            )
        require(
            self.kind != "grade" or self.column > 0,
            "target.column",
            self.column,
            "every image has grade 0 or higher: use 1 or more",
        )

    @property
    def level(self) -> float:
        """The probability from which f decides for what is asked."""
        return 0.5 if self.kind == "value" else self.threshold

    def ends(self, data: DataConfig) -> tuple[str, str]:
        """What to call f's decision against what is asked, and for it."""
        names = data.class_names
        name = names[self.column] if self.kind in _OF_CLASSES else ""
        return {
            "class": (f"not {name}", name),
            "pair": (names[self.against % len(names)], name),
            "grade": (f"below {name}", f"{name} or higher"),
        }.get(self.kind, (names[0], names[1]))

    def truth(self, classes: np.ndarray) -> np.ndarray:
        """What the ground truth says to the question.

        Args:
          classes: int [N], by `DataConfig.classes_of`.

        Returns:
          float32 [N] of 0 and 1; NaN for a class that is none of a pair's.
        """
        if self.kind == "pair":
            other = np.where(classes == self.against, 0, np.nan)
            found = np.where(classes == self.column, 1, other)
        elif self.kind == "class":
            found = classes == self.column
        elif self.kind == "grade":
            found = classes >= self.column
        else:
            found = classes > 0
        return found.astype(np.float32)

    def shown(self, probability: float, digits: int = 2) -> str:
        """What is printed of f's answer: a probability, or the value.

        Args:
          probability: of what is asked, in [0, 1].
          digits: of a probability, behind the point.
        """
        if self.kind != "value":
            return f"{probability:.{digits}f}"
        farthest = 1 / (1 + np.exp(-_SCALES_SHOWN))
        p = np.clip(float(probability), 1 - farthest, farthest)
        value = self.threshold + self.scale * float(np.log(p / (1 - p)))
        beyond = "> " if p == farthest else "< " if p == 1 - farthest else ""
        # Hundredths of a scale are as exact as what is kept.
        places = max(0, digits - int(np.floor(np.log10(self.scale))))
        return f"{beyond}{value:.{places}f} {self.unit}".rstrip()

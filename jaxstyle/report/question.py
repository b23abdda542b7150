"""How the page words what is asked of f."""

import dataclasses

from jaxstyle.config import Config, TargetConfig

_DIGITS = 3


@dataclasses.dataclass(frozen=True)
class Question:
    """What `config.target` asks, in words.

    Attributes:
      target: the question.
      ends: what f's decision against what is asked is called, and for it.
    """

    target: TargetConfig
    ends: tuple[str, str]

    @classmethod
    def of(cls, config: Config) -> "Question":
        """The config's."""
        return cls(config.target, config.ends)

    @property
    def level(self) -> float:
        """The probability from which f decides for what is asked."""
        return self.target.level

    @property
    def is_value(self) -> bool:
        """Whether f gives a number of its own unit."""
        return self.target.kind == "value"

    def shown(self, probability: float) -> str:
        """What is printed of f's answer."""
        return self.target.shown(probability, _DIGITS).replace("-", "−")

    def tick(self, probability: float) -> str:
        """Likewise at an axis, where there is little room."""
        plain = dataclasses.replace(self.target, unit="")
        return plain.shown(probability, 0).replace("-", "−")

    @property
    def answer(self) -> str:
        """What f's answer is, to stand before "on each frame"."""
        if self.is_value:
            unit = f", in {self.target.unit}" if self.target.unit else ""
            return f"f’s value{unit},"
        given = ""
        if self.target.kind == "pair":
            given = f", given it is that or “{self.ends[0]}”,"
        return f"f’s probability of “{self.ends[1]}”{given}"

    @property
    def introduction(self) -> str:
        """What f does with an image: a sentence or two."""
        negative, positive = self.ends
        if self.is_value:
            threshold = self.shown(self.level)
            return (
                f"A model f gives each image a value; from {threshold} on it "
                f"counts as “{positive}”, below as “{negative}”."
            )
        if self.target.kind == "pair":
            return (
                f"A classifier f tells “{positive}” from “{negative}”; its "
                "probability here is that of the first, given it is one of "
                "the two. Images of other classes are left out."
            )
        return f"A classifier f gives each image a probability of “{positive}”."

    @property
    def scale(self) -> str:
        """What probabilities mean where f gives a value; else nothing."""
        if not self.is_value:
            return ""
        return (
            "Numbers of the page that compare f’s answers do so on the "
            "logistic scale: 0.5 at "
            f"{self.shown(self.level)}, 0.73 at "
            f"{self.target.scale:g} {self.target.unit}".rstrip()
            + " above."
        )

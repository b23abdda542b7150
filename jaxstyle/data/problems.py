"""One error that lists everything that is wrong with a source of images."""

from collections.abc import Sequence

SHOWN = 50


class DataError(ValueError):
    """A source of images cannot be used.

    Attributes:
      problems: every problem found, each naming its row and file.
    """

    def __init__(self, source: str, problems: Sequence[str]) -> None:
        self.problems = list(problems)
        lines = [f"{source}: {len(self.problems)} problem(s)"]
        lines += [f"  {problem}" for problem in self.problems[:SHOWN]]
        if len(self.problems) > SHOWN:
            lines.append(f"  ... and {len(self.problems) - SHOWN} more")
        super().__init__("\n".join(lines))

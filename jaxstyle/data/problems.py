"""One error that lists everything that is wrong with a source of images."""

from collections.abc import Sequence

SHOWN = 50


def printable(text: str) -> str:
    """Text whose control characters and undecodable bytes are marked.

    The names of files may hold any, and would forge lines of a log.
    """
    return "".join(c if c.isprintable() else "\ufffd" for c in text)


class DataError(ValueError):
    """A source of images cannot be used.

    Attributes:
      problems: every problem found, each naming its row and file.
    """

    def __init__(self, source: str, problems: Sequence[str]) -> None:
        self.problems = [printable(problem) for problem in problems]
        lines = [f"{printable(source)}: {len(self.problems)} problem(s)"]
        lines += [f"  {problem}" for problem in self.problems[:SHOWN]]
        if len(self.problems) > SHOWN:
            lines.append(f"  ... and {len(self.problems) - SHOWN} more")
        super().__init__("\n".join(lines))

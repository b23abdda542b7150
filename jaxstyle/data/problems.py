"""One error that lists everything that is wrong with a source of images."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

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


@contextlib.contextmanager
def told(path: Path, problem: str = "cannot be read") -> Iterator[None]:
    """Names the file or folder, whatever goes wrong in reading it.

    Raises:
      DataError: instead of any other error.
    """
    try:
        yield
    # Damaged files raise anything, from several packages.
    except Exception as error:
        reason = str(error).partition("\n")[0]
        raise DataError(str(path), [f"{problem} ({reason})"]) from error

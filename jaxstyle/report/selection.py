"""Which walks the page shows: balanced, evenly spaced, failures included."""

import dataclasses

from jaxstyle.report.records import Walk

# Base64 adds a third; browsers open a page of this size at once.
MOST_BYTES = 48 * 2**20


@dataclasses.dataclass(frozen=True)
class Group:
    """Walks of one kind.

    Attributes:
      kind: "positive" or "negative" (flipped to that class), or "failed".
      total: how many were rendered.
      shown: those on the page.
    """

    kind: str
    total: int
    shown: tuple[Walk, ...]


def choose(
    walks: list[Walk], limit: int, most_bytes: int = MOST_BYTES
) -> tuple[list[Group], bool]:
    """Chooses at most `limit` walks, as many of each kind as there are.

    Within a kind they are spaced evenly over the renderer's order, so that
    nobody picks the pretty ones. Failures are served first.

    Args:
      walks: all that were rendered.
      limit: most walks shown.
      most_bytes: size of their files beyond which fewer are shown.

    Returns:
      The groups, flips first; and whether the size made the choice smaller.
    """
    kinds: dict[str, list[Walk]] = {
        "failed": [],
        "positive": [],
        "negative": [],
    }
    for walk in walks:
        kinds[_kind(walk)].append(walk)
    wanted = min(limit, len(walks))
    for count in range(wanted, -1, -1):
        counts = _shares([len(group) for group in kinds.values()], count)
        groups = [
            Group(kind, len(group), _spaced(group, take))
            for (kind, group), take in zip(kinds.items(), counts, strict=True)
        ]
        if count <= 1 or _size(groups) <= most_bytes:
            return [*groups[1:], groups[0]], count < wanted
    raise AssertionError("the loop ends at count 0")


def _kind(walk: Walk) -> str:
    if not walk.flipped:
        return "failed"
    return "positive" if walk.asked else "negative"


def _shares(totals: list[int], limit: int) -> list[int]:
    """Deals `limit` places in turn to those who can still use one."""
    shares = [0] * len(totals)
    while sum(shares) < min(limit, sum(totals)):
        for index, total in enumerate(totals):
            if shares[index] < total and sum(shares) < limit:
                shares[index] += 1
    return shares


def _spaced(walks: list[Walk], count: int) -> tuple[Walk, ...]:
    return tuple(walks[i * len(walks) // count] for i in range(count))


def _size(groups: list[Group]) -> int:
    files = (
        file for group in groups for walk in group.shown for file in walk.files
    )
    return sum(file.stat().st_size for file in files)

"""Interleaved timings, and the ratios of their pairs.

Machines are noisy and change speed while one measures: sides that are to be
compared take turns, and a ratio is formed of the two calls of one round, so
that both saw the same machine. Every other round goes backwards (A B B A):
what a call leaves behind, in caches and in a processor's temperature, is no
side's advantage.
"""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Calls = Mapping[str, Callable[[], Any]]


def interleaved(
    sides: Calls,
    rounds: int,
    limit: float,
    warm: Calls | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Seconds of each side's calls, one call a side and round.

    Args:
      sides: by name, calls that return once their work is done.
      rounds: most rounds.
      limit: seconds after which no further round begins; the first one
        always runs.
      warm: what to run before the rounds instead of a side's own call,
        for sides whose first call need not be a whole one.
      clock: tells seconds.
    """
    for name, call in sides.items():
        (warm or {}).get(name, call)()
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    order = list(sides)
    start = clock()
    for turn in range(rounds):
        if turn and clock() - start >= limit:
            break
        for name in order if turn % 2 == 0 else reversed(order):
            before = clock()
            sides[name]()
            seconds[name].append(clock() - before)
    return seconds


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> dict[str, float]:
    """How many times faster `ours` was, over the pairs of each round.

    Returns:
      Median, min and max of theirs / ours.

    Raises:
      ValueError: if the two have not as many rounds.
    """
    pairs = [b / a for a, b in zip(ours, theirs, strict=True)]
    return {
        "median": statistics.median(pairs),
        "min": min(pairs),
        "max": max(pairs),
    }


def speed(images: int, seconds: Sequence[float]) -> dict[str, Any]:
    """Images per second at the median, and the times it stems from."""
    return {
        "images_per_second": images / statistics.median(seconds),
        "seconds": list(seconds),
    }

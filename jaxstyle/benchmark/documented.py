"""Figures of the original pure-PyTorch operations, and the goals.

They were measured before, on 2 CPU cores, in float32, at the sizes that
`Settings` has by default: not in the run that they are compared with, so
that only large ratios mean anything. The operations are on no package
index, and their licence forbids to run them here.
"""

from typing import Any

from jaxstyle.benchmark import machine
from jaxstyle.benchmark.settings import Settings

_CORES = 2
# (phase, resolution): images/s from - to, and the ratio aimed at.
_FIGURES = {
    ("synthesis", 32): (80, 87, 2.0),
    ("synthesis", 64): (19, 21, 2.0),
    ("synthesis", 128): (8.3, 8.6, 2.0),
    ("main", 32): (10, 11, 1.2),
    ("r1", 32): (16, 17, 1.3),
    ("path_length", 32): (22, 23, 2.0),
    ("main", 64): (2.7, 2.7, 1.2),
}


def comparable(settings: Settings) -> bool:
    """Whether the sizes and the machine are those of the figures."""
    sizes = ("batch", "channel_base", "channel_max", "mapping_layers")
    same = all(getattr(settings, n) == getattr(Settings, n) for n in sizes)
    return same and machine.accelerator() == "cpu" and machine.cores() == _CORES


def compared(
    phase: str, resolution: int, images_per_second: float
) -> dict[str, Any] | None:
    """Our speed against the documented one; None where there is none.

    Returns:
      The documented images/s, from - to, our ratios to both ends, lowest
      first, the goal, and whether the lowest ratio reaches it.
    """
    if (phase, resolution) not in _FIGURES:
        return None
    low, high, goal = _FIGURES[phase, resolution]
    return {
        "same_run": False,
        "images_per_second": [low, high],
        "ratio": [images_per_second / high, images_per_second / low],
        "goal": goal,
        "reached": images_per_second / high >= goal,
    }

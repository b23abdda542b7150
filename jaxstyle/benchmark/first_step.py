"""From the start of Python to the end of each step's first call.

A fresh process each, first with an empty persistent compilation cache, then
with the one that it left behind.
"""

import itertools
import logging
import tempfile
import time
from typing import Any

from jaxstyle import compiled
from jaxstyle.benchmark import child
from jaxstyle.benchmark.settings import Settings
from jaxstyle.benchmark.subjects import PHASES, Trainer

# Seconds aimed at, at 64 px on 2 CPU cores.
GOALS = {"cold": 90.0, "warm": 20.0}
_RESOLUTION = 64


def run(settings: Settings) -> list[dict[str, Any]]:
    """Seconds with a cold and with a warm cache, at 64 px if listed."""
    side = settings.resolutions[0]
    if _RESOLUTION in settings.resolutions:
        side = _RESOLUTION
    rows = []
    with tempfile.TemporaryDirectory() as cache:
        for number, state in enumerate(GOALS, 1):
            logging.info("first_step: %s cache (%d of 2)", state, number)
            rows.append(_started(settings, side, cache, state))
    return rows


def _started(
    settings: Settings, side: int, cache: str, state: str
) -> dict[str, Any]:
    arguments = {"cache": cache, "side": side, "settings": vars(settings)}
    before = time.perf_counter()
    inside = child.call(f"{__name__}:measure", arguments)
    seconds = time.perf_counter() - before
    row = {"suite": "first_step", "resolution": side, "cache": state}
    row |= {"seconds": seconds, "of_which": inside}
    if side == _RESOLUTION:
        row |= {"goal": GOALS[state], "reached": seconds < GOALS[state]}
    return row


def measure(
    cache: str, side: int, settings: dict[str, Any]
) -> dict[str, float]:
    """Seconds of each part, imports not included."""
    compiled.keep(cache)
    marks = [("", time.perf_counter())]
    trainer = Trainer(Settings(**settings).config(side))
    marks.append(("state", time.perf_counter()))
    for phase in PHASES:
        trainer.step(phase)()
        marks.append((phase, time.perf_counter()))
    return {
        name: now - before
        for (_, before), (name, now) in itertools.pairwise(marks)
    }

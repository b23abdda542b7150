"""bfloat16 against float32, on whatever JAX computes on."""

import logging
from typing import Any

from jaxstyle.benchmark import comparison
from jaxstyle.benchmark.settings import Settings
from jaxstyle.benchmark.subjects import ours

_PHASES = ("synthesis", "main")


def run(settings: Settings) -> list[dict[str, Any]]:
    """Synthesis and the main step at the first resolution.

    In bfloat16 are all layers but those at 4 px.
    """
    side = settings.resolutions[0]
    subjects = [
        ours(settings.config(side), "float32"),
        ours(settings.config(side, bfloat16=True), "bfloat16"),
    ]
    rows = []
    for phase in _PHASES:
        logging.info("precision: %s at %d px", phase, side)
        where = {"suite": "precision", "phase": phase, "resolution": side}
        rows += [
            where | row for row in comparison.compare(subjects, phase, settings)
        ]
    return rows

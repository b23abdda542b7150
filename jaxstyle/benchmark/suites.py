"""All suites, by the names that the launcher takes."""

import logging
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from jaxstyle import run_log
from jaxstyle.benchmark import (
    comparison,
    devices,
    first_step,
    gpu256,
    input_pipeline,
    machine,
    operations,
    phases,
    precision,
    rendering,
)
from jaxstyle.benchmark.settings import Settings

SUITES: dict[str, Callable[[Settings], list[dict[str, Any]]]] = {
    "synthesis": comparison.synthesis,
    "steps": comparison.training,
    "operations": operations.run,
    "phases": phases.run,
    "precision": precision.run,
    "devices": devices.run,
    "input": input_pipeline.run,
    "render": rendering.run,
    "first_step": first_step.run,
    "gpu256": gpu256.run,
}
# What a run without --suite measures: all that a CPU can.
DEFAULT = tuple(name for name in SUITES if name != "gpu256")


def run(
    names: Sequence[str],
    settings: Settings,
    save: Callable[[dict[str, Any]], None],
) -> None:
    """Runs suites one after the other, and saves the record after each.

    Args:
      names: of the suites.
      settings: sizes.
      save: is given JSON values: the machine, versions, commit, command,
        date, settings, seconds of each suite so far, and all rows.

    Raises:
      ValueError: if a suite is unknown or named twice.
    """
    unknown = set(names) - set(SUITES)
    if unknown or len(set(names)) < len(names):
        raise ValueError(
            f"suite = {','.join(names)}: name each once, of {', '.join(SUITES)}"
        )
    # Told before anything runs: the load is that of others.
    told = {
        "machine": machine.describe(),
        "versions": machine.versions(),
        "commit": machine.commit(),
        "command": " ".join(sys.argv),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "settings": vars(settings),
    }
    rows, seconds = [], {}
    for number, name in enumerate(names, 1):
        logging.info("suite %s (%d of %d)", name, number, len(names))
        start = time.monotonic()
        rows += SUITES[name](settings)
        seconds[name] = time.monotonic() - start
        logging.info("suite %s took %s", name, run_log.clock(seconds[name]))
        save(told | {"seconds": seconds, "rows": rows})

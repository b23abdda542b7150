"""Measures whether explanations show what a classifier truly uses.

Shortcuts are planted into real images and looked for in the explanations of
classifiers that learn them (see configs/faithfulness.py):

    python -m launch.benchmark_faithfulness --config=configs/faithfulness.py \\
        --config.run.data.path=chest_xray_64.npz --workdir=runs/faithfulness

A finished run of an npz that holds masks is scored against them by

    python -m launch.benchmark_faithfulness --mask=wbc_box_mask \\
        --config=configs/blood_cells.py:cpu --workdir=runs/blood
"""

import logging
from typing import Any

from absl import app, flags

from jaxstyle import config as config_lib
from jaxstyle import stopping
from jaxstyle.config import faithfulness as settings_lib
from jaxstyle.faithfulness import masked, summary
from jaxstyle.faithfulness import run as benchmark
from launch import common

_MASK = flags.DEFINE_string(
    "mask", "", "Scores a finished run against these masks in its npz."
)


def main(argv: list[str]) -> None:
    """Runs the benchmark, or scores a run, and logs the numbers."""
    if len(argv) > 1:
        raise app.UsageError(f"{argv[1]!r} is not a flag")
    given = flags.FLAGS
    if given.distributed or given.coordinator:
        raise app.UsageError("the benchmark is one process's work")
    common.prepare(given.workdir)
    try:
        common.log_result(_run(given.config, given.workdir))
    except stopping.Stopped as stopped:
        logging.info("%s", stopped)


def _run(config: Any, root: str) -> dict[str, Any]:
    if isinstance(config, settings_lib.FaithfulnessConfig):
        if _MASK.value:
            raise app.UsageError(
                "mask: planted images have their own masks; leave it out, or "
                "give the config of an ordinary run"
            )
        config = settings_lib.validated(config)
        return summary.headline(benchmark.run(config, root)["summary"])
    if not _MASK.value:
        raise app.UsageError(
            "give a config such as configs/faithfulness.py, or --mask to "
            "score an ordinary run"
        )
    return masked.run(config_lib.validated(config), root, _MASK.value)


if __name__ == "__main__":
    app.run(main)

"""Starts launchers as a user does, each in a process of its own."""

import os
import subprocess
import sys
import time
from pathlib import Path

from tests import quick

REPOSITORY = Path(__file__).parents[2]
CONFIG = "configs/ihc.py:tiny"
LAUNCHERS = {
    "prepare_data": "data",
    "train_classifier": "classifier",
    "train_gan": "gan",
    "train_encoder": "encoder",
    "fit_direction": "direction",
    "render": "render",
    "evaluate": "evaluation",
    "report": "report",
}


def launch(name: str, root: Path, *flags: str) -> tuple[int, str, float]:
    """Runs `python -m launch.<name>`; (exit status, output, seconds)."""
    environment = os.environ | {
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": quick.XLA_FLAGS,
    }
    command = [sys.executable, "-m", f"launch.{name}", f"--workdir={root}"]
    started = time.monotonic()
    done = subprocess.run(
        [*command, *(flags or [f"--config={CONFIG}"])],
        cwd=REPOSITORY,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, time.monotonic() - started

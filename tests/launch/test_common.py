"""Where launchers keep what they have compiled."""

import os
import subprocess
import sys

import pytest

from tests.launch.started import REPOSITORY

_TELL = (
    "import sys, jax; from launch import common; common.prepare(sys.argv[1]); "
    "print(jax.config.jax_compilation_cache_dir)"
)


@pytest.mark.parametrize("own", [False, True])
def test_jax_s_own_setting_of_the_compilation_cache_wins(own, tmp_path):
    name = "JAX_COMPILATION_CACHE_DIR"
    environment = {k: v for k, v in os.environ.items() if k != name}
    if own:
        environment[name] = str(tmp_path / "for_all_runs")
    done = subprocess.run(
        [sys.executable, "-c", _TELL, str(tmp_path / "run")],
        cwd=REPOSITORY,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    folder = "for_all_runs" if own else "run/compilation_cache"
    assert done.stdout.strip() == str(tmp_path / folder)

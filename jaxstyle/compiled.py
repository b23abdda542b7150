"""Keeps what JAX has compiled for the processes that follow."""

from pathlib import Path

import jax

_FOLDER = "jax_compilation_cache_dir"
# What compiles faster than that is not worth a file.
_LEAST_SECONDS = "jax_persistent_cache_min_compile_time_secs"
# All that `keep` changes.
SETTINGS = (_FOLDER, _LEAST_SECONDS)


def keep(folder: str | Path) -> None:
    """From now on looks it up there, and adds to it; made if missing."""
    jax.config.update(_FOLDER, str(folder))
    jax.config.update(_LEAST_SECONDS, 0.5)

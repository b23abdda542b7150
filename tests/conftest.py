"""Strict JAX: two CPU devices, no implicit promotion, warnings are errors."""

import gc
import os
from collections.abc import Iterator
from pathlib import Path

from tests import quick

os.environ["XLA_FLAGS"] = (
    os.environ.get("XLA_FLAGS", "")
    + " --xla_force_host_platform_device_count=2 "
    + quick.XLA_FLAGS
)
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax
import pytest
from absl import flags
from jax.experimental.compilation_cache import compilation_cache as jax_cache

jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")

if not flags.FLAGS.is_parsed():
    flags.FLAGS.mark_as_parsed()


@pytest.fixture(autouse=True)
def _two_devices() -> None:
    assert jax.local_device_count() == 2


@pytest.fixture(scope="session", autouse=True)
def _one_compilation_cache(
    tmp_path_factory: pytest.TempPathFactory, worker_id: str
) -> None:
    """Nothing is compiled twice, in whatever worker or launched process."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "compiled"
    settings = {
        "jax_compilation_cache_dir": str(folder),
        "jax_persistent_cache_min_compile_time_secs": 0.2,
        # Only with a limit does JAX lock the folder: 4 GiB.
        "jax_compilation_cache_max_size": 2**32,
    }
    for name, value in settings.items():
        jax.config.update(name, value)
        os.environ[name.upper()] = str(value)
    jax_cache.reset_cache()


@pytest.fixture(scope="module", autouse=True)
def _few_executables() -> Iterator[None]:
    """Frees what a module has compiled.

    Each executable holds memory maps, of which Linux gives a process 65,530;
    a thousand tests in one process need more, and XLA then crashes.
    """
    yield
    maps = Path("/proc/self/maps")
    if maps.exists() and len(maps.read_bytes().splitlines()) > 20_000:
        jax.clear_caches()
        gc.collect()

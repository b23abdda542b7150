"""A compilation cache: several tests compile the same steps."""

import jax
import pytest
from jax.experimental.compilation_cache import compilation_cache as jax_cache

_SETTINGS = {
    "jax_compilation_cache_dir": None,
    "jax_persistent_cache_min_compile_time_secs": 0.2,
}


@pytest.fixture(scope="package", autouse=True)
def compilation_cache(tmp_path_factory):
    """The folder of the cache, which a launcher may share."""
    folder = tmp_path_factory.mktemp("compiled")
    settings = _SETTINGS | {"jax_compilation_cache_dir": str(folder)}
    before = {name: getattr(jax.config, name) for name in settings}
    for name, value in settings.items():
        jax.config.update(name, value)
    jax_cache.reset_cache()
    yield folder
    for name, value in before.items():
        jax.config.update(name, value)
    jax_cache.reset_cache()

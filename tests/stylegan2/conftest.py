"""Steps of training are what takes longest to compile."""

import jax
import pytest


@pytest.fixture(scope="package", autouse=True)
def quick_compilation():
    """Compiles two to four times as fast; what runs here is tiny."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)

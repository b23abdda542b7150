"""What is measured here is tiny: compiled once, and quickly."""

from tests.stylegan2.conftest import (  # noqa: F401
    compilation_cache,
    quick_compilation,
)

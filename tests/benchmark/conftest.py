"""What is measured here is tiny, and compiled quickly."""

from tests.stylegan2.conftest import quick_compilation  # noqa: F401

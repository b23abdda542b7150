"""Real data that lie beside the repository and are no part of it."""

import os
from pathlib import Path

import pytest

VARIABLE = "JAXSTYLE_SHARED_DATA"


def path(name: str) -> Path:
    """The file `name`; skips the test where it is missing."""
    beside = Path(__file__).parents[2] / "shared" / "data"
    file = Path(os.environ.get(VARIABLE, beside)) / name
    if not file.exists():
        pytest.skip(f"{file} is missing; {VARIABLE} names its folder")
    return file

"""Settings of files: what is refused, and that it is named."""

import pytest

from jaxstyle.config import ConfigError, DataConfig

WRONG = [
    {"window": (1.0,)},
    {"window": (40.0, 0.0)},
    {"window": (40.0, 400.0), "intensity_range": (0.0, 1.0)},
    {"fit": "stretch"},
    {"slice_axis": "z"},
    {"slice_range": (5, 5)},
    {"slice_range": (-1, 5)},
    {"slice_range": (0.2, 1.5)},
    {"slice_range": (0, 0.5)},
    {"slice_range": (0.1, 0.5, 0.9)},
    {"columns": ("age", "age"), "source": "npz", "path": "x"},
    {"columns": ("patient",), "source": "npz", "path": "x"},
    {"columns": ("height",), "source": "npz", "path": "x"},
    {"columns": ("age",)},
    {"skip_unreadable": True, "source": "npz", "path": "x"},
]


@pytest.mark.parametrize("values", WRONG)
def test_wrong_values_are_refused(values):
    name = next(iter(values))
    with pytest.raises(ConfigError, match=rf"^data\.{name} = .*: \w"):
        DataConfig(**values)


def test_right_values_are_taken():
    DataConfig(window=(40.0, 400.0), fit="crop", slice_axis="coronal")
    DataConfig(slice_range=(3, 300))
    DataConfig(slice_range=(0.25, 0.75))
    DataConfig(columns=("age", "sex"), source="npz", path="x")

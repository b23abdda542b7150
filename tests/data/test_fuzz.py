"""Damaged files of every format become images, or are refused by name."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.data import fuzz

COUNT = 200
# Far below what one 8192 x 8192 image takes in floats.
MIB = 512
_PACKAGES = {
    "dicom": "pydicom",
    "dicom_rle": "pydicom",
    "dicom_jpeg": "pydicom",
    "dicom_jpeg2000": "openjpeg",
    "nifti": "nibabel",
    "nifti_gz": "nibabel",
    "onnx": "onnx",
}


@pytest.mark.parametrize("name", list(fuzz.FORMATS))
def test_damaged_files_are_images_or_refused(name, tmp_path):
    package = _PACKAGES.get(name)
    if package and not importlib.util.find_spec(package):
        pytest.skip(f"{package} is not installed")
    command = [sys.executable, "-W", "error", "-m", "tests.data.fuzz"]
    ended = subprocess.run(
        [*command, name, str(COUNT), str(tmp_path)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=300,
    )
    # A decoder that crashes ends the process with a signal.
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout.splitlines()[-1])
    assert not told["wrong"], "\n".join(told["wrong"])
    # Else the damage would be too much, or none.
    assert told["images"] > 5 and told["refused"] > 5
    assert told["images"] + told["refused"] == COUNT
    assert told["mib"] < MIB

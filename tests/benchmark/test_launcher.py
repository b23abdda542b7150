"""The launcher as a user starts it, its suites replaced by a made one."""

import json
import subprocess
import sys
from pathlib import Path

import launch

REPOSITORY = Path(launch.__file__).parents[1]
MADE = """
from absl import app
from jaxstyle.benchmark import suites
suites.SUITES = {"made": lambda settings: [{"sides": settings.resolutions}]}
from launch import benchmark
app.run(benchmark.main)
"""


def _launched(*flags):
    done = subprocess.run(
        [sys.executable, "-c", MADE, *flags],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def test_the_launcher_writes_json(tmp_path):
    output = tmp_path / "out.json"
    status, said = _launched(
        "--suite=made", "--resolutions=8,16", f"--output={output}"
    )
    assert status == 0, said
    written = json.loads(output.read_text())
    assert written["rows"] == [{"sides": [8, 16]}]
    assert "--suite=made" in written["command"]
    assert "suite made (1 of 1)" in said


def test_wrong_flags_are_named(tmp_path):
    status, said = _launched("--resolutions=32,large", "--output=out.json")
    assert status != 0
    assert "resolutions" in said
    assert "use whole numbers" in said
    status, said = _launched(f"--output={tmp_path}/nowhere/out.json")
    assert status != 0
    assert "its folder does not exist" in said

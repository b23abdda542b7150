"""The launcher as a user starts it, on a made run."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from jaxstyle import config as config_lib
from launch import common
from tests import made_run

_CONFIG_FILE = """
import json
from jaxstyle import config

def get_config():
    return config.from_dict(json.loads({text!r}))
"""


def test_end_to_end(tmp_path_factory, tmp_path):
    config, made = made_run.shared(tmp_path_factory)
    root = tmp_path / "run"
    for name in ("data", "gan", "encoder"):
        shutil.copytree(made / name, root / name)
    file = tmp_path / "settings.py"
    text = json.dumps(config_lib.as_dict(config))
    file.write_text(_CONFIG_FILE.format(text=text))
    done = subprocess.run(
        [
            *(sys.executable, "-m", "launch.project"),
            *(f"--config={file}", f"--workdir={root}"),
            *("--config.project.steps=4", "--config.project.limit=3"),
        ],
        cwd=Path(common.__file__).parents[1],
        env=os.environ | {"JAX_PLATFORMS": "cpu"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "project: 3/3 images" in done.stdout
    assert "psnr_after" in done.stdout
    result = json.loads((root / "project" / "result.json").read_text())
    assert result["images"] == 3
    assert len(list((root / "project" / "codes").glob("*.npz"))) == 3

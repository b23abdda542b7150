"""The made run as the tests of the renderer see it."""

import csv
import shutil

import numpy as np
from PIL import Image

from jaxstyle import workdir
from tests import made_run

FRAMES = 7


def table(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def tables(config, root, name="render"):
    stage = workdir.stage(config, root, name)
    return table(stage.summary), table(stage.manifest), stage.path


def pixels(path):
    return np.asarray(Image.open(path)).astype(np.float64) / 255


def f(paths):
    """f on image files."""
    images = np.stack([pixels(path) for path in paths])
    return made_run.colour(images.astype(np.float32))


def another(root, tmp_path, keep=()):
    """The same run without what is rendered."""
    other = tmp_path / "run"
    for name in ("data", "gan", "encoder", "direction", *keep):
        shutil.copytree(root / name, other / name)
    return other

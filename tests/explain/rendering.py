"""The made run as the tests of the renderer see it."""

import csv
import shutil

import numpy as np
from PIL import Image

from jaxstyle import workdir
from jaxstyle.explain import render_files, search
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


def walk_of(frames, **fields):
    """An image's walk, [K, R, R, C]; what is not given does not matter."""
    count = len(frames)
    unchanged = {
        "image_id": "one",
        "target": "",
        "original": frames[0],
        "heat": None,
        "judged_original": 0.1,
        "judged": np.full(count, 0.1),
        "latent": np.full(count, 0.1),
        "lambdas": np.arange(float(count)),
        "reconstruction_frame": 0,
        "flip_frame": -1,
        "status": search.NO_FLIP,
        "sparse": None,
    }
    return render_files.Rendered(frames=frames, **unchanged | fields)


def record_another_model(folder):
    """As if what lies in a stage's folder had been made for another f."""
    told = folder / "predictor.json"
    record = workdir.read_json(told)
    record["probe_answers"] = np.add(record["probe_answers"], 0.1).tolist()
    workdir.write_json(told, record)


def another(root, tmp_path, keep=()):
    """The same run without what is rendered."""
    other = tmp_path / "run"
    for name in ("data", "gan", "encoder", "direction", *keep):
        shutil.copytree(root / name, other / name)
    return other

"""The tutorial's commands do what its page says, up to the trainings."""

import copy
import csv
import importlib
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from absl import flags
from ml_collections import config_flags
from PIL import Image
from sklearn import metrics

from configs import my_folder
from jaxstyle import config as config_lib
from jaxstyle.data import pipeline, prepare
from tests.docs.pages import DOCS, REPOSITORY

# ml_collections loads config files by a method of Python that will go.
pytestmark = pytest.mark.filterwarnings("ignore:the load_module")

PAGE = (DOCS / "tutorial.md").read_text("utf-8")
BLOCKS = [
    re.sub(r"^ {4}", "", block, flags=re.M).replace("\\\n", " ")
    for block in re.findall(r"(?:^ {4}.*\n|^\n(?= {4}))+", PAGE, re.M)
]
LAUNCHES = [
    line
    for block in BLOCKS
    for line in block.splitlines()
    if line.startswith("python -m launch.")
]


def _snippets():
    """The Python of each `python -c`."""
    return [
        text
        for block in BLOCKS
        for text in re.findall(r'^python -c "\n(.*?)^"', block, re.M | re.S)
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where every snippet of the page was run, in order."""
    made = tmp_path_factory.mktemp("tutorial")
    for text in _snippets():
        subprocess.run([sys.executable, "-c", text], cwd=made, check=True)
    return made


def _rows(path: Path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_folder_is_as_it_is_told(folder):
    rows = _rows(folder / "my_folder" / "manifest.csv")
    found = sum(row["label"] == "1" for row in rows)
    blocks = len({row["patient"] for row in rows})
    later = len(list((folder / "my_folder" / "later").iterdir()))
    told = re.search(
        r"([\d,]+) tiles of (\d+) blocks, ([\d,]+) of them of a wide "
        r"vessel, and ([\d,]+) for later",
        " ".join(PAGE.split()),
    )
    assert told is not None
    numbers = [int(text.replace(",", "")) for text in told.groups()]
    assert numbers == [len(rows), blocks, found, later]


def test_no_two_blocks_share_a_pixel(folder):
    """Tiles are named by their middle; half their diagonal is 34 px."""
    rows = _rows(folder / "my_folder" / "manifest.csv")
    places = [
        tuple(int(part) for part in path.stem.split("-"))
        for path in (folder / "my_folder").glob("*/*.png")
    ]
    assert len(places) > len(rows)
    for place in places:
        assert all(34 <= part % 160 < 160 - 34 for part in place)
    for row in rows:
        y, x = (int(part) for part in Path(row["path"]).stem.split("-"))
        assert row["patient"] == f"{y // 160}-{x // 160}"
    later = (folder / "my_folder" / "later").iterdir()
    known = {row["patient"].partition("-")[0] for row in rows}
    assert not known & {str(int(path.stem[:4]) // 160) for path in later}


def test_tiles_are_upright_and_wide_ones_dark_for_longer(folder):
    """Across the tile, not along it, the middle is the darkest."""
    rows = _rows(folder / "my_folder" / "manifest.csv")
    profiles = {"0": [], "1": []}
    for row in rows:
        with Image.open(folder / "my_folder" / row["path"]) as tile:
            pixels = np.asarray(tile, np.float64)
        profiles[row["label"]].append(pixels)
    narrow, wide = (np.mean(profiles[label], axis=0) for label in "01")
    for mean in (narrow, wide):
        assert np.ptp(mean.mean(axis=0)) > 5 * np.ptp(mean.mean(axis=1))
        assert abs(int(mean.mean(axis=0).argmin()) - 23.5) < 2
    across = [mean.mean(axis=0) for mean in (narrow, wide)]
    dark = [int((a < (a.max() + a.min()) / 2).sum()) for a in across]
    assert dark[0] < dark[1]


def test_the_template_prepares_the_folder(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(folder)
    config = config_lib.validated(my_folder.get_config("tiny"))
    prepare.run(config, tmp_path)
    result = json.loads((tmp_path / "data" / "result.json").read_text())
    rows = _rows(folder / "my_folder" / "manifest.csv")
    assert sum(result["images"].values()) == len(rows)
    assert result["warnings"] == []
    split = pipeline.open_split(config, tmp_path, "test")
    assert set(split.classes.tolist()) == {0, 1}
    assert split.images([0]).shape == (1, 32, 32, 1)
    # In the range of 8 bits they would deviate by 0.09 only.
    shown = split.images(range(len(split)))
    assert np.mean(np.abs(shown) == 1) < 0.02 and shown.std() > 0.15
    told = {name: result["images"][name] for name in ("train", "val", "test")}
    assert f"prepared my_folder/manifest.csv: {told}" in PAGE


def test_the_rule_of_dark_pixels_tells_widths_apart(folder):
    (text,) = (block for block in BLOCKS if "def predict(" in block)
    names = {}
    exec(text, names)
    rows = _rows(folder / "my_folder" / "manifest.csv")
    tiles = []
    for row in rows:
        with Image.open(folder / "my_folder" / row["path"]) as tile:
            small = tile.resize((32, 32), Image.Resampling.BOX)
        tiles.append(np.clip((np.asarray(small, np.float32) - 30) / 100, 0, 1))
    p = names["predict"](np.stack(tiles)[..., None])
    labels = [int(row["label"]) for row in rows]
    assert p.shape == (len(rows),) and p.min() >= 0 and p.max() <= 1
    assert 0.85 < metrics.roc_auc_score(labels, p) < 0.95


def _parsed(command, monkeypatch):
    """The config of a command, by the flags of its launcher."""
    words = shlex.split(command)
    assert words[:2] == ["python", "-m"]
    name, argv = words[2], words[2:]
    importlib.import_module(name)
    values = flags.FlagValues()
    config = config_flags.DEFINE_config_file("config", flag_values=values)
    for module in ("launch.common", name):
        for flag in flags.FLAGS.get_flags_for_module(module):
            if flag.name not in values:
                values[flag.name] = copy.deepcopy(flag)
    # Overrides are looked for there.
    monkeypatch.setattr(sys, "argv", argv)
    assert values(argv) == [name]
    assert values["workdir"].present
    return config_lib.validated(config.value)


def test_unknown_flags_would_be_seen(monkeypatch):
    wrong = ("--config.walk.image=x", "--workdirs=x", "--id=3")
    for flag in wrong:
        with pytest.raises((flags.Error, KeyError)):
            _parsed(f"{LAUNCHES[0]} {flag}", monkeypatch)


@pytest.mark.parametrize("command", LAUNCHES)
def test_commands_are_understood(command, monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    config = _parsed(command, monkeypatch)
    assert config.name == "my_folder"


def test_the_files_that_are_named_are_made(folder):
    """Folders that commands are shown hold images by then."""
    shown = re.findall(r"--config\.walk\.images=(\S+)", "\n".join(LAUNCHES))
    assert len(set(shown)) == 2
    for name in shown:
        assert any((folder / name).iterdir())
    for path in (folder / "my_folder" / "later").iterdir():
        with Image.open(path) as tile:
            assert tile.size == (48, 48)

"""Every launcher as a user starts it, in order, in one run folder."""

import csv
import json

import pytest

from jaxstyle import workdir
from jaxstyle.report.numbers import MEANINGS
from tests.docs import pages
from tests.launch.started import CONFIG, LAUNCHERS, launch

# What result.json holds at most: what the page can explain.
NUMBERS = set(MEANINGS)
# Few images, and no walk of so short a training need flip.
MAY_BE_UNDEFINED = {
    *("walk.proximity", "walk.proximity_features", "walk.proximity_ssim"),
    *("walk.sparsity", "walk.fid", "walk.fid_flipped", "walk.sfid"),
    *("walk.fid_ratio", "latent.r2"),
}


def test_each_stage_is_complete_and_told(root, outputs):
    for name, stage in LAUNCHERS.items():
        folder = root / stage
        assert json.loads((folder / "complete.json").read_text())["seconds"] > 0
        result = json.loads((folder / "result.json").read_text())
        assert result
        # Each launcher ends with its numbers, readable and one a line.
        for key in list(result)[:1]:
            assert key in outputs[name]
        assert "Traceback" not in outputs[name]
        assert "UserWarning" not in outputs[name]


def test_trainers_leave_metrics_and_checkpoints(root, outputs):
    for stage in ("classifier", "gan", "encoder"):
        assert (root / stage / "metrics.jsonl").read_text()
        assert any((root / stage / "checkpoints").iterdir())
    assert list((root / "gan" / "samples").glob("*.png"))


@pytest.mark.parametrize("name", LAUNCHERS)
def test_the_documentation_names_files_that_are_there(name, root, outputs):
    for pattern in pages.outputs(pages.STAGES[name]):
        assert list(root.glob(pattern)), pattern


def test_the_evaluation_has_exactly_the_numbers_asked_for(root, outputs):
    result = json.loads((root / "evaluation" / "result.json").read_text())
    assert NUMBERS - MAY_BE_UNDEFINED <= set(result) <= NUMBERS
    assert {type(value) for value in result.values()} == {float}
    # Even a training of seconds tells brown from blue.
    assert result["predictor.auc"] > 0.9


def test_strips_have_grad_cam_beside_them(root, outputs):
    with (root / "render" / "images.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6
    for row in rows:
        for column in ("original", "strip", "animation", "grad_cam"):
            assert (root / "render" / row[column]).stat().st_size > 0


def test_the_pipeline_skips_what_is_done(root, outputs):
    stages = [root / stage for stage in LAUNCHERS.values()]
    before = [(path / "complete.json").stat().st_mtime_ns for path in stages]
    status, said, seconds = launch("pipeline", root)
    assert status == 0, said
    after = [(path / "complete.json").stat().st_mtime_ns for path in stages]
    assert after == before
    assert said.count("complete and unchanged, skipped") == len(LAUNCHERS)
    assert "predictor.auc" in said and "report/index.html" in said
    # Nothing but imports.
    assert seconds < 60
    page = (root / "report" / "index.html").read_text()
    assert page.startswith("<!doctype html>")


def test_an_override_reruns_only_what_depends_on_it(root, outputs):
    flags = (f"--config={CONFIG}", "--config.report.images=3")
    status, said, _ = launch("pipeline", root, *flags)
    assert status == 0, said
    assert said.count("complete and unchanged, skipped") == len(LAUNCHERS) - 1
    assert "report: starting" in said
    result = json.loads((root / "report" / "result.json").read_text())
    assert result["shown"] == 3


@pytest.mark.parametrize(
    "name, flags, message",
    [
        ("train_gan", (), "run `python -m launch.prepare_data`"),
        ("prepare_data", ("--config=configs/ihc.py:huge",), "no variant"),
        (
            "prepare_data",
            (f"--config={CONFIG}", "--config.data.resolution=33"),
            "data.resolution = 33: use a power of two",
        ),
    ],
)
def test_a_wrong_start_says_what_to_do(name, flags, message, tmp_path):
    status, said, _ = launch(name, tmp_path / "run", *flags)
    assert status != 0
    assert message in said


@pytest.mark.parametrize("name, stage", LAUNCHERS.items())
def test_what_is_missing_names_its_launcher(name, stage, tmp_path):
    """Before each stage its inputs are asked for, in order."""
    from configs import ihc

    config = ihc.get_config("tiny")
    inputs = ["data", "classifier", "gan", "encoder", "direction"]
    inputs += ["render", "evaluation"]
    done = []
    for needed in inputs:
        try:
            workdir.begin(config, tmp_path, stage)
            break
        except workdir.WorkdirError as error:
            launcher = _launcher_named(str(error))
        assert LAUNCHERS[launcher] not in done
        assert list(LAUNCHERS).index(launcher) < list(LAUNCHERS).index(name)
        done.append(LAUNCHERS[launcher])
        here = workdir.stage(config, tmp_path, done[-1])
        here.path.mkdir(parents=True)
        workdir.finish(here, {}, 0.0)
        assert needed in inputs
    else:
        pytest.fail(f"{stage} asks for more than there is: {done}")
    assert bool(done) == (stage != "data")


def _launcher_named(message):
    (name,) = {name for name in LAUNCHERS if f"launch.{name}`" in message}
    return name

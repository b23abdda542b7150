"""The run folder: complete, changed, missing, damaged, extended."""

import json
import logging

import pytest

from jaxstyle import parallel, workdir
from jaxstyle.config import Config, GanConfig, PredictorConfig
from tests import fake_processes


def _finished(config, root, *names, result=None):
    for name in names:
        here = workdir.begin(config, root, name)
        workdir.finish(here, result or {"stage": name}, 1.5)


def _gan(**changes):
    return Config(gan=GanConfig(**changes))


def test_a_stage_is_complete_when_it_is_finished(tmp_path):
    config = Config()
    assert not workdir.is_complete(config, tmp_path, "data")
    here = workdir.begin(config, tmp_path, "data")
    assert here.path == tmp_path / "data" and here.path.is_dir()
    assert not workdir.is_complete(config, tmp_path, "data")
    workdir.finish(here, {"images": 3}, 2.5)
    assert workdir.is_complete(config, tmp_path, "data")
    assert workdir.result(config, tmp_path, "data") == {"images": 3}
    assert workdir.seconds(here) == 2.5


def test_a_stage_that_begins_again_is_not_complete(tmp_path):
    config = Config()
    _finished(config, tmp_path, "data")
    (tmp_path / "data" / "mine").touch()
    workdir.begin(config, tmp_path, "data")
    assert not workdir.is_complete(config, tmp_path, "data")
    # What is there is resumed.
    assert (tmp_path / "data" / "mine").exists()
    assert not list(tmp_path.glob("*.previous-*"))


def test_a_changed_config_moves_the_folder_aside(tmp_path, caplog):
    for turn, channels in enumerate((3, 1, 3)):
        config = Config()
        config.data.channels = channels
        here = workdir.begin(config, tmp_path, "data")
        (here.path / f"work_{turn}").touch()
        workdir.finish(here, {}, 1)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["data", "data.previous-1", "data.previous-2"]
    for turn, name in enumerate(("data.previous-1", "data.previous-2", "data")):
        assert (tmp_path / name / f"work_{turn}").exists()
        assert len(list((tmp_path / name).glob("work_*"))) == 1
    assert "data.previous-2" in caplog.text


@pytest.mark.parametrize(
    ("section", "field", "value", "outdated"),
    [
        ("data", "channels", 1, ("data", "classifier", "gan", "direction")),
        ("classifier", "epochs", 3, ("classifier", "direction")),
        ("gan", "r1_gamma", 9.0, ("gan", "direction")),
        ("gan", "kimg", 9.0, ("gan", "direction")),
        ("direction", "samples", 9, ("direction",)),
        ("report", "images", 9, ()),
    ],
)
def test_a_change_outdates_what_depends_on_it(
    tmp_path, section, field, value, outdated
):
    names = ("data", "classifier", "gan", "encoder", "direction")
    config = Config()
    _finished(config, tmp_path, *names)
    setattr(getattr(config, section), field, value)
    for name in ("data", "classifier", "gan", "direction"):
        complete = workdir.is_complete(config, tmp_path, name)
        assert complete == (name not in outdated), name


def test_the_seed_outdates_everything(tmp_path):
    _finished(Config(), tmp_path, "data", "gan")
    for name in ("data", "gan"):
        assert not workdir.is_complete(Config(seed=1), tmp_path, name)


@pytest.mark.parametrize(
    ("name", "done", "launcher"),
    [
        ("classifier", (), "prepare_data"),
        ("gan", (), "prepare_data"),
        ("encoder", ("data",), "train_gan"),
        ("direction", ("data", "gan"), "train_encoder"),
        ("direction", ("data", "gan", "encoder"), "train_classifier"),
        (
            "render",
            ("data", "classifier", "gan", "encoder"),
            "fit_direction",
        ),
        (
            "evaluation",
            ("data", "classifier", "gan", "encoder", "direction"),
            "render",
        ),
        (
            "report",
            ("data", "classifier", "gan", "encoder", "direction", "render"),
            "evaluate",
        ),
    ],
)
def test_a_missing_input_names_the_launcher(tmp_path, name, done, launcher):
    config = Config()
    _finished(config, tmp_path, *done)
    with pytest.raises(
        workdir.WorkdirError,
        match=rf"is missing: run `python -m launch\.{launcher}`",
    ):
        workdir.begin(config, tmp_path, name)
    assert not (tmp_path / name).exists()


def test_a_black_box_needs_no_classifier(tmp_path):
    config = Config(predictor=PredictorConfig(kind="callable", address="a:b"))
    _finished(config, tmp_path, "data", "gan", "encoder", "direction")
    assert workdir.is_complete(config, tmp_path, "direction")


def test_an_input_made_under_another_config_is_named(tmp_path):
    _finished(_gan(r1_gamma=1.0), tmp_path, "data", "gan")
    with pytest.raises(
        workdir.WorkdirError,
        match=r"gan was made under another config: run .*launch\.train_gan",
    ):
        workdir.begin(_gan(r1_gamma=2.0), tmp_path, "encoder")


def test_how_the_work_is_done_makes_no_other_result(tmp_path):
    config = Config(predictor=PredictorConfig(kind="callable", address="a:b"))
    stages = ("data", "gan", "encoder", "direction", "render")
    _finished(config, tmp_path, *stages)
    config.walk.writer_threads += 1
    config.predictor.cache = False
    config.predictor.http_timeout = 1.0
    assert all(workdir.is_complete(config, tmp_path, n) for n in stages)
    config.walk.refinements += 1
    assert not workdir.is_complete(config, tmp_path, "render")


def test_another_question_is_another_direction(tmp_path):
    config = Config()
    stages = ("data", "classifier", "gan", "encoder", "direction")
    _finished(config, tmp_path, *stages)
    config.target.threshold = 0.7
    done = [workdir.is_complete(config, tmp_path, n) for n in stages]
    assert done == [True] * 4 + [False]


# --- lengths


@pytest.mark.parametrize(
    "change",
    [{"kimg": 20.0}, {"sample_kimg": 1.0}, {"checkpoint_kimg": 1.0}],
)
def test_a_longer_training_goes_on_in_its_folder(tmp_path, change):
    _finished(_gan(kimg=10.0), tmp_path, "data", "gan")
    (tmp_path / "gan" / "mine").touch()
    longer = _gan(**{"kimg": 10.0} | change)
    assert not workdir.is_complete(longer, tmp_path, "gan")
    here = workdir.begin(longer, tmp_path, "gan")
    assert (here.path / "mine").exists()
    recorded = workdir.read_json(here.path / "config.json")
    assert recorded["gan"]["kimg"] == longer.gan.kimg
    workdir.finish(here, {}, 1)
    assert workdir.is_complete(longer, tmp_path, "gan")


@pytest.mark.parametrize(
    "change", [{"kimg": 5.0}, {"kimg": 20.0, "r1_gamma": 3.0}]
)
def test_a_shorter_or_another_training_starts_anew(tmp_path, change):
    """What was trained for longer cannot pass for a short training."""
    _finished(_gan(kimg=10.0), tmp_path, "data", "gan")
    (tmp_path / "gan" / "mine").touch()
    here = workdir.begin(_gan(**change), tmp_path, "gan")
    assert not (here.path / "mine").exists()
    assert (tmp_path / "gan.previous-1" / "mine").exists()


# --- files


def test_results_that_are_not_there_name_the_launcher(tmp_path):
    with pytest.raises(workdir.WorkdirError, match=r"launch\.evaluate"):
        workdir.result(Config(), tmp_path, "evaluation")


@pytest.mark.parametrize("name", ["complete.json", "result.json"])
def test_damaged_json_is_named(tmp_path, name):
    config = Config()
    _finished(config, tmp_path, "data")
    (tmp_path / "data" / name).write_text('{"half')
    read = {
        "complete.json": workdir.is_complete,
        "result.json": workdir.result,
    }[name]
    with pytest.raises(
        workdir.WorkdirError, match=rf"{name} is damaged .*; delete it and run"
    ):
        read(config, tmp_path, "data")


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    file = tmp_path / "result.json"
    workdir.write_json(file, {"a": 1})

    def fail(*_):
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(workdir.os, "replace", fail)
        with pytest.raises(OSError, match="no space"):
            workdir.write_json(file, {"a": 2})
    assert workdir.read_json(file) == {"a": 1}
    with pytest.raises(TypeError):
        workdir.write_json(file, {"a": object()})
    assert workdir.read_json(file) == {"a": 1}
    workdir.write_json(file, {"a": 3})
    assert json.loads(file.read_text()) == {"a": 3}
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]


def test_every_stage_has_its_files(tmp_path, caplog):
    caplog.set_level(logging.WARNING)
    paths = set()
    for name in workdir.STAGES:
        here = workdir.stage(Config(), tmp_path, name)
        assert here.path == tmp_path / name
        for file in ("checkpoints", "exported", "samples", "metrics"):
            path = getattr(here, file)
            assert path.parent == here.path
            paths.add(path)
    assert len(paths) == 4 * len(workdir.STAGES)
    assert not list(tmp_path.iterdir())


# --- several processes


def test_of_several_processes_the_first_one_writes(tmp_path, monkeypatch):
    """They take turns here; each step of theirs is written once."""
    processes = fake_processes.Processes(monkeypatch)
    _finished(_gan(r1_gamma=1.0), tmp_path, "data", "gan")
    config = _gan(r1_gamma=2.0)
    with processes.acting(0):
        workdir.begin(config, tmp_path, "gan")
        (tmp_path / "gan" / "mine").touch()
    with processes.acting(1):
        here = workdir.begin(config, tmp_path, "gan")
    assert here.path == tmp_path / "gan" and (here.path / "mine").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("data", "gan", "gan.previous-1")
    ]
    with processes.acting(0):
        workdir.finish(here, {"from": 0}, 1.0)
    with processes.acting(1):
        workdir.finish(here, {"from": 1}, 2.0)
    assert workdir.result(config, tmp_path, "gan") == {"from": 0}
    assert workdir.seconds(here) == 1.0


def test_a_missing_input_stops_all_processes(tmp_path, monkeypatch):
    processes = fake_processes.Processes(monkeypatch)
    with processes.acting(0), pytest.raises(workdir.WorkdirError):
        workdir.begin(Config(), tmp_path, "gan")
    with (
        processes.acting(1),
        pytest.raises(parallel.MainProcessError, match=r"launch\.prepare_data"),
    ):
        workdir.begin(Config(), tmp_path, "gan")


def test_what_looks_at_f_depends_on_it(tmp_path):
    """E only where its loss does, walks on projections only if they begin
    there."""
    config = Config()
    names = ("data", "classifier", "gan", "encoder", "direction", "render")
    for looks in (False, True):
        config.encoder.predictor_weight = float(looks)
        config.walk.project = looks
        root = tmp_path / str(looks)
        _finished(config, root, *names)
        config.classifier.epochs += 1
        assert workdir.is_complete(config, root, "encoder") != looks
        config.classifier.epochs -= 1
        config.project.steps += 1
        assert workdir.is_complete(config, root, "encoder")
        assert workdir.is_complete(config, root, "direction")
        assert workdir.is_complete(config, root, "render") != looks


def test_an_encoder_that_looks_at_f_needs_it(tmp_path):
    config = Config()
    config.encoder.predictor_weight = 1.0
    _finished(config, tmp_path, "data", "gan")
    with pytest.raises(workdir.WorkdirError, match="train_classifier"):
        workdir.begin(config, tmp_path, "encoder")

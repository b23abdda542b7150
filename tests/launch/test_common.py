"""What the launchers' main does around a stage."""

import logging
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from jaxstyle import parallel, pipeline, stopping
from launch import common
from tests import fake_processes, tiny
from tests.launch.started import REPOSITORY

_TELL = (
    "import sys, jax; from launch import common; common.prepare(sys.argv[1]); "
    "print(jax.config.jax_compilation_cache_dir)"
)


@pytest.fixture
def started(monkeypatch, tmp_path):
    """`common.main` with flags of these values, without absl's `app`."""
    flags = {
        "_CONFIG": tiny.config(),
        "_WORKDIR": str(tmp_path),
        "_DISTRIBUTED": False,
        "_COORDINATOR": "node:1",
        "_PROCESSES": 4,
        "_PROCESS_INDEX": 0,
    }
    for name, value in flags.items():
        monkeypatch.setattr(common, name, SimpleNamespace(value=value))
    given = []
    monkeypatch.setattr(
        parallel, "initialise", lambda *values: given.append(values)
    )
    # They would change the settings of this process.
    monkeypatch.setattr(common, "prepare", lambda root: None)
    monkeypatch.setattr(common.app, "run", lambda body: body(["launch"]))
    return given


def test_a_stage_gets_its_config_and_its_numbers_are_told(
    started, tmp_path, caplog
):
    caplog.set_level(logging.INFO)

    def stage(config, root):
        # Whoever asks for devices asks after this.
        assert started == [(False, "node:1", 4, 0)]
        assert (config.name, root) == ("tiny", str(tmp_path))
        return {"images": 3, "walk": {"flip_rate": 0.5}}

    common.main(stage)
    told = [record.getMessage().split() for record in caplog.records]
    assert told == [["images", "3"], ["walk.flip_rate", "0.5000"]]


def test_a_stopped_stage_ends_well(started, caplog):
    caplog.set_level(logging.INFO)

    def stage(config, root):
        raise stopping.Stopped("gan", 30, 100)

    common.main(stage)
    (record,) = caplog.records
    assert "step 30 of 100 saved" in record.getMessage()
    assert record.levelno == logging.INFO


def test_what_does_not_train_is_work_for_the_first_process(monkeypatch):
    processes = fake_processes.Processes(monkeypatch)
    ran = []

    def stage(config, root):
        ran.append(config)
        return {"by": config}

    for index in (0, 1):
        with processes.acting(index):
            assert pipeline.run_stage(stage, index, "root") == {"by": 0}
    assert ran == [0]


@pytest.mark.parametrize(
    "name", ["classifier", "gan", "encoder", "render", None]
)
def test_training_rendering_and_the_pipeline_are_everyones(monkeypatch, name):
    original = pipeline._RUN[name] if name else pipeline.run
    ran = []

    def stage(config, root):
        ran.append(config)
        return {"by": config}

    everyones = [run if run != original else stage for run in _everyones()]
    monkeypatch.setattr(pipeline, "_ON_ALL", tuple(everyones[1:]))
    monkeypatch.setattr(pipeline, "run", everyones[0])
    processes = fake_processes.Processes(monkeypatch)
    for index in (0, 1):
        with processes.acting(index):
            assert pipeline.run_stage(stage, index, "root") == {"by": index}
    assert ran == [0, 1]


def _everyones():
    return [pipeline.run, *pipeline._ON_ALL]


@pytest.mark.parametrize("own", [False, True])
def test_jax_s_own_setting_of_the_compilation_cache_wins(own, tmp_path):
    name = "JAX_COMPILATION_CACHE_DIR"
    environment = {k: v for k, v in os.environ.items() if k != name}
    if own:
        environment[name] = str(tmp_path / "for_all_runs")
    done = subprocess.run(
        [sys.executable, "-c", _TELL, str(tmp_path / "run")],
        cwd=REPOSITORY,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    folder = "for_all_runs" if own else "run/compilation_cache"
    assert done.stdout.strip() == str(tmp_path / folder)

"""Metrics on disk, and progress with speed and time left."""

import json
import logging
import math
from pathlib import Path

import jax.numpy as jnp
import pytest

from jaxstyle import run_log, workdir
from tests import fake_processes


@pytest.fixture
def path(tmp_path):
    return tmp_path / "metrics.jsonl"


def _steps(path):
    return [json.loads(line)["step"] for line in path.read_text().splitlines()]


def test_lines_are_written_and_read(path):
    log = run_log.RunLog(path, 0)
    assert log.last == {}
    log.write(1, {"loss": 0.1, "auc": 1})
    log.write(2, {"loss": 0.25})
    assert run_log.read_metrics(path) == [
        {"step": 1, "loss": 0.1, "auc": 1.0},
        {"step": 2, "loss": 0.25},
    ]


def test_a_missing_file_has_no_lines(path):
    assert run_log.read_metrics(path) == []


def test_resuming_drops_later_lines(path):
    log = run_log.RunLog(path, 0)
    for step in (1, 2, 3, 4):
        log.write(step, {"loss": step / 10})
    log = run_log.RunLog(path, 3)
    assert _steps(path) == [1, 2]
    assert log.last == {"step": 2, "loss": 0.2}
    log.write(3, {"loss": 0.9})
    assert [line["loss"] for line in run_log.read_metrics(path)] == [
        *(0.1, 0.2, 0.9)
    ]
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_resuming_from_the_start_drops_all(path):
    run_log.RunLog(path, 0).write(1, {"loss": 1})
    run_log.RunLog(path, 0)
    assert path.read_text() == ""


def test_a_half_written_last_line_is_dropped(path, caplog):
    log = run_log.RunLog(path, 0)
    log.write(1, {"loss": 0.5})
    with path.open("a") as file:
        file.write('{"step": 2, "lo')
    assert run_log.read_metrics(path) == [{"step": 1, "loss": 0.5}]
    assert "half-written" in caplog.text and str(path) in caplog.text
    run_log.RunLog(path, 9).write(2, {"loss": 0.4})
    assert _steps(path) == [1, 2]


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_a_value_that_is_not_finite_is_refused(path, value):
    log = run_log.RunLog(path, 0)
    log.write(1, {"loss": 1})
    with pytest.raises(
        run_log.NonFiniteError, match=rf"^loss_d is {value} at step 2 .*metrics"
    ):
        log.write(2, {"loss": 1.0, "loss_d": float(value)})
    assert _steps(path) == [1]


def test_the_step_of_a_bad_value_is_named_though_it_is_not_written(path):
    """Lines are for every so many steps; each step is looked at."""
    log = run_log.RunLog(path, 0)
    for step, loss in enumerate([1.0, 2.0, math.inf, math.nan, 5.0], 1):
        log.saw(step, {"loss_d": jnp.float32(loss), "loss_g": 0.5})
    with pytest.raises(run_log.NonFiniteError, match="loss_d is inf at step 3"):
        log.write(6, {"loss_d": 6.0})
    assert _steps(path) == []
    # What was told once is not told again.
    log.saw(7, {"loss_d": jnp.float32(7)})
    log.check()
    log.write(8, {"loss_d": 8.0})
    assert _steps(path) == [8]


@pytest.mark.skipif(
    not Path("/dev/full").exists(), reason="no /dev/full to be a full disk"
)
def test_a_full_disk_is_told(path):
    log = run_log.RunLog(path, 0)
    path.unlink()
    path.symlink_to("/dev/full")
    message = rf"{path} could not be written: No space left .* delete something"
    with pytest.raises(workdir.WorkdirError, match=message):
        log.write(1, {"loss": 1.0})


def test_of_several_processes_the_first_one_writes(path, monkeypatch):
    run_log.RunLog(path, 0).write(1, {"loss": 0.5})
    processes = fake_processes.Processes(monkeypatch)
    for index in (0, 1):
        with processes.acting(index):
            log = run_log.RunLog(path, 2)
            # A resumed trainer tells what it was last told: all the same.
            assert log.last == {"step": 1, "loss": 0.5}
            log.write(2, {"loss": 0.25 + index})
            # All of them stop, for all would otherwise wait for each other.
            with pytest.raises(run_log.NonFiniteError):
                log.write(3, {"loss": float("nan")})
    assert run_log.read_metrics(path) == [
        {"step": 1, "loss": 0.5},
        {"step": 2, "loss": 0.25},
    ]


# --- progress


class _Clock:
    def __init__(self, monkeypatch):
        self.now = 1000.0
        monkeypatch.setattr(run_log.time, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch):
    return _Clock(monkeypatch)


def _messages(caplog):
    return [record.getMessage() for record in caplog.records]


def test_progress_tells_speed_and_time_left(clock, caplog):
    caplog.set_level(logging.INFO)
    progress = run_log.Progress("gan", 4000, "images")
    clock.now += 300
    progress.update(100, "D 2.0")
    clock.now += 20
    progress.update(600, "D 1.0")
    # Compiling was slow, but then 500 in 20 s are 25 a second; 3400 are
    # left: 136 s.
    assert _messages(caplog) == [
        "gan: 100/4,000 images (2 %), begun D 2.0",
        "gan: 600/4,000 images (15 %), 25.0 images/s, 2:16 left D 1.0",
    ]


def test_speed_leaves_out_what_an_earlier_run_did(clock, caplog):
    caplog.set_level(logging.INFO)
    progress = run_log.Progress("gan", 2000, "images", done=1000)
    progress.update(1000)
    clock.now += 10
    progress.update(1100)
    # 100 in 10 s; 900 are left: 90 s.
    assert _messages(caplog) == [
        "gan: 1,100/2,000 images (55 %), 10.0 images/s, 1:30 left "
    ]


def test_progress_is_told_every_ten_seconds_and_at_the_end(clock, caplog):
    caplog.set_level(logging.INFO)
    progress = run_log.Progress("walks", 10, "images")
    for done in range(1, 11):
        clock.now += 4
        progress.update(done)
    told = [message.split()[1] for message in _messages(caplog)]
    assert told == ["3/10", "6/10", "9/10", "10/10"]
    assert "0:00 left" in caplog.text


def test_no_speed_is_no_division_by_zero(clock, caplog):
    caplog.set_level(logging.INFO)
    run_log.Progress("nothing", 0, "images").update(0)
    assert "0/0 images (0 %)" in caplog.text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        *((0, "0:00"), (59.4, "0:59"), (59.6, "1:00"), (61, "1:01")),
        *((3599, "59:59"), (3600, "1:00:00"), (90061, "25:01:01")),
    ],
)
def test_clock(seconds, text):
    assert run_log.clock(seconds) == text

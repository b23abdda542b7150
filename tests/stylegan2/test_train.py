"""The whole training: what it writes, and that resuming leaves no trace."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

from jaxstyle import checkpoints, run_log, stopping, workdir
from jaxstyle.config import ConfigError
from jaxstyle.optimisation import steps_for
from jaxstyle.stylegan2 import exports, train
from jaxstyle.stylegan2 import state as state_lib
from tests import compilations, tiny

STEPS = 8
# What a resume could lose: labels, and p on its way up between checkpoints.
OPTIONS = {
    "classes": 2,
    "augment": "blit",
    "augment_target": -0.9,
    "augment_interval": 5,
    "augment_kimg": 25 * tiny.KIMG,
}
REPOSITORY = Path(__file__).parents[2]


class _Recorded:
    """An iterator that notes the batches it hands out."""

    def __init__(self, iterator, seen, change=lambda number, batch: batch):
        self._iterator, self._seen, self._change = iterator, seen, change

    def __next__(self):
        batch = self._change(len(self._seen), next(self._iterator))
        self._seen.append(batch["image"].copy())
        return batch

    def get_state(self):
        return self._iterator.get_state()

    def set_state(self, state):
        self._iterator.set_state(state)


def _recording(monkeypatch, *change):
    seen, original = [], train.pipeline.training_batches
    monkeypatch.setattr(
        train.pipeline,
        "training_batches",
        lambda *args: _Recorded(original(*args), seen, *change),
    )
    return seen


class _Nowhere:
    """Takes the position of a checkpoint that is only looked at."""

    def get_state(self):
        return {}

    def set_state(self, state):
        self.position = state


def _checkpoint(config, root):
    """The newest saved state, and the position of the data."""
    stage = workdir.stage(config, root, "gan")
    saver = checkpoints.Checkpoints(stage.checkpoints, 2)
    position = _Nowhere()
    state = saver.restore_latest(state_lib.create(config), position)
    saver.close()
    return jax.device_get(state), position.position


def _assert_same(a, b):
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_array_equal(x, y)


def _assert_same_runs(config, root, other):
    """Bit for bit: state, data position, log, samples, exported tree."""
    states, positions = zip(
        *(_checkpoint(config, path) for path in (root, other)), strict=True
    )
    assert int(states[0].step) == STEPS
    _assert_same(*states)
    assert positions[0] == positions[1]
    a, b = (workdir.stage(config, path, "gan") for path in (root, other))
    # A stop has a line of its own, for its checkpoint.
    lines, again = (run_log.read_metrics(stage.metrics) for stage in (a, b))
    assert [line for line in again if line["step"] % 2 == 0] == lines
    names = sorted(path.name for path in a.samples.iterdir())
    assert names == sorted(path.name for path in b.samples.iterdir())
    for name in names:
        assert (a.samples / name).read_bytes() == (
            b.samples / name
        ).read_bytes()
    _assert_same(exports.load(config, root), exports.load(config, other))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """An uninterrupted run: config, root, result, batches, compilations."""
    root = tmp_path_factory.mktemp("gan") / "whole"
    config = tiny.prepared(root, **OPTIONS)
    with pytest.MonkeyPatch.context() as patch:
        seen = _recording(patch)
        with compilations.counted() as compiled:
            result = train.run(config, root)
    return config, root, result, seen, compiled.names


def test_the_result_and_the_files(whole):
    config, root, result, _, _ = whole
    state, _ = _checkpoint(config, root)
    leaves = jax.tree.leaves(state.g_params)
    assert result == {
        "steps": STEPS,
        "kimg": STEPS * 8 / 1000,
        "path_length": float(state.pl_mean),
        "augment_p": pytest.approx(5 / 25),
        "parameters_g": sum(leaf.size for leaf in leaves),
        "parameters_d": sum(
            leaf.size for leaf in jax.tree.leaves(state.d_params)
        ),
    }
    assert workdir.is_complete(config, root, "gan")
    assert workdir.result(config, root, "gan") == result
    stage = workdir.stage(config, root, "gan")
    grids = sorted(path.name for path in stage.samples.iterdir())
    assert grids == ["kimg_00000.032.png", "kimg_00000.064.png"]
    with Image.open(stage.samples / grids[-1]) as grid:
        assert grid.size == (8 * tiny.SIDE, 8 * tiny.SIDE)
    assert sorted(_saved(stage)) == ["6", "8"]


def test_what_is_exported_is_the_average(whole):
    config, root, _, _, _ = whole
    state, _ = _checkpoint(config, root)
    exported = exports.load(config, root)
    _assert_same(exported["g_ema"], state.g_ema)
    _assert_same(exported["d_params"], state.d_params)
    np.testing.assert_array_equal(exported["w_avg"], state.w_avg)


def test_metrics_are_logged_with_each_checkpoint(whole):
    config, root, _, _, _ = whole
    lines = run_log.read_metrics(workdir.stage(config, root, "gan").metrics)
    assert [line["step"] for line in lines] == [2, 4, 6, 8]
    assert [line["images"] for line in lines] == [16, 32, 48, 64]
    names = {"loss_d", "loss_g", "sign_real", "r1", "path_length", "augment_p"}
    assert all(names <= set(line) for line in lines)
    # R1 runs before steps 0, 3 and 6, so two lines tell the same one.
    r1 = [line["r1"] for line in lines]
    assert len(set(r1)) == 3 and r1[2] != r1[3]


def test_every_step_is_compiled_once(whole):
    # The three steps and the sample grid.
    assert whole[-1].count(compilations.MAPPED) == 4


def test_an_epoch_shows_every_image_once(whole):
    seen = np.concatenate(whole[3]).reshape(STEPS * 8, -1)
    pixels = np.round(tiny.images(48)[:32] * 127.5 + 127.5)
    first = np.sort(seen[:32].mean(axis=1))
    expected = np.sort(pixels.reshape(32, -1).mean(axis=1) / 127.5 - 1)
    np.testing.assert_allclose(first, expected, atol=1e-2)
    assert len(np.unique(seen[:32], axis=0)) == 32


def test_an_extended_training_is_an_uninterrupted_one(whole, monkeypatch):
    config, root, result, batches, _ = whole
    other = tiny.another(root, "extended")
    seen = _recording(monkeypatch)
    half = tiny.prepared(other, **OPTIONS, kimg=4 * tiny.KIMG)
    assert train.run(half, other)["steps"] == 4
    assert workdir.is_complete(half, other, "gan")
    assert not workdir.is_complete(config, other, "gan")
    assert train.run(config, other) == result
    np.testing.assert_array_equal(seen, batches)
    _assert_same_runs(config, root, other)


def test_a_finished_training_is_not_trained_again(whole, monkeypatch):
    config, root, result, _, _ = whole
    before = _checkpoint(config, root)
    seen = _recording(monkeypatch)
    assert train.run(config, root) == result
    assert not seen
    _assert_same(before[0], _checkpoint(config, root)[0])


# --- stopped


def test_a_signal_saves_and_a_stopped_training_goes_on_as_if_nothing_were(
    whole, monkeypatch
):
    config, root, result, batches, _ = whole
    other = tiny.another(root, "stopped")

    def stop_in_step_3(number, batch):
        if number == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return batch

    seen = _recording(monkeypatch, stop_in_step_3)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(stopping.Stopped, match=r"gan: .* step 3 of 8 saved"):
        train.run(config, other)
    assert signal.getsignal(signal.SIGTERM) is before
    stage = workdir.stage(config, other, "gan")
    assert "3" in os.listdir(stage.checkpoints)
    assert not workdir.is_complete(config, other, "gan")
    assert train.run(config, other) == result
    np.testing.assert_array_equal(seen, batches)
    _assert_same_runs(config, root, other)


def test_the_launcher_ends_cleanly_on_a_signal(whole):
    config, root, _, _, _ = whole
    other = tiny.another(root, "terminated")
    process = _launch(config, other, kimg=100.0)
    metrics = workdir.stage(config, other, "gan").metrics
    _wait(process, lambda: metrics.exists() and metrics.read_text())
    process.send_signal(signal.SIGTERM)
    log = other.with_suffix(".log")
    assert process.wait(timeout=120) == 0, log.read_text()
    told = log.read_text()
    assert "goes on from there" in told and "Traceback" not in told
    steps = [int(line["step"]) for line in run_log.read_metrics(metrics)]
    assert str(steps[-1]) in os.listdir(metrics.parent / "checkpoints")


# --- killed


def _launch(config, root, kimg=8 * tiny.KIMG):
    """Starts the launcher on `config`, in a process of its own."""
    file = root.with_name("tiny_config.py")
    file.write_text(
        "from tests import tiny\n\n\ndef get_config():\n"
        f"    return tiny.config(data={{'source': 'npz', "
        f"'path': {config.data.path!r}}}, **{OPTIONS | {'kimg': kimg}})\n"
    )
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    with root.with_suffix(".log").open("w") as output:
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "launch.train_gan"),
                *(f"--config={file}", f"--workdir={root}"),
            ],
            cwd=REPOSITORY,
            env=environment,
            stdout=output,
            stderr=output,
        )


def _wait(process, condition):
    """Until the condition holds, or the process ends."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and process.poll() is None:
        if condition():
            return
        time.sleep(0.001)


def _kill_in_checkpoint(process, folder, step):
    """Kills it as soon as the checkpoint's temporary folder is there.

    Returns whether it was killed before the folder had its final name.
    """
    prefix = f"{step}.orbax-checkpoint-tmp"

    def writing():
        with contextlib.suppress(FileNotFoundError):
            return any(name.startswith(prefix) for name in os.listdir(folder))

    _wait(process, writing)
    process.send_signal(signal.SIGKILL)
    process.wait()
    names = os.listdir(folder)
    unfinished = any(name.startswith(prefix) for name in names)
    return unfinished and str(step) not in names


def test_a_training_killed_in_a_checkpoint_goes_on_as_if_nothing_were(
    whole, monkeypatch
):
    config, root, result, batches, _ = whole
    for attempt in range(3):  # the process may win the race, once in a while
        other = tiny.another(root, f"killed_{attempt}")
        process = _launch(config, other)
        stage = workdir.stage(config, other, "gan")
        if _kill_in_checkpoint(process, stage.checkpoints, 4):
            break
    else:
        pytest.fail(other.with_suffix(".log").read_text())
    assert process.returncode == -signal.SIGKILL
    assert "2" in os.listdir(stage.checkpoints)
    assert not workdir.is_complete(config, other, "gan")
    # What a kill in the middle of a line leaves.
    with stage.metrics.open("a") as file:
        file.write('{"step": 5, "imag')

    seen = _recording(monkeypatch)
    with compilations.counted() as compiled:
        assert train.run(config, other) == result
    # A restored state compiles no step twice.
    assert compiled.names.count(compilations.MAPPED) == 4
    np.testing.assert_array_equal(seen, batches[2:])
    _assert_same_runs(config, root, other)


def test_a_training_killed_at_random_points_goes_on_as_if_nothing_were(whole):
    """Killed three times between its start and its end, once with a save."""
    config, root, result, _, _ = whole
    other = tiny.another(root, "killed_at_random")
    seed = random.SystemRandom().randrange(10**6)
    draw = random.Random(seed)
    stage = workdir.stage(config, other, "gan")
    ended = []
    for attempt in range(3):
        process = _launch(config, other)
        # Compiling is most of its time; the moments after it count.
        saved = len(_files(stage.path)) if stage.path.exists() else 0
        more = draw.randrange(1, 40)

        def reached(files=saved + more, first=attempt == 0):
            return len(_files(stage.path)) >= files and (
                not first or _saved(stage)
            )

        _wait(process, reached)
        time.sleep(draw.random() * 0.05)
        process.kill()
        ended.append(process.wait())
        if attempt == 0:
            log = other.with_suffix(".log").read_text()
            assert ended == [-signal.SIGKILL] and _saved(stage), log
    # It may win a later race.
    assert set(ended) <= {0, -signal.SIGKILL}, f"seed {seed}: {ended}"
    assert train.run(config, other) == result, f"seed {seed}"
    _assert_same_runs(config, root, other)


def _saved(stage):
    """The steps of its whole checkpoints."""
    if not stage.checkpoints.exists():
        return []
    return [name for name in os.listdir(stage.checkpoints) if name.isdigit()]


def _files(folder):
    """Every file there, as far as they stay while one looks."""
    return [name for _, _, names in os.walk(folder) for name in names]


# --- from another run


def test_a_transferred_training_goes_on_as_if_nothing_were(whole, monkeypatch):
    """D's frozen layers stay the donor's; only the first start takes them."""
    _, root, _, _, _ = whole
    options = {"transfer": str(root), "freeze_d": 1, "kimg": 4 * tiny.KIMG}
    runs = [tiny.another(root, name) for name in ("taken", "taken_stopped")]
    config = tiny.prepared(runs[0], **OPTIONS | options)
    train.run(config, runs[0])
    with monkeypatch.context() as patch:
        patch.setattr(
            stopping.StopSignals, "requested", lambda self, step: step == 3
        )
        with pytest.raises(stopping.Stopped):
            train.run(config, runs[1])
    with monkeypatch.context() as patch:
        patch.setattr(train.transfer, "started_from", None)
        train.run(config, runs[1])
    whole_run, stopped = (exports.load(config, run) for run in runs)
    _assert_same(whole_run, stopped)
    donor = exports.load(whole[0], root)
    layers, theirs = (tree["d_params"]["params"] for tree in (whole_run, donor))
    _assert_same(layers["conv_8_0"], theirs["conv_8_0"])
    assert not np.array_equal(
        layers["last"]["kernel"], theirs["last"]["kernel"]
    )


# --- refused


def _poisoned(stage):
    """At step 3, of which neither a line nor a checkpoint is due."""

    def poison(number, batch):
        image = np.full_like(batch["image"], np.nan if number == 2 else 0.5)
        return batch | {"image": image}

    del stage
    return poison


def _full(stage):
    """There is no room for the metrics' line of step 4."""

    def fill(number, batch):
        if number == 3:
            stage.metrics.rename(stage.metrics.with_suffix(".before"))
            stage.metrics.symlink_to("/dev/full")
        return batch

    return fill


@pytest.mark.parametrize(
    ("hindrance", "error", "message"),
    [
        (_poisoned, run_log.NonFiniteError, "is nan at step 3 "),
        (_full, workdir.WorkdirError, r"metrics\.jsonl could not be written"),
    ],
)
def test_a_failing_training_leaves_its_last_checkpoint(
    whole, monkeypatch, hindrance, error, message
):
    config, root, _, _, _ = whole
    other = tiny.another(root, hindrance.__name__)
    stage = workdir.stage(config, other, "gan")
    _recording(monkeypatch, hindrance(stage))
    with pytest.raises(error, match=message):
        train.run(config, other)
    # The save that was under way at that time is whole.
    assert [path.name for path in stage.checkpoints.iterdir()] == ["2"]
    assert int(_checkpoint(config, other)[0].step) == 2
    assert not workdir.is_complete(config, other, "gan")
    before = stage.metrics.with_suffix(".before")
    written = before if before.exists() else stage.metrics
    assert [line["step"] for line in run_log.read_metrics(written)] == [2]


def test_labels_beyond_the_classes_are_refused(whole):
    _, root, _, _, _ = whole
    other = tiny.another(root, "labels")
    config = tiny.prepared(other, classes=1)
    with pytest.raises(ConfigError, match=r"gan\.classes = 1: .*use 2 classes"):
        train.run(config, other)


@pytest.mark.parametrize(
    ("batch", "group", "shrink", "multiple"), [(3, 1, 1, 2), (12, 4, 3, 24)]
)
def test_a_batch_that_does_not_divide_is_refused(
    whole, batch, group, shrink, multiple
):
    _, root, _, _, _ = whole
    other = tiny.another(root, f"uneven_{batch}")
    config = tiny.prepared(
        other, batch_size=batch, mbstd_group=group, path_length_shrink=shrink
    )
    message = (
        f"batch_size = {batch} does not divide among 2 .* "
        f"multiple of {multiple}$"
    )
    with pytest.raises(ValueError, match=message):
        train.run(config, other)


@pytest.mark.parametrize(
    ("kimg", "batch", "steps"),
    [(1, 32, 32), (0.064, 8, 8), (0.065, 8, 9), (0.001, 32, 1), (1e-6, 8, 1)],
)
def test_steps_show_at_least_the_images_asked_for(kimg, batch, steps):
    assert steps_for(kimg, batch) == steps


def test_loading_before_training_says_what_to_do(tmp_path):
    config = tiny.config()
    with pytest.raises(FileNotFoundError, match=r"gan.*run its stage first"):
        exports.load(config, tmp_path)

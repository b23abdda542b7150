"""Real signals, in this process and in others."""

import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import textwrap
import threading

import pytest

from jaxstyle import stopping

ROOT = pathlib.Path(__file__).parents[1]


def _send(number):
    """A signal, whose handler has run when this returns."""
    os.kill(os.getpid(), number)


@pytest.fixture(autouse=True)
def noted():
    """Signals that reach the handlers of before."""
    seen = []
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [
        signal.signal(number, lambda number, _: seen.append(number))
        for number in numbers
    ]
    installed = [signal.getsignal(number) for number in numbers]
    yield seen
    assert [signal.getsignal(number) for number in numbers] == installed
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_asks_to_stop_after_the_step(noted, caplog, number):
    with (
        contextlib.suppress(stopping.Stopped),
        stopping.StopSignals() as signals,
    ):
        for step in range(1, 10):
            if step == 3:
                _send(number)
                told = caplog.text
            if signals.requested(step):
                raise stopping.Stopped("gan", step, 9)
    assert step == 3
    assert f"{number.name}: will save and stop after this step" in told
    assert "saving and stopping after step 3" in caplog.text
    assert noted == []  # it is answered


def test_without_a_signal_nothing_stops(noted, caplog):
    with stopping.StopSignals() as signals:
        assert not any(signals.requested(step) for step in range(100))
    assert noted == [] and caplog.text == ""


def test_a_second_interrupt_stops_at_once():
    with (
        pytest.raises(KeyboardInterrupt),
        stopping.StopSignals() as signals,
    ):
        _send(signal.SIGINT)
        assert signals.requested(1)
        _send(signal.SIGINT)
        pytest.fail("went on")


@pytest.mark.parametrize(
    "numbers",
    [
        (signal.SIGTERM, signal.SIGTERM),
        (signal.SIGTERM, signal.SIGINT),
        (signal.SIGINT, signal.SIGTERM),
    ],
)
def test_other_second_signals_ask_again(numbers):
    with (
        pytest.raises(stopping.Stopped),
        stopping.StopSignals() as signals,
    ):
        for number in numbers:
            _send(number)
        assert signals.requested(1)
        raise stopping.Stopped("gan", 1, 2)


def test_handlers_are_restored_after_an_error(noted):
    with pytest.raises(ZeroDivisionError), stopping.StopSignals():
        _send(signal.SIGTERM)
        1 / 0  # noqa: B018
    assert noted == []
    _send(signal.SIGTERM)
    assert noted == [signal.SIGTERM]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_that_comes_too_late_is_not_lost(noted, number):
    with stopping.StopSignals() as signals:
        assert not signals.requested(9)
        _send(number)
        assert noted == []
    assert noted == [number]


def test_a_thread_installs_nothing(noted):
    before = signal.getsignal(signal.SIGTERM)
    seen = []

    def work():
        with stopping.StopSignals() as signals:
            seen.append(signal.getsignal(signal.SIGTERM) is before)
            _send(signal.SIGTERM)
            seen.append(signals.requested(1))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [True, False]
    assert noted == [signal.SIGTERM]


def test_the_message_says_what_was_done():
    assert str(stopping.Stopped("gan", 30, 100)) == (
        "gan: stopped as asked, with step 30 of 100 saved; the same command "
        "goes on from there"
    )


# --- other processes

_TRAINER = """
    import contextlib, json, os, pathlib, sys, time
    # What is told has a pipe of its own: Gloo writes on standard output, too,
    # in the middle of other lines.
    pipe = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    index, processes, port, path = *map(int, sys.argv[1:4]), sys.argv[4]
    import jax
    import jax.numpy as jnp
    import numpy as np
    from jax.experimental import multihost_utils
    from jaxstyle import checkpoints, parallel, stopping

    if processes > 1:
        parallel.initialise(False, f"localhost:{port}", processes, index)

    class Position:
        at = 0

        def get_state(self):
            return {"at": self.at}

        def set_state(self, state):
            self.at = state["at"]

    def step(state, batch):
        mean = parallel.pmean(jnp.mean(batch), parallel.AXIS)
        return {"x": state["x"] + mean}, mean

    def restored():
        saver = checkpoints.Checkpoints(pathlib.Path(path), 2)
        position = Position()
        like = {"x": jnp.zeros((64, 64))}
        state = parallel.replicated(saver.restore_latest(like, position))
        multihost_utils.sync_global_devices("everyone has read it")
        return saver, position, state

    def tell(**values):
        print(json.dumps(values), file=pipe, flush=True)

    run = parallel.train_step(step)
    ones = np.ones(2 * jax.local_device_count(), np.float32)
    saver, position, state = restored()
    tell(first=position.at)
    try:
        with stopping.StopSignals() as signals, contextlib.closing(saver):
            for done in range(position.at + 1, 100_000):
                state, _ = run(state, parallel.shard(ones))
                jax.block_until_ready(state)
                position.at = done
                stopped = signals.requested(done)
                if done % 50 == 0 or stopped:
                    saver.save(done, state, position)
                if done == 60:
                    tell(ready=os.getpid())
                if stopped:
                    raise stopping.Stopped("sum", done, 100_000)
                time.sleep(0.005)
    except stopping.Stopped as error:
        tell(stopped=str(error))
    again, found, whole = restored()
    again.close()
    tell(at=found.at, sums=np.unique(whole["x"]).tolist())
    # One damaged checkpoint: all processes go back to the same older one.
    newest = pathlib.Path(path) / str(found.at)
    parallel.on_main(lambda: (newest / "record/metadata").write_text("") and 0)
    again, found, whole = restored()
    again.close()
    tell(at=found.at, sums=np.unique(whole["x"]).tolist())
    checkpoints.save_tree(pathlib.Path(path) / "params", whole)
    params = checkpoints.load_tree(pathlib.Path(path) / "params", whole)
    tell(params=np.unique(params["x"]).tolist())
"""


def _free_port():
    with socket.socket() as sock:
        sock.bind(("localhost", 0))
        return sock.getsockname()[1]


def _start(index, count, port, path, log):
    script = textwrap.dedent(_TRAINER)
    arguments = [str(index), str(count), str(port), str(path)]
    flags = "--xla_force_host_platform_device_count=2"
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        cwd=ROOT,
        env=os.environ | {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags},
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
    )


@contextlib.contextmanager
def _trainers(count, path):
    """`count` processes of one training, killed in the end if need be.

    By SIGKILL: JAX keeps SIGTERM for itself where there are several.
    """
    port = _free_port()
    with contextlib.ExitStack() as stack:
        running = []
        for index in range(count):
            name = path.with_name(f"{path.name}.{index}.log")
            log = stack.enter_context(name.open("w"))
            process = _start(index, count, port, path, log)
            running.append(stack.enter_context(process))
            stack.callback(process.kill)
        yield running


def _told(process):
    line = process.stdout.readline()
    assert line, "ended without a word"
    return json.loads(line)


@pytest.mark.parametrize(
    ("count", "number"),
    [(1, signal.SIGTERM), (1, signal.SIGINT), (2, signal.SIGTERM)],
)
def test_trainers_stop_after_the_same_step_and_have_saved_it(
    tmp_path, count, number
):
    with _trainers(count, tmp_path / "checkpoints") as running:
        for process in running:
            assert _told(process) == {"first": 0}
        for process in running:
            assert _told(process) == {"ready": process.pid}
        running[-1].send_signal(number)  # one of them
        stopped = {_told(process)["stopped"] for process in running}
        assert len(stopped) == 1
        last = int(stopped.pop().split("step ")[1].split(" of")[0])
        assert last >= 60
        older = (last - 1) // 50 * 50
        for process in running:
            assert _told(process) == {"at": last, "sums": [last]}
            assert _told(process) == {"at": older, "sums": [older]}
            assert _told(process) == {"params": [older]}
        for process in running:
            assert process.wait(60) == 0

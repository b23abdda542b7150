"""Devices: mapped steps, padding, batches that do not divide."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxstyle import parallel
from tests import compilations, fake_processes


def _step(state, batch):
    mean = parallel.pmean(jnp.mean(batch), parallel.AXIS)
    return {"sum": state["sum"] + mean}, {"mean": mean}


def test_a_step_sees_the_whole_batch_and_returns_one_state():
    step = parallel.train_step(_step)
    batch = np.arange(8, dtype=np.float32)
    state, metrics = step({"sum": jnp.zeros(())}, parallel.shard(batch))
    assert state["sum"].shape == () == metrics["mean"].shape
    assert float(state["sum"]) == float(metrics["mean"]) == 3.5
    assert state["sum"].sharding.is_fully_replicated


def test_the_state_is_donated():
    step = parallel.train_step(_step)
    state = parallel.replicated({"sum": jnp.zeros(())})
    step(state, parallel.shard(np.ones(2, np.float32)))
    assert state["sum"].is_deleted()


def test_a_replicated_state_compiles_a_step_once():
    # A function of its own, which no other test has compiled.
    step = parallel.train_step(lambda *arguments: _step(*arguments))
    state = parallel.replicated({"sum": jnp.zeros(())})
    batch = parallel.shard(np.ones(2, np.float32))
    with compilations.counted() as compiled:
        for _ in range(3):
            state, _ = step(state, batch)
    assert compiled.names.count(compilations.MAPPED) == 1
    assert float(state["sum"]) == 3


def test_replicated_keeps_the_values():
    tree = {"a": np.arange(3), "b": [jnp.ones((2, 2))]}
    copy = parallel.replicated(tree)
    for leaf in jax.tree.leaves(copy):
        assert len(leaf.sharding.device_set) == 2
    np.testing.assert_array_equal(copy["a"], tree["a"])
    np.testing.assert_array_equal(copy["b"][0], np.ones((2, 2)))


def test_pmean_outside_of_a_mapped_step_changes_nothing():
    tree = {"x": jnp.arange(3)}
    assert parallel.pmean(tree, None) is tree


def test_sample_ids_count_over_devices():
    np.testing.assert_array_equal(parallel.sample_ids(3, None), [0, 1, 2])
    ids = jax.pmap(
        lambda x: parallel.sample_ids(len(x), parallel.AXIS),
        axis_name=parallel.AXIS,
    )(np.zeros((2, 3), np.float32))
    np.testing.assert_array_equal(ids, [[0, 1, 2], [3, 4, 5]])
    assert ids.dtype == jnp.int32


def test_shard_splits_in_order():
    tree = parallel.shard({"x": np.arange(12).reshape(4, 3)})
    np.testing.assert_array_equal(tree["x"], np.arange(12).reshape(2, 2, 3))
    with pytest.raises(ValueError, match=r"5 images .* 2 devices"):
        parallel.shard(np.zeros(5))


def test_padding_repeats_the_last_row():
    array = np.arange(6).reshape(3, 2)
    np.testing.assert_array_equal(
        parallel.padded(array, 5), [[0, 1], [2, 3], [4, 5], [4, 5], [4, 5]]
    )
    assert parallel.padded(array, 3) is array


@pytest.mark.parametrize(("batch", "multiple"), [(2, 1), (6, 1), (8, 4)])
def test_local_batch(batch, multiple):
    assert parallel.local_batch(batch, multiple) == batch


@pytest.mark.parametrize(("batch", "multiple"), [(3, 1), (4, 4), (12, 4)])
def test_an_uneven_batch_is_refused(batch, multiple):
    message = (
        rf"^batch_size = {batch} .* 2 devices .* multiple of {2 * multiple}$"
    )
    with pytest.raises(ValueError, match=message):
        parallel.local_batch(batch, multiple)


@pytest.mark.parametrize("count", [1, 2, 7])
def test_map_batch_takes_any_number_of_rows(count):
    run = parallel.map_batch(
        lambda scale, x, y: {"z": x * scale + y}, batched_arguments=2
    )
    x = np.random.default_rng(0).standard_normal((count, 3), np.float32)
    out = run(jnp.float32(2), x, x + 1)
    assert isinstance(out["z"], np.ndarray)
    np.testing.assert_allclose(out["z"], 3 * x + 1, atol=1e-6)


def test_batched_compiles_once_for_a_ragged_end():
    shapes = []

    def function(scale, x):
        shapes.append(x.shape)
        return x * scale

    run = parallel.batched(function, 4)
    x = np.random.default_rng(0).standard_normal((11, 3), np.float32)
    np.testing.assert_allclose(run(jnp.float32(2), x), 2 * x, rtol=1e-6)
    np.testing.assert_allclose(run(jnp.float32(3), x[:1]), 3 * x[:1], rtol=1e-6)
    # Traced once, for one device's share of 4 rows.
    assert shapes == [(2, 3)]
    with pytest.raises(ValueError, match="no images"):
        run(jnp.float32(2), x[:0])


# --- several processes


@pytest.fixture
def initialised(monkeypatch):
    """What `jax.distributed.initialize` was called with, call by call.

    "together" stands for the first collective, for which all are there.
    """
    calls = []
    monkeypatch.setattr(
        jax.distributed, "initialize", lambda *given: calls.append(given)
    )
    monkeypatch.setattr(parallel, "_meet", lambda: calls.append("together"))
    return calls


def test_one_process_needs_no_coordinator(initialised):
    parallel.initialise()
    assert initialised == []
    parallel.initialise(coordinator="node-0:1234", processes=2, process_index=0)
    parallel.initialise(distributed=True)
    assert initialised == [("node-0:1234", 2, 0), "together", (), "together"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"processes": 2},
            r"^coordinator, process_index: not given; .*together",
        ),
        ({"process_index": 0}, "^coordinator, processes: not given"),
        ({"coordinator": "a:1", "process_index": 0}, "^processes: not given"),
        (
            {"coordinator": "a", "processes": 2, "process_index": 0},
            "coordinator = 'a': use host:port",
        ),
        (
            {"coordinator": "a:1", "processes": 2, "process_index": 2},
            "process_index = 2: use 0 to 1 for processes = 2",
        ),
        (
            {"distributed": True, "processes": 2},
            "^processes: not used with distributed",
        ),
    ],
)
def test_half_given_processes_are_refused(initialised, given, message):
    with pytest.raises(ValueError, match=message):
        parallel.initialise(**given)
    assert initialised == []


def test_no_pod_says_what_to_give(monkeypatch):
    def fail():
        raise ValueError("coordinator_address should be defined.")

    monkeypatch.setattr(jax.distributed, "initialize", fail)
    with pytest.raises(ValueError, match=r"no pod .*; give coordinator"):
        parallel.initialise(distributed=True)


def test_the_main_process_works_and_tells_the_others(monkeypatch):
    processes = fake_processes.Processes(monkeypatch)
    worked = []

    def work(value):
        # What is called by the work is part of it.
        assert parallel.on_main(lambda: "inner") == "inner"
        worked.append(value)
        return {"value": value}

    for index in (0, 1):
        with processes.acting(index):
            assert parallel.is_main() == (index == 0)
            for value in (1.5, None):
                told = parallel.on_main(lambda value=value: work(value))
                assert told == {"value": value}
    assert worked == [1.5, None]


def test_a_failure_of_the_main_process_is_everyones(monkeypatch):
    processes = fake_processes.Processes(monkeypatch)

    def fail():
        raise OSError("disk full")

    with processes.acting(0), pytest.raises(OSError, match="disk full"):
        parallel.on_main(fail)
    with (
        processes.acting(1),
        pytest.raises(
            parallel.MainProcessError,
            match=r"^process 0 failed: OSError: disk full$",
        ),
    ):
        parallel.on_main(fail)
    # What cannot be told is a failure, too.
    with processes.acting(0):
        parallel.on_main(lambda: None)
        with pytest.raises(TypeError):
            parallel.on_main(object)
        assert parallel.on_main(lambda: 3) == 3


@pytest.mark.parametrize("backend", ["cpu", "gpu"])
def test_a_loop_ends_where_its_steps_lead(monkeypatch, backend):
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    run = parallel.map_loop(
        lambda k, x, y: {"x": x, "y": y, "round": jnp.zeros((), jnp.int32)},
        lambda k, carry: {
            "x": k["factor"] * carry["x"] + carry["y"],
            "y": carry["y"],
            "round": carry["round"] + 1,
        },
        steps=3,
        batched_arguments=2,
    )
    x, y = np.arange(10.0, dtype=np.float32).reshape(5, 2), np.ones((5, 2))
    end = run({"factor": jnp.float32(2)}, x, y.astype(np.float32))
    np.testing.assert_array_equal(end["x"], 8 * x + 7)
    np.testing.assert_array_equal(end["round"], [3, 3])

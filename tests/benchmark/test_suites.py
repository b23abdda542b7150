"""Each suite at its smallest: rows as docs/performance.md reads them."""

import dataclasses
import functools
import json
import logging

import jax
import numpy as np
import pytest

from jaxstyle.benchmark import (
    child,
    comparison,
    devices,
    first_step,
    formulations,
    gpu256,
    input_pipeline,
    machine,
    operations,
    peers,
    phases,
    precision,
    rendering,
    subjects,
    suites,
    timing,
)
from jaxstyle.data import pipeline
from tests.benchmark import tiny

SETTINGS = tiny.SETTINGS


def _is_ratio(value):
    return 0 < value["min"] <= value["median"] <= value["max"]


def _timed(rows):
    """The rows that hold a speed, each checked."""
    found = [row for row in rows if "seconds" in row]
    for row in found:
        assert row["images_per_second"] > 0
        assert 1 <= len(row["seconds"]) <= SETTINGS.rounds
    return found


@pytest.fixture
def without_torch(monkeypatch):
    reason = f"torch is not installed: {peers.INSTALL}"
    monkeypatch.setattr(peers, "missing", lambda name: reason)
    return reason


def test_steps_are_measured_without_the_packages(without_torch, caplog):
    with caplog.at_level(logging.INFO):
        rows = comparison.training(SETTINGS)
    ours = _timed(rows)
    assert [row["phase"] for row in ours] == list(subjects.PHASES)
    assert {row["subject"] for row in ours} == {"jaxstyle"}
    assert all(min(row["parameters"].values()) > 0 for row in ours)
    # Half the batch for path lengths.
    speeds = [row["images_per_second"] for row in ours]
    medians = [np.median(row["seconds"]) for row in ours]
    np.testing.assert_allclose(np.multiply(speeds, medians), [8, 8, 4])
    absent = [row for row in rows if "missing" in row]
    assert len(absent) == 3 * len(peers.NAMES)
    assert {row["missing"] for row in absent} == {without_torch}
    assert "pip install" in without_torch
    assert "(1 of 1)" in caplog.text


def test_synthesis_is_measured(without_torch):
    (row,) = _timed(comparison.synthesis(SETTINGS))
    assert row["phase"] == "synthesis"
    assert row["resolution"] == 8
    # These sizes are not the documented ones.
    assert "documented" not in row


def test_a_package_that_does_not_import_is_told(monkeypatch):
    monkeypatch.setattr(peers, "missing", lambda name: "")
    monkeypatch.setattr(
        comparison.torch_subjects,
        "make",
        functools.partial(_fail, ImportError("no distutils")),
    )
    rows = comparison.synthesis(SETTINGS)
    told = {row["missing"] for row in rows if "missing" in row}
    assert told == {
        f"{name} does not import: no distutils" for name in peers.NAMES
    }


def _fail(error, *_):
    raise error


def test_only_the_main_step_is_taken_at_high_resolutions(monkeypatch):
    taken = []
    monkeypatch.setattr(comparison, "_subjects", lambda *_: ([], []))
    monkeypatch.setattr(comparison, "_add_documented", lambda *_: None)
    monkeypatch.setattr(
        comparison,
        "compare",
        lambda subjects, phase, settings: taken.append(phase) or [{}],
    )
    sides = dataclasses.replace(SETTINGS, resolutions=(64, 128))
    rows = comparison.training(sides)
    assert taken == ["main", "r1", "path_length", "main"]
    assert [row["resolution"] for row in rows] == [64, 64, 64, 128]


def test_operations_are_compared_with_the_first_formulation(monkeypatch):
    monkeypatch.delitem(operations.ORDERS, "second")
    rows = operations.run(SETTINGS)
    assert {row["order"] for row in rows} == {"forward", "backward"}
    assert len({row["operation"] for row in rows}) == 5
    for row in rows:
        assert row["milliseconds"] > 0
        assert _is_ratio(row["slower"])
    first = next(iter(formulations.PLAIN))
    chosen = [row for row in rows if row["formulation"] == first]
    assert len(chosen) == 2
    for row in chosen:
        assert row["slower"] == {"median": 1, "min": 1, "max": 1}


def test_phases_are_compared_at_equal_steps(monkeypatch):
    planted = {
        "one step for D and G": [1.0, 1.0],
        "separate phases": [3.0, 2.0],
        "scan of 4 steps": [4.0, 8.0],
    }
    monkeypatch.setattr(timing, "interleaved", lambda calls, *_: planted)
    rows = {row["arrangement"]: row for row in phases.run(SETTINGS)}
    assert rows["separate phases"]["slower"]["median"] == 2.5
    # Four steps in 4 and 8 seconds are 1 and 2 seconds each.
    assert rows["scan of 4 steps"]["slower"]["median"] == 1.5
    assert rows["scan of 4 steps"]["images_per_second"] == 8 / 1.5


@pytest.fixture(scope="module")
def begun():
    """A config, its first state, a batch and the compiled main step."""
    config = SETTINGS.config(8)
    state = subjects.Trainer(config).state
    main = jax.jit(phases.make_main(config))
    return config, state, subjects.random_batch(config), main


def test_separate_phases_update_as_the_one_step_does(begun):
    config, state, batch, main = begun
    together, _ = main(state, batch)
    for phase, name in ((phases.d_phase, "d"), (phases.g_phase, "g")):
        alone, _ = jax.jit(phase(config))(state, batch)
        params = f"{name}_params"
        for now, then, before in zip(
            jax.tree.leaves(getattr(alone, params)),
            jax.tree.leaves(getattr(together, params)),
            jax.tree.leaves(getattr(state, params)),
            strict=True,
        ):
            # Adam's first step is the sign of the gradient.
            np.testing.assert_allclose(now - before, then - before, atol=1e-5)
        assert int(alone.step) == (name == "g")


def test_a_scan_takes_its_steps(begun):
    config, state, batch, main = begun
    scanned, _ = jax.jit(phases.scanned(config))(state, batch)
    for _ in range(phases.SCANNED):
        state, _ = main(state, batch)
    assert int(scanned.step) == phases.SCANNED
    np.testing.assert_allclose(scanned.w_avg, state.w_avg, atol=1e-4)


def test_precision_compares_bfloat16_with_float32(monkeypatch):
    # The main step in bfloat16 is tested where it is at home.
    monkeypatch.setattr(precision, "_PHASES", ("synthesis",))
    rows = _timed(precision.run(SETTINGS))
    assert [row["subject"] for row in rows] == ["float32", "bfloat16"]
    assert _is_ratio(rows[1]["ours_is_faster"])
    gan = SETTINGS.config(32, bfloat16=True).gan
    assert gan.bfloat16_resolutions == 3
    assert SETTINGS.config(32).gan.bfloat16_resolutions == 0


def test_all_devices_are_compared_with_one():
    # This process has two; `run` would ask a child that has.
    rows = devices.measure(vars(SETTINGS))
    assert [row["subject"] for row in _timed(rows)] == ["2 devices", "1 device"]
    assert _is_ratio(rows[0]["faster_than_one"])


def test_a_cpu_is_split_in_a_process_of_its_own(monkeypatch):
    asked = []
    monkeypatch.setattr(child, "call", lambda *told: asked.append(told) or [])
    monkeypatch.setenv("XLA_FLAGS", "--kept")
    assert devices.run(SETTINGS) == []
    ((target, arguments, environment),) = asked
    assert target == "jaxstyle.benchmark.devices:measure"
    assert arguments["settings"]["batch"] == 8
    assert environment["XLA_FLAGS"].startswith("--kept ")
    assert environment["XLA_FLAGS"].endswith("device_count=2")


def test_one_device_cannot_be_compared(monkeypatch):
    monkeypatch.setattr(jax, "device_count", lambda: 1)
    (row,) = devices.measure(vars(SETTINGS))
    assert "one device" in row["missing"]


@pytest.fixture
def steps_of_no_time(monkeypatch):
    monkeypatch.setattr(
        subjects.Trainer, "step", lambda self, phase: lambda: None
    )


def test_the_renderer_is_held_against_the_generator(monkeypatch):
    monkeypatch.setattr(rendering, "_IMAGES", 6)
    asked = []
    judge = rendering.search.find_walks

    def counted(config, direction, codes, decided, ask):
        def counting(*given):
            answer = ask(*given)
            asked.append(answer.size)
            return answer

        return judge(config, direction, codes, decided, counting)

    monkeypatch.setattr(rendering.search, "find_walks", counted)
    sizes = dataclasses.replace(SETTINGS, resolutions=(32,))
    renderer, generator = _timed(rendering.run(sizes))
    assert renderer["subject"] == "renderer"
    assert generator["subject"] == "generator"
    assert _is_ratio(renderer["of_the_generator_s_speed"])
    # As many frames as are counted: those of the search, and those saved.
    images = SETTINGS.batch + 6 * len(renderer["seconds"])
    frames = sum(asked) / images + 11
    assert renderer["walks_per_second"] == pytest.approx(
        renderer["images_per_second"] / frames
    )


def test_rendering_leaves_the_compilation_cache_as_it_was(tmp_path):
    before = jax.config.jax_compilation_cache_dir
    with pytest.raises(ZeroDivisionError), rendering._cached(str(tmp_path)):
        inside = jax.config.jax_compilation_cache_dir
        _ = 1 / 0
    assert inside.startswith(str(tmp_path))
    assert jax.config.jax_compilation_cache_dir == before


def test_the_input_pipeline_is_held_against_training(
    monkeypatch, steps_of_no_time
):
    monkeypatch.setattr(input_pipeline, "_BATCHES", 2)
    monkeypatch.setattr(input_pipeline, "_CROPS", 24)
    opened, original = [], pipeline.open_split

    def open_split(*given):
        opened.append(original(*given))
        return opened[-1]

    monkeypatch.setattr(pipeline, "open_split", open_split)
    sizes = dataclasses.replace(SETTINGS, resolutions=(8, 16))
    rows = _timed(input_pipeline.run(sizes))
    assert [(row["resolution"], row["subject"]) for row in rows] == [
        *[(8, "kept"), (8, "decoded"), (8, "training")],
        *[(16, "kept"), (16, "decoded")],
    ]
    kept = [split._cache is not None for split in opened]
    assert kept == [True, False, True, False]
    assert pipeline.CACHE_BYTES > 0
    for row in rows[:2]:
        ratios = np.divide(rows[2]["seconds"], row["seconds"]) * 2
        assert row["faster_than_training"]["max"] == pytest.approx(max(ratios))
    assert all("faster_than_training" not in row for row in rows[2:])


def test_first_steps_are_taken_in_fresh_processes(tmp_path):
    arguments = {"cache": str(tmp_path), "side": 8, "settings": vars(SETTINGS)}
    parts = child.call("jaxstyle.benchmark.first_step:measure", arguments)
    assert list(parts) == ["state", *subjects.PHASES]
    assert min(parts.values()) > 0
    # What the next process finds.
    assert any(tmp_path.iterdir())


def test_first_steps_with_cold_and_warm_cache(monkeypatch):
    caches = []

    def call(target, arguments):
        assert target == "jaxstyle.benchmark.first_step:measure"
        caches.append(arguments["cache"])
        return {"main": 1.0}

    monkeypatch.setattr(child, "call", call)
    rows = first_step.run(SETTINGS)
    assert [row["cache"] for row in rows] == ["cold", "warm"]
    # The second process has what the first left.
    assert len(caches) == 2
    assert len(set(caches)) == 1
    # The goals are for 64 px.
    assert "goal" not in rows[0]
    sides = dataclasses.replace(SETTINGS, resolutions=(32, 64))
    rows = first_step.run(sides)
    assert [row["goal"] for row in rows] == [90, 20]
    assert all(row["reached"] and row["resolution"] == 64 for row in rows)


def test_a_failing_child_is_told():
    with pytest.raises(RuntimeError, match="nothing_there"):
        child.call("jaxstyle.benchmark.child:nothing_there", {})


def test_gpu256_refuses_a_cpu():
    with pytest.raises(gpu256.NoAcceleratorError, match="gpu256 needs a GPU"):
        gpu256.run(SETTINGS)


def test_gpu256_is_the_configuration_of_the_paper():
    config = gpu256.config()
    shapes = jax.eval_shape(lambda: subjects.state_lib.create(config))
    size = sum(leaf.size for leaf in jax.tree.leaves(shapes.g_params))
    # Generators of this configuration have 24.8 million parameters.
    assert size == pytest.approx(24.8e6, rel=0.01)
    assert config.gan.batch_size == 64
    assert config.gan.mbstd_group == 8


def test_gpu256_measures_each_step_and_the_whole(steps_of_no_time):
    *steps, training = gpu256.run(SETTINGS, SETTINGS.config(8), side=32)
    assert [row["phase"] for row in steps] == list(subjects.PHASES)
    for row in (*steps, training):
        assert row["flops"] > 0
        assert row["share_of_matrix_rate"] == pytest.approx(
            row["tflops_per_second"] / row["matrix_tflops_per_second"]
        )
    # A CPU does not tell.
    assert training["peak_memory_bytes"] is None


def test_gpu256_takes_regularisers_at_their_intervals(monkeypatch):
    planted = {"main": 1.0, "r1": 3.2, "path_length": 0.4, "products": 0.5}
    monkeypatch.setattr(
        timing,
        "interleaved",
        lambda calls, *_: {name: [planted[name]] for name in calls},
    )
    flops = {"main": 1e12, "r1": 16e12, "path_length": 4e12}
    monkeypatch.setattr(gpu256, "flops", lambda trainer, phase: flops[phase])
    config = SETTINGS.config(8)
    config.gan.d_reg_interval, config.gan.g_reg_interval = 16, 4
    *_, training = gpu256.run(SETTINGS, config, side=1000)
    # A step takes 1 + 3.2 / 16 + 0.4 / 4 seconds for 8 images.
    assert training["seconds_per_kimg"] == pytest.approx(1.3 / 8 * 1000)
    assert training["images_per_second"] == pytest.approx(8 / 1.3)
    assert training["share_of_time"]["r1"] == pytest.approx(0.2 / 1.3)
    # 3e12 operations a step, on two devices.
    assert training["tflops_per_second"] == pytest.approx(3 / 1.3 / 2)
    # 20 products of 2 * 1000^3 operations in half a second.
    assert training["matrix_tflops_per_second"] == pytest.approx(0.08)


def test_operations_are_counted_by_xla(monkeypatch):
    trainer = subjects.Trainer(SETTINGS.config(8))
    counts = [gpu256.flops(trainer, phase) for phase in subjects.PHASES]
    # At least the convolutions at 8 px, 9 * 8 * 8 products a pixel, forward.
    least = 8 * 8 * 8 * (9 * 8 * 8) * 2
    assert min(counts) > least
    assert counts[0] > counts[1]


def test_a_record_tells_what_it_stems_from(monkeypatch):
    monkeypatch.setattr(
        suites, "SUITES", {"made": lambda settings: [{"batch": settings.batch}]}
    )
    saved: list = []
    suites.run(["made"], SETTINGS, saved.append)
    (told,) = json.loads(json.dumps(saved))
    assert told["rows"] == [{"batch": 8}]
    assert told["settings"]["resolutions"] == [8]
    assert told["machine"]["cores"] == machine.cores()
    assert told["machine"]["accelerator"] == "cpu"
    assert told["versions"]["jax"] == jax.__version__
    assert told["seconds"]["made"] >= 0
    assert told["date"].endswith("+00:00")


@pytest.mark.parametrize("names", [["nothing"], ["steps", "steps"]])
def test_suites_are_named_once_each(names):
    with pytest.raises(ValueError, match="name each once"):
        suites.run(names, SETTINGS, print)

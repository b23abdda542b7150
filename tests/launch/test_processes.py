"""The same run on 1, 2 and 4 devices, and on 2 processes of 2 devices.

What the tests launch are processes of their own, for a process has one
number of devices.
"""

import dataclasses
import shutil
import signal
import time
from concurrent import futures

import jax
import numpy as np
import pytest

from jaxstyle import run_log, workdir
from jaxstyle.data import pipeline, prepare
from jaxstyle.explain import manifest
from jaxstyle.stylegan2 import exports, train
from tests import tiny
from tests.launch import processes, stripes, twenty_steps

# (processes, devices of each)
HERE = (1, 2)
ELSEWHERE = [(2, 2), (1, 1), (1, 4)]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """What `twenty_steps` found in each process, by machine."""
    root = tmp_path_factory.mktemp("steps") / "run"
    config = tiny.prepared(root, **twenty_steps.CHANGES)

    def elsewhere(machine):
        count, devices = machine
        out = root / f"{count}x{devices}"
        processes.succeed(
            "tests.launch.twenty_steps",
            *(root, out),
            processes=count,
            devices=devices,
        )
        return [dict(np.load(f"{out}.{index}.npz")) for index in range(count)]

    with futures.ThreadPoolExecutor(2) as pool:
        found = pool.map(elsewhere, ELSEWHERE)
        here = twenty_steps.train(config, root)
        return {HERE: [here], **dict(zip(ELSEWHERE, found, strict=True))}


@pytest.mark.parametrize("machine", [HERE, (1, 4), (2, 2)])
def test_twenty_steps_are_those_of_one_device(trained, machine):
    """Every metric of every step, and the whole state after the last.

    Sums over 8 images differ in their order, on some processors convolutions
    by an image's place in a batch, by some 1e-7 of a value. Adam has no
    momentum here, so such a difference in a gradient g becomes one of about
    lr * 1e-7 a step in a parameter, but up to lr where |g| is itself
    rounding, which at the usual rates would grow from step to step.
    Measured: metrics 4e-7, state 2e-6. A gradient or a metric of one
    device's images only is off by 1e-2 and more.
    """
    (expected,) = trained[1, 1]
    for found in trained[machine]:
        assert found.keys() == expected.keys()
        for name, values in expected.items():
            limit = 1e-5 if name.startswith("metrics") else 4e-5
            np.testing.assert_allclose(
                found[name], values, rtol=limit, atol=limit, err_msg=name
            )


def test_twenty_steps_do_something(trained):
    (end,) = trained[1, 1]
    assert end["state.step"] == twenty_steps.STEPS
    assert len(set(end["metrics/loss_g"])) == twenty_steps.STEPS
    assert len(set(end["metrics/augment_p"])) > 2


def test_processes_agree_to_the_bit(trained):
    first, second = trained[2, 2]
    for name, values in first.items():
        np.testing.assert_array_equal(second[name], values, err_msg=name)


# --- launchers


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with the images, and runs that all use them."""
    folder = tmp_path_factory.mktemp("launched")
    stripes.save(folder)
    return folder


def _config(folder, **gan):
    config = stripes.get_config(str(folder / stripes.FILE))
    return dataclasses.replace(
        config, gan=dataclasses.replace(config.gan, **gan)
    )


def _launch(name, folder, run, *flags, check=processes.succeed, **machine):
    return check(
        f"launch.{name}",
        f"--config=tests/launch/stripes.py:{folder / stripes.FILE}",
        f"--workdir={folder / run}",
        *flags,
        **machine,
    )


@pytest.fixture(scope="module")
def by_two(made):
    """What two processes of two devices say when they run all stages."""
    return _launch("pipeline", made, "by_two", processes=2, devices=2)


@pytest.fixture(scope="module")
def by_one(made):
    """The same training of the GAN in this process."""
    config = _config(made)
    prepare.run(config, made / "by_one")
    train.run(config, made / "by_one")
    shutil.copytree(made / "by_one", made / "half_by_one")


@pytest.fixture(scope="module")
def longer_by_one(made, by_one):
    """Then twice as long."""
    train.run(_config(made, kimg=8 * tiny.KIMG), made / "by_one")


def test_two_processes_reach_the_report(made, by_two):
    first, second = by_two
    assert "gan: starting" in first and "index.html" in first
    # What the first one says the other need not say again.
    assert "starting" not in second and "Traceback" not in second
    root = made / "by_two"
    config = _config(made)
    for name in workdir.STAGES:
        assert workdir.is_complete(config, root, name)
    assert {path.name for path in root.iterdir()} == {*workdir.STAGES, "salt"}
    assert not list(root.rglob("*.draft"))
    for name in ("classifier", "gan", "encoder"):
        lines = run_log.read_metrics(root / name / "metrics.jsonl")
        numbers = [line["step"] for line in lines]
        assert numbers == sorted(set(numbers)) and numbers


def test_two_processes_share_the_rendering(made, by_two):
    """Each its block of images; together every image once, in order."""
    config = _config(made)
    folder = made / "by_two"
    stage = workdir.stage(config, folder, "render")
    ids = [row["image_id"] for row in manifest.read(stage.summary)]
    split = pipeline.open_split(config, folder, "test")
    assert ids == split.ids[: config.walk.limit or None] and len(ids) > 1
    frames = [row["image_id"] for row in manifest.read(stage.manifest)]
    count = len(frames) // len(ids)
    assert frames == [name for name in ids for _ in range(count)]
    # What the first one tells of is its own half.
    assert f"/{len(ids) // 2} images" in by_two[0]
    assert not list(stage.path.glob("*.part-*"))


def test_two_processes_train_like_one(made, by_two, by_one):
    _assert_same(made, "by_two", "half_by_one")


@pytest.mark.parametrize(
    ("run", "count", "devices"), [("by_two", 1, 1), ("half_by_one", 2, 2)]
)
def test_a_training_goes_on_with_other_devices(
    made, by_two, longer_by_one, run, count, devices
):
    """Saved by 2 x 2 devices, it ends on one, and the other way round."""
    shutil.copytree(made / run, made / f"longer_{run}")
    said = _launch(
        "train_gan",
        made,
        f"longer_{run}",
        f"--config.gan.kimg={8 * tiny.KIMG}",
        processes=count,
        devices=devices,
    )
    assert "Traceback" not in "".join(said)
    steps = _assert_same(made, f"longer_{run}", "by_one")
    assert steps[0] <= 4 and steps[-1] == 8


def test_a_signal_to_one_process_stops_both_and_saves(made, by_two):
    """Not to the first one, which writes."""
    shutil.copytree(made / "by_two", made / "stopped")
    stage = workdir.stage(_config(made), made / "stopped", "gan")

    def terminate(children):
        while all(child.poll() is None for child in children):
            if run_log.read_metrics(stage.metrics)[-1]["step"] > 4:
                children[1].send_signal(signal.SIGTERM)
                return
            time.sleep(0.1)

    said = _launch(
        *("train_gan", made, "stopped", "--config.gan.kimg=100"),
        processes=2,
        devices=2,
        meanwhile=terminate,
    )
    step = run_log.read_metrics(stage.metrics)[-1]["step"]
    assert step > 4 and (stage.checkpoints / str(step)).is_dir()
    for words in said:
        assert f"saving and stopping after step {step}" in words
        assert "Traceback" not in words
    assert f"stopped as asked, with step {step} of" in said[0]


def _assert_same(folder, run, other):
    """The GAN's metrics and weights in two runs; returns the metrics' steps.

    Limits as above. What is measured on generated images, "network.number",
    is left out: it has roots of small eigenvalues.
    """
    found, expected = (
        workdir.stage(_config(folder), folder / name, "gan")
        for name in (run, other)
    )
    lines = zip(
        run_log.read_metrics(found.metrics),
        run_log.read_metrics(expected.metrics),
        strict=True,
    )
    steps = []
    for line, like in lines:
        names, names_like = (
            {name for name in values if "." not in name}
            for values in (line, like)
        )
        assert names == names_like
        steps.append(line["step"])
        for key in names:
            np.testing.assert_allclose(
                line[key], like[key], rtol=1e-5, atol=1e-5, err_msg=key
            )
    trees = (
        exports.load_from(_config(folder), stage.exported)
        for stage in (found, expected)
    )
    jax.tree.map(
        lambda leaf, like: np.testing.assert_allclose(
            leaf, like, rtol=4e-5, atol=4e-5
        ),
        *trees,
    )
    return steps


def test_a_failure_of_the_first_process_ends_the_other(tmp_path):
    ended = _launch(
        "train_gan", tmp_path, "run", check=processes.run, processes=2
    )
    (first_status, first), (second_status, second) = ended
    # By themselves, not by SIGKILL.
    assert first_status == second_status == 1
    missing = "run `python -m launch.prepare_data`"
    assert f"WorkdirError: {tmp_path}" in first and missing in first
    assert "MainProcessError: process 0 failed: WorkdirError" in second
    assert missing in second
    assert not list((tmp_path / "run").rglob("gan"))


def test_half_given_flags_are_refused(tmp_path):
    ((status, said),) = _launch(
        "train_gan", tmp_path, "run", "--processes=2", check=processes.run
    )
    assert status == 1
    assert "coordinator, process_index: not given" in said

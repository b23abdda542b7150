"""Generated images measured on the way, and the best generator kept."""

import shutil

import jax
import numpy as np
import pytest

from jaxstyle import checkpoints, run_log, stopping, workdir
from jaxstyle.data import pipeline
from jaxstyle.evaluation import distribution, features
from jaxstyle.stylegan2 import exports, metrics, networks, train
from jaxstyle.stylegan2 import state as state_lib
from tests import tiny
from tests.checkpoints import on_disk

NUMBERS = ("fid", "kid", "precision", "recall", "nearest_train_distance")


def _state(config, size):
    """A state whose images are larger or smaller; its place told by w."""
    state = state_lib.create(config)
    scaled = jax.tree.map(lambda leaf: leaf * size, state.g_ema)
    return state.replace(g_ema=scaled, w_avg=state.w_avg + size)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    root = tmp_path_factory.mktemp("metrics") / "run"
    return tiny.prepared(root, metrics_samples=24), root


def test_the_numbers_are_those_of_the_average_s_images(prepared):
    config, root = prepared
    state = _state(config, 1.3)
    measured = metrics.measurer(config, root)(state)
    assert set(measured) == {f"random_conv.{name}" for name in NUMBERS}
    network = features.networks(config, root)["random_conv"]
    split = pipeline.open_split(config, root, "train")
    real = network(split.images(range(len(split))))
    generator = networks.generator(config)
    key = jax.random.PRNGKey(config.seed)
    key = metrics.rng.named(key, "metrics")
    z = jax.random.normal(key, (24, config.gan.z_dim))
    images = generator.apply(state.g_ema, z, networks.fixed_noise(config))
    generated = network(np.clip(images, -1, 1))
    expected = distribution.frechet_distance(real, generated)
    assert measured[metrics.CHOICE] == pytest.approx(expected, rel=1e-3)
    # The trained weights, not their average, play no part.
    moved = state.replace(g_params=None)
    assert metrics.measurer(config, root)(moved) == measured


def test_the_best_is_kept(tmp_path):
    config = tiny.config()
    stage = workdir.stage(config, tmp_path, "gan")
    stage.path.mkdir()
    fids = {1: 5.0, 2: 3.0, 3: 4.0, 4: 3.0}
    for step, fid in fids.items():
        measured = {metrics.CHOICE: fid, "random_conv.recall": 0.5}
        metrics.keep_best(stage, step, _state(config, step), measured)
    assert workdir.read_json(stage.best_numbers) == {
        "step": 2,
        metrics.CHOICE: 3.0,
        "random_conv.recall": 0.5,
    }
    best = exports.load_from(config, stage.best)
    np.testing.assert_array_equal(best["w_avg"], _state(config, 2).w_avg)


@pytest.fixture(scope="module")
def trained(prepared):
    """Measured at steps 3, 6 and the last, 8."""
    _, root = prepared
    other = tiny.another(root, "trained")
    config = tiny.prepared(
        other, metrics_kimg=3 * tiny.KIMG, metrics_samples=16
    )
    return config, other, train.run(config, other)


def test_a_training_tells_its_numbers_and_exports_the_best(trained):
    config, root, result = trained
    stage = workdir.stage(config, root, "gan")
    lines = run_log.read_metrics(stage.metrics)
    told = {line["step"]: line for line in lines if metrics.CHOICE in line}
    assert list(told) == [3, 6, 8]
    assert all(
        f"random_conv.{name}" in line
        for line in told.values()
        for name in NUMBERS
    )
    best = min(told.values(), key=lambda line: line[metrics.CHOICE])
    assert result["best"]["step"] == best["step"]
    assert result["best"][metrics.CHOICE] == best[metrics.CHOICE]
    final = exports.load(config, root)
    kept = exports.load_from(config, stage.best)
    for a, b in zip(jax.tree.leaves(final), jax.tree.leaves(kept), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("damage", ["altered", "gone"])
def test_a_lost_best_is_replaced_by_the_last(trained, prepared, damage, caplog):
    config, root, _ = trained
    other = tiny.another(prepared[1], damage)
    shutil.copytree(root / "gan", other / "gan")
    stage = workdir.stage(config, other, "gan")
    if damage == "gone":
        shutil.rmtree(stage.best)
    else:
        files = [path for path in stage.best.rglob("*") if path.is_file()]
        on_disk.half(max(files, key=lambda path: path.stat().st_size))
    result = train.run(config, other)
    assert "the best generator is lost" in caplog.text
    assert str(stage.best) in caplog.text
    assert result["best"]["step"] == result["steps"] == 8
    line = run_log.read_metrics(stage.metrics)[-1]
    assert result["best"][metrics.CHOICE] == line[metrics.CHOICE]
    saver = checkpoints.Checkpoints(stage.checkpoints, 2)
    like = state_lib.create(config)
    last = saver.restore_latest(like, on_disk.batches())
    saver.close()
    np.testing.assert_array_equal(
        exports.load(config, other)["w_avg"], last.w_avg
    )


def test_a_stopped_measured_training_is_an_uninterrupted_one(
    trained, prepared, monkeypatch
):
    config, root, result = trained
    other = tiny.another(prepared[1], "stopped")
    with monkeypatch.context() as patch:
        patch.setattr(
            stopping.StopSignals, "requested", lambda self, step: step == 5
        )
        with pytest.raises(stopping.Stopped, match="gan"):
            train.run(config, other)
    assert not workdir.is_complete(config, other, "gan")
    assert train.run(config, other) == result
    for a, b in zip(
        jax.tree.leaves(exports.load(config, root)),
        jax.tree.leaves(exports.load(config, other)),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)
    lines, again = (
        run_log.read_metrics(workdir.stage(config, path, "gan").metrics)
        for path in (root, other)
    )
    # The stop has a line of its own, for its checkpoint.
    assert [line for line in again if line["step"] != 5] == lines

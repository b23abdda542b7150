"""The whole training: what it writes, what it learns, and its resumption."""

import dataclasses

import jax
import numpy as np
import pytest

from jaxstyle import checkpoints, run_log, workdir
from jaxstyle.data import pipeline
from jaxstyle.encoder import train
from jaxstyle.evaluation import images as image_metrics
from jaxstyle.optimisation import steps_for
from jaxstyle.stylegan2 import exports
from tests import compilations, made_run


class Killed(Exception):
    pass


class Dying:
    """Batches that end in death after `steps` of them."""

    def __init__(self, batches, steps):
        self._batches, self._left = batches, steps

    def __next__(self):
        if self._left == 0:
            raise Killed
        self._left -= 1
        return next(self._batches)

    def get_state(self):
        return self._batches.get_state()

    def set_state(self, state):
        self._batches.set_state(state)


def _numbers(config, root):
    """Everything in the last checkpoint, as NumPy."""
    stage = workdir.stage(config, root, "encoder")
    batches = pipeline.training_batches(
        config, root, "train", config.encoder.batch_size, config.seed + 1
    )
    steps = steps_for(config.encoder.kimg, 8)
    adam = train.state_lib.optimiser(config, steps, steps)
    state = train.state_lib.create(config, exports.load(config, root), adam)
    saver = checkpoints.Checkpoints(stage.checkpoints, keep=2)
    state = saver.restore_latest(state.replace(fixed=None), batches)
    saver.close()
    return jax.device_get(state), batches.get_state()


def test_resume_is_uninterrupted(tmp_path, monkeypatch):
    """Killed among the pairs, and again during the adaptation.

    Four steps each; a checkpoint after every second one, so that one
    resumption crosses the switch.
    """
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    config = made_run.with_gan(whole)
    made_run.with_gan(killed)
    monkeypatch.setattr(train, "_LOG_STEPS", 1)
    with compilations.counted() as count:
        result = train.run(config, whole)
    # The two phases, E, G and the feature distance, once each.
    assert count.names.count(compilations.MAPPED) == 5
    assert result["steps"] == 8

    open_batches = pipeline.training_batches
    save = checkpoints.Checkpoints.save

    def save_at_once(self, *args):
        save(self, *args)
        self._manager.wait_until_finished()

    for steps in (3, 5):
        with monkeypatch.context() as patch:
            patch.setattr(checkpoints.Checkpoints, "save", save_at_once)
            patch.setattr(
                train.pipeline,
                "training_batches",
                lambda *args, n=steps: Dying(open_batches(*args), n),
            )
            with pytest.raises(Killed):
                train.run(config, killed)
        assert not workdir.is_complete(config, killed, "encoder")
    again = train.run(config, killed)

    assert again == result
    state, position = _numbers(config, whole)
    other, other_position = _numbers(config, killed)
    assert int(state.step) == 8 and position == other_position
    jax.tree.map(np.testing.assert_array_equal, state, other)
    logs = [
        run_log.read_metrics(workdir.stage(config, root, "encoder").metrics)
        for root in (whole, killed)
    ]
    assert logs[0] == logs[1]
    assert [line["step"] for line in logs[0]] == list(range(1, 9))
    assert ["real_image" in line for line in logs[0]] == [False] * 4 + [
        True
    ] * 4


def test_a_loss_that_is_no_number_stops_before_it_is_saved(
    tmp_path, monkeypatch
):
    config = made_run.with_gan(tmp_path / "run")
    config = dataclasses.replace(
        config, encoder=dataclasses.replace(config.encoder, learning_rate=1e30)
    )
    with pytest.raises(run_log.NonFiniteError, match=r"at step 2 .*metrics"):
        train.run(config, tmp_path / "run")
    stage = workdir.stage(config, tmp_path / "run", "encoder")
    saver = checkpoints.Checkpoints(stage.checkpoints, keep=2)
    fresh = {"nothing": np.zeros(())}
    assert saver.restore_latest(fresh, None) is fresh
    saver.close()


def test_the_encoder_learns(made):
    config, root = made
    result = workdir.result(config, root, "encoder")
    assert result["synthetic"]["latent_mse"] < 0.3
    assert result["synthetic"]["latent_cosine"] > 0.85
    assert workdir.is_complete(config, root, "encoder")


def test_the_test_split_s_numbers(made):
    """psnr, ssim and gap again, from the codec and image by image."""
    config, root = made
    result = workdir.result(config, root, "encoder")["test"]
    codec = train.load(config, root)
    split = pipeline.open_split(config, root, "test")
    images = split.images(range(len(split)))
    again = codec.decode(codec.encode(images))
    unit = np.clip(images / 2 + 0.5, 0, 1), np.clip(again / 2 + 0.5, 0, 1)
    gap = np.abs(made_run.colour(unit[0]) - made_run.colour(unit[1])).mean()
    np.testing.assert_allclose(result["gap"], gap, atol=1e-4)
    error = ((images - again) ** 2).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(
        result["psnr"], np.mean(10 * np.log10(4 / error)), rtol=1e-4
    )
    np.testing.assert_allclose(
        result["ssim"], image_metrics.ssim(images, again).mean(), atol=1e-4
    )
    assert result["feature_distance"] < 0.9
    # Worse than a code that is known.
    assert again.shape == images.shape and np.abs(again - images).mean() > 1e-3


def test_the_gap_waits_for_the_classifier(made, caplog):
    config, root = made
    built_in = dataclasses.replace(
        config,
        predictor=dataclasses.replace(
            config.predictor, kind="checkpoint", address=""
        ),
    )
    numbers = train.reconstruction(built_in, root, train.load(config, root))
    assert numbers.keys() == {"psnr", "ssim", "feature_distance"}
    assert "classifier is not trained" in caplog.text


def test_what_is_missing_is_told(tmp_path):
    config = made_run.settings(tmp_path / "none.npz")
    with pytest.raises(workdir.WorkdirError, match=r"launch\.prepare_data"):
        train.run(config, tmp_path)

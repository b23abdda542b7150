"""Trains the encoder E on the trained generator, then adapts it.

Writes WORKDIR/encoder/: metrics.jsonl, checkpoints/ (resumed exactly) and
params/ (what later stages read).
"""

import contextlib
import logging
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxstyle import (
    checkpoints,
    optimisation,
    parallel,
    predictors,
    run_log,
    stopping,
    workdir,
)
from jaxstyle.config import Config
from jaxstyle.data import pipeline
from jaxstyle.encoder import codec as codec_lib
from jaxstyle.encoder import state as state_lib
from jaxstyle.encoder import steps
from jaxstyle.evaluation import images as image_metrics
from jaxstyle.stylegan2 import exports

_LOG_STEPS = 20
_HELD_OUT = 512


def run(config: Config, root: str | Path) -> dict[str, Any]:
    """Trains to `kimg` pairs and `adapt_kimg` real images, resuming.

    Raises:
      run_log.NonFiniteError: if a loss stops being a number.
      stopping.Stopped: after a signal to stop, when all is saved.
    """
    started = time.monotonic()
    stage = workdir.begin(config, root, "encoder")
    encoder = config.encoder
    batch = encoder.batch_size
    synthetic = optimisation.steps_for(encoder.kimg, batch)
    adapt = optimisation.steps_for(encoder.adapt_kimg, batch)
    checkpoint_steps = optimisation.steps_for(encoder.checkpoint_kimg, batch)
    total = synthetic + adapt
    parallel.local_batch(batch)

    # --- state, data, and what an earlier run left
    saver = checkpoints.Checkpoints(stage.checkpoints, keep=2)
    batches = pipeline.training_batches(
        config, root, "train", batch, config.seed + 1
    )
    adam = state_lib.optimiser(config, synthetic, adapt)
    state = state_lib.create(
        config,
        exports.load(config, root),
        adam,
        predictors.parameters(config, root)
        if encoder.predictor_weight
        else None,
    )
    fixed = state.fixed  # never changes, so it is not saved either
    state = saver.restore_latest(_without_fixed(state), batches)
    state = parallel.replicated(state.replace(fixed=fixed))
    first = int(state.step)

    # --- the compiled steps
    on_pairs, on_real = (
        parallel.train_step(
            steps.train_step(config, adam, adapting, parallel.AXIS)
        )
        for adapting in (False, True)
    )
    # The restored step's own line was written before its checkpoint.
    log = run_log.RunLog(stage.metrics, first + 1)
    progress = run_log.Progress(
        "encoder", total * batch, "images", first * batch
    )

    # --- the loop
    # What is being saved is saved, too, when a step fails.
    with stopping.StopSignals() as signals, contextlib.closing(saver):
        for step in range(first, total):
            images = parallel.shard(next(batches)["image"])
            step_fn = on_pairs if step < synthetic else on_real
            state, metrics = step_fn(state, images)

            done = step + 1
            log.saw(done, metrics)
            stopped = signals.requested(done)
            saving = done % checkpoint_steps == 0 or done == total or stopped
            # Each checkpoint has its line: what is saved was finite.
            if done % _LOG_STEPS == 0 or saving:
                values = {key: float(value) for key, value in metrics.items()}
                log.write(done, {"images": done * batch, **values})
                progress.update(done * batch, f"loss {values['loss']:.3f}")
            if saving:
                saver.save(done, _without_fixed(state), batches)
            if stopped:
                raise stopping.Stopped("encoder", done, total)

    # --- what later stages read, and how good it is
    checkpoints.save_tree(stage.exported, exported(state))
    held_out = jax.jit(
        lambda state: steps.held_out_error(config, state, _HELD_OUT)
    )
    codec = codec_lib.Codec(config, exports.load(config, root), exported(state))
    result = {
        "steps": int(state.step),
        "synthetic": {key: float(v) for key, v in held_out(state).items()},
        "test": parallel.on_main(lambda: reconstruction(config, root, codec)),
    }
    workdir.finish(stage, result, time.monotonic() - started)
    return result


def _without_fixed(state: state_lib.EncoderState) -> state_lib.EncoderState:
    return state.replace(fixed=None)  # type: ignore[attr-defined]


def exported(state: state_lib.EncoderState) -> dict[str, Any]:
    """The part of the state that later stages use."""
    return {
        "params": state.params,
        "w_mean": state.fixed.w_mean,
        "w_spread": state.fixed.w_spread,
    }


def load(config: Config, root: str | Path) -> codec_lib.Codec:
    """Encoder and generator of a finished run, ready to use."""
    gan = exports.load(config, root)
    adam = state_lib.optimiser(config, 1, 1)
    like = jax.eval_shape(lambda: exported(state_lib.create(config, gan, adam)))
    trained = checkpoints.load_tree(
        workdir.stage(config, root, "encoder").exported, like
    )
    return codec_lib.Codec(config, gan, trained)


def reconstruction(
    config: Config, root: str | Path, codec: codec_lib.Codec
) -> dict[str, float]:
    """How well G(E(x)) reproduces the real test images x.

    Returns:
      psnr (dB), ssim, feature_distance (see `losses`), and gap,
      the mean |f(x) - f(G(E(x)))|, where the predictor can be asked already.
    """
    split = pipeline.open_split(config, root, "test")
    predictor = predictor_if_trained(config, root)
    rows: dict[str, list[np.ndarray]] = {}
    for _, images in split.batches(config.walk.batch_size):
        again = codec.decode(codec.encode(images))
        rows.setdefault("psnr", []).append(image_metrics.psnr(images, again))
        rows.setdefault("ssim", []).append(image_metrics.ssim(images, again))
        rows.setdefault("feature_distance", []).append(
            codec.feature_distance(images, again)
        )
        if predictor is not None:
            before, after = (
                predictors.probability(predictor, x, config)
                for x in (images, again)
            )
            rows.setdefault("gap", []).append(np.abs(before - after))
    return {
        name: float(np.mean(np.concatenate(values)))
        for name, values in rows.items()
    }


def predictor_if_trained(
    config: Config, root: str | Path
) -> predictors.Predictor | None:
    """f, or None with a warning where the built-in one is not there yet."""
    built_in = config.predictor.kind == "checkpoint"
    if built_in and not workdir.is_complete(config, root, "classifier"):
        logging.warning("no gap is measured: the classifier is not trained yet")
        return None
    return predictors.load(config, root)

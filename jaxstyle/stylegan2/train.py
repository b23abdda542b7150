"""Trains StyleGAN2 on the prepared training images.

Writes WORKDIR/gan/: metrics.jsonl, samples/ (a fixed latent grid over
time), checkpoints/ (resumed exactly), params/ (what later stages read) and,
where generated images are measured on the way, best/ and best.json.
"""

import contextlib
import logging
import math
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxstyle import checkpoints, parallel, run_log, stopping, workdir
from jaxstyle.config import Config, ConfigError
from jaxstyle.data import pipeline
from jaxstyle.optimisation import steps_for
from jaxstyle.stylegan2 import exports, metrics, samples, steps, transfer
from jaxstyle.stylegan2 import state as state_lib

_LOG_STEPS = 20


def run(config: Config, root: str | Path) -> dict[str, Any]:
    """Trains to `config.gan.kimg`, resuming where an earlier run stopped.

    Raises:
      ConfigError: if a label of the images is none of the classes.
      run_log.NonFiniteError: if a loss stops being a number.
      checkpoints.CheckpointError: if a weight does, or a disk is full.
      workdir.WorkdirError: if a disk is full at another file.
      stopping.Stopped: after a signal to stop, when all is saved.
    """
    started = time.monotonic()
    stage = workdir.begin(config, root, "gan")
    gan = config.gan
    total = steps_for(gan.kimg, gan.batch_size)
    checkpoint_steps = steps_for(gan.checkpoint_kimg, gan.batch_size)
    sample_steps = steps_for(gan.sample_kimg, gan.batch_size)
    metrics_steps = steps_for(gan.metrics_kimg, gan.batch_size)
    # Refuse at once a batch whose groups would not be those of one device.
    multiple = math.lcm(gan.mbstd_group, gan.path_length_shrink)
    parallel.local_batch(gan.batch_size, multiple * gan.batch_split)
    _check_labels(config, root)

    # --- state, data, and what an earlier run left
    saver = checkpoints.Checkpoints(stage.checkpoints, gan.keep_checkpoints)
    batches = pipeline.training_batches(
        config, root, "train", gan.batch_size, config.seed
    )
    state = saver.restore_latest(state_lib.create(config), batches)
    first = int(state.step)
    if gan.transfer and first == 0:
        state = transfer.started_from(config, state)
    state = parallel.replicated(state)

    # --- the compiled steps
    main = parallel.train_step(steps.main_step(config, parallel.AXIS))
    r1 = parallel.train_step(steps.r1_step(config, parallel.AXIS))
    path = parallel.train_step(steps.path_length_step(config, parallel.AXIS))
    draw_grid = samples.drawer(config)
    look = metrics.judge(config, root, stage) if gan.metrics_kimg else None
    log = run_log.RunLog(stage.metrics, first + 1)
    progress = run_log.Progress(
        "gan", total * gan.batch_size, "images", first * gan.batch_size
    )

    # --- the loop
    # Not every step holds every metric: the newest of each is told.
    newest = {
        key: value
        for key, value in log.last.items()
        if key not in ("step", "images") and "." not in key
    }
    # What is being saved is saved, too, when a step fails.
    with stopping.StopSignals() as signals, contextlib.closing(saver):
        for step in range(first, total):
            drawn = next(batches)
            batch = parallel.shard({k: drawn[k] for k in ("image", "label")})
            seen: dict[str, Any] = {}
            if step % gan.d_reg_interval == 0:
                state, values = r1(state, batch)
                seen |= values
            if step % gan.g_reg_interval == 0:
                state, values = path(state, batch)
                seen |= values
            state, values = main(state, batch)
            seen |= values
            newest |= seen

            done = step + 1
            log.saw(done, seen)
            ended, stopped = done == total, signals.requested(done)
            saving = done % checkpoint_steps == 0 or ended or stopped
            measured = {}
            if look and (done % metrics_steps == 0 or ended):
                log.check()
                measured = look(state, done)
            # Each checkpoint has its line: what led to it was finite, and a
            # resumed run tells the same values.
            if done % _LOG_STEPS == 0 or saving or measured:
                values = {key: float(value) for key, value in newest.items()}
                shown = {"images": done * gan.batch_size, **values, **measured}
                log.write(done, shown)
                progress.update(done * gan.batch_size, _note(shown))
            if parallel.is_main() and (done % sample_steps == 0 or ended):
                grid = draw_grid(state)
                samples.save(grid, stage.samples, done * gan.batch_size)
            if saving:
                saver.save(done, state, batches)
            if stopped:
                raise stopping.Stopped("gan", done, total)

    # --- what later stages read
    result = {
        "steps": int(state.step),
        "kimg": int(state.step) * gan.batch_size / 1000,
        "path_length": float(state.pl_mean),
        "augment_p": float(state.augment_p),
        "parameters_g": _size(state.g_params),
        "parameters_d": _size(state.d_params),
    }
    final = exports.exported(state)
    if look:
        final = metrics.best(config, stage, lambda: look(state, total))
        result["best"] = workdir.read_json(stage.best_numbers)
        logging.info("gan: kept the best, of step %d", result["best"]["step"])
    checkpoints.save_tree(stage.exported, final)
    workdir.finish(stage, result, time.monotonic() - started)
    return result


def _check_labels(config: Config, root: str | Path) -> None:
    classes = config.gan.classes
    if not classes:
        return
    labels = np.unique(pipeline.open_split(config, root, "train").labels)
    if labels[0] < 0 or labels[-1] >= classes:
        raise ConfigError(
            f"gan.classes = {classes}: the training images have labels "
            f"{labels.tolist()}; use {int(labels[-1]) + 1} classes and labels "
            "from 0 on, or 0 for an unconditional GAN"
        )


def _note(shown: dict[str, float]) -> str:
    note = f"D {shown['loss_d']:.3f} G {shown['loss_g']:.3f}"
    if shown["augment_p"]:
        note += f" p {shown['augment_p']:.3f}"
    if metrics.CHOICE in shown:
        note += f" {metrics.CHOICE} {shown[metrics.CHOICE]:.4f}"
    return note


def _size(tree: Any) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(tree))

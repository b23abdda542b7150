"""Trains StyleGAN2 on the prepared training images.

Writes WORKDIR/gan/: metrics.jsonl, samples/ (a fixed latent grid over
time), checkpoints/ (resumed exactly) and params/ (what later stages read).
"""

import contextlib
import math
import time
from pathlib import Path
from typing import Any

import jax

from jaxstyle import checkpoints, parallel, run_log, workdir
from jaxstyle.config import Config
from jaxstyle.data import pipeline
from jaxstyle.stylegan2 import samples, steps
from jaxstyle.stylegan2 import state as state_lib

_LOG_STEPS = 20


def run(config: Config, root: str | Path) -> dict[str, Any]:
    """Trains to `config.gan.kimg`, resuming where an earlier run stopped.

    Raises:
      run_log.NonFiniteError: if a loss stops being a number.
    """
    started = time.monotonic()
    stage = workdir.begin(config, root, "gan")
    gan = config.gan
    total = steps_for(gan.kimg, gan.batch_size)
    checkpoint_steps = steps_for(gan.checkpoint_kimg, gan.batch_size)
    sample_steps = steps_for(gan.sample_kimg, gan.batch_size)
    # Refuse at once a batch whose groups would not be those of one device.
    multiple = math.lcm(gan.mbstd_group, gan.path_length_shrink)
    parallel.local_batch(gan.batch_size, multiple)

    # --- state, data, and what an earlier run left
    saver = checkpoints.Checkpoints(stage.checkpoints, gan.keep_checkpoints)
    batches = pipeline.training_batches(
        config, root, "train", gan.batch_size, config.seed
    )
    state = saver.restore_latest(state_lib.create(config), batches)
    state = parallel.replicated(state)
    first = int(state.step)

    # --- the compiled steps
    main = parallel.train_step(steps.main_step(config, parallel.AXIS))
    r1 = parallel.train_step(steps.r1_step(config, parallel.AXIS))
    path = parallel.train_step(steps.path_length_step(config, parallel.AXIS))
    draw_grid = samples.drawer(config)
    log = run_log.RunLog(stage.metrics, first + 1)
    progress = run_log.Progress(
        "gan", total * gan.batch_size, "images", first * gan.batch_size
    )

    # --- the loop
    # Not every step holds every metric: the newest of each is told.
    metrics = {
        key: value
        for key, value in log.last.items()
        if key not in ("step", "images")
    }
    # What is being saved is saved, too, when a step fails.
    with contextlib.closing(saver):
        for step in range(first, total):
            images = parallel.shard(next(batches)["image"])
            if step % gan.d_reg_interval == 0:
                state, r1_metrics = r1(state, images)
                metrics |= r1_metrics
            if step % gan.g_reg_interval == 0:
                state, path_metrics = path(state, images)
                metrics |= path_metrics
            state, main_metrics = main(state, images)
            metrics |= main_metrics

            done = step + 1
            saving = done % checkpoint_steps == 0 or done == total
            # Each checkpoint has its line: what is saved was finite, and a
            # resumed run tells the same values.
            if done % _LOG_STEPS == 0 or saving:
                values = {key: float(value) for key, value in metrics.items()}
                log.write(done, {"images": done * gan.batch_size, **values})
                progress.update(
                    done * gan.batch_size,
                    f"D {values['loss_d']:.3f} G {values['loss_g']:.3f}",
                )
            if done % sample_steps == 0 or done == total:
                kimg = done * gan.batch_size / 1000
                stage.samples.mkdir(exist_ok=True)
                draw_grid(state).save(stage.samples / f"kimg_{kimg:09.3f}.png")
            if saving:
                saver.save(done, state, batches)

    # --- what later stages read
    checkpoints.save_tree(stage.exported, exported(state))
    result = {
        "steps": int(state.step),
        "kimg": int(state.step) * gan.batch_size / 1000,
        "path_length": float(state.pl_mean),
        "parameters_g": _size(state.g_params),
        "parameters_d": _size(state.d_params),
    }
    workdir.finish(stage, result, time.monotonic() - started)
    return result


def steps_for(kimg: float, batch_size: int) -> int:
    """Steps that show at least `kimg` thousand images; at least 1."""
    return max(1, -(-round(kimg * 1000) // batch_size))


def exported(state: state_lib.GanState) -> dict[str, Any]:
    """The part of the state that later stages use."""
    return {
        "g_ema": state.g_ema,
        "d_params": state.d_params,
        "w_avg": state.w_avg,
    }


def load(config: Config, root: str | Path) -> dict[str, Any]:
    """`exported` of a finished training: g_ema, d_params, w_avg."""
    like = jax.eval_shape(lambda: exported(state_lib.create(config)))
    return checkpoints.load_tree(
        workdir.stage(config, root, "gan").exported, like
    )


def _size(tree: Any) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(tree))

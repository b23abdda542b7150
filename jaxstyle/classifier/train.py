"""Trains the built-in predictor f on the prepared training images.

Writes WORKDIR/classifier/: metrics.jsonl, checkpoints/ (one an epoch,
resumed exactly), params/ (the best epoch and its temperature) and
result.json.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxstyle import checkpoints, parallel, run_log, stopping, workdir
from jaxstyle.classifier import calibration, networks
from jaxstyle.classifier import state as state_lib
from jaxstyle.classifier import step as step_lib
from jaxstyle.config import Config
from jaxstyle.data import pipeline
from jaxstyle.evaluation import statistics

_SPLITS = ("train", "val", "test")
_LOG_STEPS = 20
_KEEP = 2
_RESAMPLES = 1000

# Logits [N, K] of a split under some parameters.
LogitsOf = Callable[[Any, pipeline.Split], np.ndarray]


def run(config: Config, root: str | Path) -> dict[str, Any]:
    """Trains until the validation AUC stops rising, then calibrates.

    Resumes an earlier run where it was saved: after an epoch, or stopped.

    Raises:
      ValueError: if the batch does not divide among the devices.
      run_log.NonFiniteError: if the loss stops being a number.
      stopping.Stopped: after a signal to stop, when all is saved.
    """
    started = time.monotonic()
    stage = workdir.begin(config, root, "classifier")
    batch_size = config.classifier.batch_size
    parallel.local_batch(batch_size)  # refuse an uneven batch at once
    splits = {name: pipeline.open_split(config, root, name) for name in _SPLITS}
    train, val = splits["train"], splits["val"]
    per_epoch = state_lib.epoch_steps(len(train), batch_size)
    total = per_epoch * config.classifier.epochs

    # --- state, data, and what an earlier run left
    saver = checkpoints.Checkpoints(stage.checkpoints, _KEEP)
    batches = pipeline.training_batches(
        config, root, "train", batch_size, config.seed
    )
    state = state_lib.create(config, total)
    best = state_lib.nothing_yet(state.params)
    restored = saver.restore_latest({"state": state, "best": best}, batches)
    state, best = parallel.replicated(restored["state"]), restored["best"]
    first = int(state.step)

    # --- the compiled functions, and the logs
    weights = step_lib.class_weights(
        train.classes, len(config.data.class_names)
    )
    step = parallel.train_step(
        step_lib.train_step(config, weights, total, parallel.AXIS)
    )
    logits_of = _logits_function(config)
    # The restored step's own line was written before its checkpoint.
    log = run_log.RunLog(stage.metrics, first + 1)
    progress = run_log.Progress(
        "classifier", total * batch_size, "images", first * batch_size
    )

    # --- the loop
    # What is being saved is saved, too, when a step fails.
    with stopping.StopSignals() as signals, contextlib.closing(saver):
        for done in range(first + 1, total + 1):
            begins = (done - 1) % per_epoch == 0
            if begins and int(best.waited) >= config.classifier.patience:
                break
            state, metrics = step(state, parallel.shard(_inputs(batches)))
            log.saw(done, metrics)
            ends, stopped = done % per_epoch == 0, signals.requested(done)
            values, note = metrics, ""
            if ends:
                epoch = done // per_epoch
                # One process judges, so that all stop after the same epoch.
                auc, loss = parallel.on_main(
                    lambda now=state: _validated(
                        logits_of(now.params, val), val.classes, weights
                    )
                )
                best = state_lib.after_epoch(
                    best, state.params, auc, loss, epoch
                )
                seen = {"epoch": epoch, "val_auc": auc, "val_loss": loss}
                values = jax.device_get(metrics) | seen
                note = f"validation AUC {auc:.4f}"
            if ends or stopped or done % _LOG_STEPS == 0:
                log.write(done, values)
                progress.update(done * batch_size, note)
            if ends or stopped:
                saver.save(done, {"state": state, "best": best}, batches)
            if stopped:
                raise stopping.Stopped("classifier", done, total)

    # --- what later stages read
    result = _calibrated(config, stage, best.params, splits, logits_of)
    result |= {
        "steps": int(state.step),
        "epochs": int(state.step) // per_epoch,
        "best_epoch": int(best.epoch),
        "parameters": sum(leaf.size for leaf in jax.tree.leaves(best.params)),
    }
    workdir.finish(stage, result, time.monotonic() - started)
    return result


def _validated(
    logits: np.ndarray, classes: np.ndarray, weights: tuple[float, ...]
) -> tuple[float, float]:
    """AUC and balanced loss."""
    loss = step_lib.balanced_loss(
        jnp.asarray(logits), jnp.asarray(classes, jnp.int32), weights
    )
    return statistics.mean_auc(logits, classes), float(loss)


def _inputs(batches: Iterator[Any]) -> dict[str, np.ndarray]:
    drawn = next(batches)
    return {name: drawn[name] for name in ("image", "class")}


def export(stage: workdir.Stage, params: Any, temperature: float) -> None:
    """Saves what `load` reads."""
    tree = {"params": params, "temperature": jnp.float32(temperature)}
    checkpoints.save_tree(stage.exported, tree)


def load(
    config: Config, root: str | Path
) -> tuple[networks.Classifier, Any, float]:
    """The network, its best parameters and its temperature.

    Raises:
      WorkdirError: if it has not been trained under this config.
    """
    if not workdir.is_complete(config, root, "classifier"):
        raise workdir.WorkdirError(
            f"{root}: the classifier is not trained under this config; run "
            "`python -m launch.train_classifier` with the same --config and "
            "--workdir"
        )
    params = jax.eval_shape(lambda: state_lib.create(config, 1)).params
    like = {
        "params": params,
        "temperature": jax.ShapeDtypeStruct((), jnp.float32),
    }
    stage = workdir.stage(config, root, "classifier")
    tree = checkpoints.load_tree(stage.exported, like)
    return networks.create(config), tree["params"], float(tree["temperature"])


def _logits_function(config: Config) -> LogitsOf:
    network = networks.create(config)
    batch_size = config.classifier.batch_size
    apply = parallel.batched(network.apply, batch_size)

    def logits_of(params: Any, split: pipeline.Split) -> np.ndarray:
        return np.concatenate(
            [apply(params, images) for _, images in split.batches(batch_size)]
        )

    return logits_of


def _calibrated(
    config: Config,
    stage: workdir.Stage,
    params: Any,
    splits: dict[str, pipeline.Split],
    logits_of: LogitsOf,
) -> dict[str, Any]:
    """Fits the temperature, saves the predictor, measures every split."""
    logits = {name: logits_of(params, split) for name, split in splits.items()}
    temperature = calibration.fit_temperature(
        logits["val"], splits["val"].classes
    )
    export(stage, params, temperature)
    numbers = {
        name: statistics.prediction_summary(
            calibration.probabilities(logits[name], temperature),
            split.classes,
            split.groups,
            _RESAMPLES,
            config.seed,
        )
        for name, split in splits.items()
    }
    return {**numbers, "temperature": temperature}

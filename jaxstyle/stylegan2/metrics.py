"""Generated images measured during training, and the best kept."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxstyle import checkpoints, parallel, rng, workdir
from jaxstyle.config import Config
from jaxstyle.evaluation import features, generator
from jaxstyle.stylegan2 import exports, networks
from jaxstyle.stylegan2.state import GanState

# The number by which the best generator is chosen; lower is better.
CHOICE = f"{features.DEFAULT}.fid"


def judge(
    config: Config, root: str | Path, stage: workdir.Stage
) -> Callable[[GanState, int], dict[str, float]]:
    """A function (state, step) -> numbers; it keeps the best generator.

    Process 0 measures, and all get the numbers.
    """
    measure: Any = measurer(config, root) if parallel.is_main() else None

    def look(state: GanState, step: int) -> dict[str, float]:
        def on_main() -> dict[str, float]:
            numbers = measure(state)
            keep_best(stage, step, state, numbers)
            return numbers

        return parallel.on_main(on_main)

    return look


def measurer(
    config: Config, root: str | Path
) -> Callable[[GanState], dict[str, float]]:
    """A function state -> numbers of its EMA generator's images.

    The same latents are judged each time, untruncated. Numbers are named
    "network.number", as in `evaluation.generator`.
    """
    count = config.gan.metrics_samples
    real = generator.RealImages(config, root, count)
    noise = networks.fixed_noise(config)
    key = rng.named(jax.random.PRNGKey(config.seed), "metrics")
    shape = (count, config.gan.z_dim)
    z = np.asarray(jax.random.normal(key, shape, np.float32))
    network = networks.generator(config)

    def sample(constants: Any, z: jax.Array, labels: jax.Array) -> Any:
        params, noise = constants
        w = network.apply(params, z, labels, method="map")
        return network.apply(params, w, noise, method="render")

    render = parallel.batched(sample, config.gan.batch_size, 2)

    def measure(state: GanState) -> dict[str, float]:
        constants = (state.g_ema, noise)
        numbers = real.compare(
            render(constants, z[rows], real.labels[rows])
            for rows in generator.chunked(np.arange(count))
        )
        return {
            f"{name}.{key}": value
            for name, values in numbers.items()
            for key, value in values.items()
        }

    return measure


def best(
    config: Config, stage: workdir.Stage, look_again: Callable[[], Any]
) -> dict[str, Any]:
    """What `keep_best` saved last.

    Where that is damaged or gone, `look_again` measures and keeps the state
    at hand instead: the best is lost, and the training is not.
    """
    try:
        return exports.load_from(config, stage.best)
    except (checkpoints.DamagedError, FileNotFoundError) as error:
        logging.warning(
            "the best generator is lost: %s. The last one takes its place",
            error,
        )
    parallel.on_main(lambda: stage.best_numbers.unlink(missing_ok=True))
    look_again()
    return exports.load_from(config, stage.best)


def keep_best(
    stage: workdir.Stage,
    step: int,
    state: GanState,
    measured: dict[str, float],
) -> None:
    """Saves what later stages read if it measured better than before.

    Tree first, numbers last: killed in between, the same step measures
    better than the old numbers again when the run is resumed.
    """
    if stage.best_numbers.exists():
        best = workdir.read_json(stage.best_numbers)
        if measured[CHOICE] >= best[CHOICE]:
            return
    checkpoints.save_tree(stage.best, exports.exported(state))
    workdir.write_json(stage.best_numbers, {"step": step, **measured})

"""Trains `tiny`'s GAN for 20 steps, alone or as one of several processes.

python -m tests.launch.twenty_steps ROOT OUT [--coordinator=... and so on]

ROOT has prepared data. Writes OUT.INDEX.npz: each metric by step, and each
leaf of the last state.
"""

import argparse
from pathlib import Path

import jax
import numpy as np

from jaxstyle import parallel
from jaxstyle.config import Config
from jaxstyle.data import pipeline
from jaxstyle.stylegan2 import state as state_lib
from jaxstyle.stylegan2 import steps
from tests import tiny

STEPS = 20
# Four devices get two images each: one group of the minibatch deviation.
# Labels count, and D sees images with noise, of which p is adjusted.
CHANGES = {
    "mbstd_group": 2,
    "classes": 2,
    "augment": "noise",
    "augment_p": 0.5,
    "augment_kimg": 20 * tiny.KIMG,
    # Adam moves a parameter whose gradient is mere rounding by the whole rate.
    "learning_rate": 1e-4,
}


def train(config: Config, root: Path) -> dict[str, np.ndarray]:
    """All three steps, each whenever it is due; what is written to OUT."""
    gan = config.gan
    batches = pipeline.training_batches(
        config, root, "train", gan.batch_size, config.seed
    )
    state = parallel.replicated(state_lib.create(config))
    main, r1, path = (
        parallel.train_step(step(config, parallel.AXIS))
        for step in (steps.main_step, steps.r1_step, steps.path_length_step)
    )
    due = [(r1, gan.d_reg_interval), (path, gan.g_reg_interval), (main, 1)]
    seen: dict[str, list[float]] = {}
    for number in range(STEPS):
        drawn = next(batches)
        batch = parallel.shard({key: drawn[key] for key in ("image", "label")})
        for step, interval in due:
            if number % interval:
                continue
            state, metrics = step(state, batch)
            for key, value in metrics.items():
                seen.setdefault(f"metrics/{key}", []).append(float(value))
    return {key: np.asarray(values) for key, values in seen.items()} | {
        f"state{jax.tree_util.keystr(path)}": np.asarray(leaf)
        for path, leaf in jax.tree_util.tree_leaves_with_path(state)
    }


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser()
    parser.add_argument("root", type=Path)
    parser.add_argument("out")
    parser.add_argument("--coordinator", default="")
    parser.add_argument("--processes", type=int, default=-1)
    parser.add_argument("--process_index", type=int, default=-1)
    given = parser.parse_args()
    parallel.initialise(
        coordinator=given.coordinator,
        processes=given.processes,
        process_index=given.process_index,
    )
    trained = train(tiny.prepared(given.root, **CHANGES), given.root)
    np.savez(f"{given.out}.{jax.process_index()}.npz", **trained)


if __name__ == "__main__":
    main()

"""A small run folder that works, from data to direction, in seconds.

The generator is as initialised. Data are its own images, so that a short
training of the encoder finds their codes; f looks at their colour.
"""

import dataclasses
import functools
import shutil
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from jaxstyle import checkpoints, workdir
from jaxstyle.config import (
    ClassifierConfig,
    Config,
    DirectionConfig,
    EncoderConfig,
    EvaluationConfig,
    NearestConfig,
    PredictorConfig,
    WalkConfig,
)
from jaxstyle.data import prepare
from jaxstyle.encoder import train as encoder_train
from jaxstyle.explain import direction
from jaxstyle.stylegan2 import exports
from jaxstyle.stylegan2 import networks as gan_networks
from jaxstyle.stylegan2 import state as gan_state
from tests import tiny

TRAIN, VAL, TEST = 64, 16, 14
ENCODER = {
    "widths": (8, 16),
    "batch_size": tiny.BATCH,
    "kimg": 4 * tiny.KIMG,
    "adapt_kimg": 4 * tiny.KIMG,
    "checkpoint_kimg": 2 * tiny.KIMG,
}


def colour(images: np.ndarray) -> np.ndarray:
    """A black box: red against blue, [N, H, W, 3] in [0, 1] -> [N]."""
    red, _, blue = np.moveaxis(images.mean(axis=(1, 2)), -1, 0)
    return 1 / (1 + np.exp(-10 * (red - blue)))


def logit(steepness: jax.Array, images: jax.Array) -> jax.Array:
    """That of `colour` where steepness is 5, of images in [-1, 1]: [N]."""
    red, _, blue = jnp.moveaxis(images.mean(axis=(1, 2)), -1, 0)
    return steepness * (red - blue)


def settings(path: Path, **encoder) -> Config:
    """A config of `tiny`'s size with every section; data in `path`."""
    small = tiny.config(data={"source": "npz", "path": str(path)})
    return dataclasses.replace(
        small,
        # Of the student that learns what the black box decides.
        classifier=ClassifierConfig(
            widths=(8, 8),
            batch_size=16,
            epochs=25,
            patience=25,
            learning_rate=1e-2,
        ),
        encoder=EncoderConfig(**ENCODER | encoder),
        predictor=PredictorConfig(
            kind="callable", address="tests.made_run:colour"
        ),
        direction=DirectionConfig(
            regularisation=(0.01, 1.0, 100.0), samples=64, bootstraps=3
        ),
        walk=WalkConfig(
            targets=(0.1, 0.3, 0.5, 0.7, 0.9), batch_size=4, refinements=1
        ),
        nearest=NearestConfig(steps=20, learning_rate=0.2),
        evaluation=EvaluationConfig(samples=24, bootstraps=20),
    )


def with_gan(root: Path, **encoder) -> Config:
    """Data are prepared, and the generator counts as trained."""
    config = settings(root.with_name("made.npz"), **encoder)
    state = gan_state.create(config)
    images = _save_images(config, state.g_ema)
    # f decides for one half of the images.
    config.target.threshold = float(np.median(colour(images)))
    prepare.run(config, root)
    stage = workdir.stage(config, root, "gan")
    stage.path.mkdir(parents=True)
    checkpoints.save_tree(stage.exported, exports.exported(state))
    workdir.finish(stage, {}, 0.0)
    return config


@functools.cache
def whole(root: Path) -> Config:
    """Trains the encoder and fits the direction, too."""
    config = with_gan(root, kimg=1, learning_rate=3e-3, checkpoint_kimg=9)
    encoder_train.run(config, root)
    direction.run(config, root)
    return config


def copied(whole: Path, root: Path, *stages: str) -> Path:
    """A run folder of its own, with these stages of another one."""
    for name in stages:
        shutil.copytree(whole / name, root / name)
    return root


def _save_images(config: Config, params) -> np.ndarray:
    count = TRAIN + VAL + TEST
    z = np.random.default_rng(0).normal(size=(count, config.gan.z_dim))
    images = jax.jit(gan_networks.generator(config).apply)(
        params, z.astype(np.float32), gan_networks.fixed_noise(config)
    )
    unit = np.clip(np.asarray(images) / 2 + 0.5, 0, 1)
    split = np.repeat(["train", "val", "test"], [TRAIN, VAL, TEST])
    green = unit[..., 1].mean(axis=(1, 2))
    label = (green > np.median(green)).astype(int)
    # Two images of each, and none in two splits.
    patient = np.array([f"patient {n // 2}" for n in range(count)])
    np.savez(
        config.data.path,
        image=unit,
        label=label,
        split=split,
        patient=patient,
    )
    return unit


def shared(tmp_path_factory) -> tuple[Config, Path]:
    """The one whole run of a test session: its config and root."""
    root = tmp_path_factory.getbasetemp() / "made" / "run"
    root.parent.mkdir(exist_ok=True)
    return whole(root), root

"""The renderer, files and all, against the bare generator."""

import contextlib
import dataclasses
import logging
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.experimental.compilation_cache import compilation_cache

from jaxstyle import checkpoints, compiled, workdir
from jaxstyle.benchmark import timing
from jaxstyle.benchmark.settings import Settings
from jaxstyle.config import (
    Config,
    DataConfig,
    EncoderConfig,
    PredictorConfig,
    WalkConfig,
)
from jaxstyle.data import prepare
from jaxstyle.encoder import codec as codec_lib
from jaxstyle.encoder import state as encoder_state
from jaxstyle.encoder import train as encoder_train
from jaxstyle.explain import direction, render, search
from jaxstyle.stylegan2 import exports
from jaxstyle.stylegan2 import state as gan_state

# Images of one timing: loading must not weigh as if so few were all that there
# is to render.
_IMAGES = 128
# Codes that tell where W lies.
_CODES = 256
# Rounds of the search besides its refinements (see `search`).
_ROUNDS = 2


def darkness(images: np.ndarray) -> np.ndarray:
    """A black box that costs next to nothing: [N, H, W, C] -> [N]."""
    return 1 / (1 + np.exp(20 * (images.mean(axis=(1, 2, 3)) - 0.7)))


def run(settings: Settings) -> list[dict[str, Any]]:
    """Embedded images at each resolution, networks as initialised.

    The renderer asks the generator for every frame of its search and for
    those that it saves. Counted are all of them, as the share of the
    generator's own speed that is left while codes are searched, f is asked
    and strips, animations and tables are written. Loading the networks
    counts; both sides have compiled what they need before.

    Returns:
      Rows of both sides; the renderer's has the ratio.
    """
    rows = []
    for side in settings.resolutions:
        logging.info("render: embedded images at %d px", side)
        with tempfile.TemporaryDirectory() as folder, _cached(folder):
            rows += _compared(settings, side, Path(folder))
    return rows


@contextlib.contextmanager
def _cached(folder: str) -> Iterator[None]:
    """Keeps what is compiled there, as every launcher does in its workdir."""
    before = {name: getattr(jax.config, name) for name in compiled.SETTINGS}
    compiled.keep(f"{folder}/compilation_cache")
    compilation_cache.reset_cache()
    try:
        yield
    finally:
        for name, value in before.items():
            jax.config.update(name, value)
        compilation_cache.reset_cache()


def _compared(settings: Settings, side: int, root: Path) -> list[dict]:
    config = _config(settings, side)
    codec = _finish_stages(config, root)
    walk = config.walk
    rounds = _ROUNDS + walk.refinements + 1
    frames = _IMAGES * search.frame_count(config) * rounds
    codes = codec.sample_codes(frames, config.seed)
    bare = codec_lib.Codec(
        dataclasses.replace(
            config,
            walk=dataclasses.replace(
                walk, batch_size=walk.batch_size * search.frame_count(config)
            ),
        ),
        codec.gan,
        codec.trained,
    )

    def rendered(images: int) -> None:
        shutil.rmtree(root / "render", ignore_errors=True)
        limited = dataclasses.replace(walk, limit=images)
        render.run(dataclasses.replace(config, walk=limited), root)

    seconds = timing.interleaved(
        {
            "renderer": lambda: rendered(_IMAGES),
            "generator": lambda: bare.decode(codes),
        },
        settings.rounds,
        settings.limit,
        warm={
            "renderer": lambda: rendered(settings.batch),
            "generator": lambda: bare.decode(codes[: settings.batch]),
        },
    )
    rows = [
        {
            "suite": "render",
            "resolution": side,
            "subject": name,
            **timing.speed(frames, taken),
        }
        for name, taken in seconds.items()
    ]
    rows[0]["of_the_generator_s_speed"] = timing.ratio(
        seconds["renderer"], seconds["generator"]
    )
    rows[0]["walks_per_second"] = (
        rows[0]["images_per_second"] * _IMAGES / frames
    )
    return rows


def _config(settings: Settings, side: int) -> Config:
    return dataclasses.replace(
        settings.config(side),
        data=DataConfig(resolution=side),
        encoder=EncoderConfig(widths=(32, 64, 128)),
        predictor=PredictorConfig(
            kind="callable",
            address="jaxstyle.benchmark.rendering:darkness",
            cache=False,
        ),
        walk=WalkConfig(batch_size=settings.batch, split="train"),
    )


def _finish_stages(config: Config, root: Path) -> codec_lib.Codec:
    """Data, and networks that count as trained, up to the direction."""
    prepare.run(config, root)
    gan = exports.exported(gan_state.create(config))
    adam = encoder_state.optimiser(config, 1, 1)
    trained = encoder_train.exported(encoder_state.create(config, gan, adam))
    for name, tree in (("gan", gan), ("encoder", trained)):
        stage = workdir.stage(config, root, name)
        stage.path.mkdir()
        checkpoints.save_tree(stage.exported, jax.device_get(tree))
        workdir.finish(stage, {}, 0.0)
    codec = encoder_train.load(config, root)
    stage = workdir.begin(config, root, "direction")
    direction.save(stage.path, _some_direction(config, codec))
    workdir.finish(stage, {}, 0.0)
    return codec


def _some_direction(
    config: Config, codec: codec_lib.Codec
) -> direction.Direction:
    """Any will do: a search asks for as many frames along each."""
    points = codec.sample_codes(_CODES, config.seed)[:, 0]
    centre, width = points.mean(axis=0), points.shape[1]
    whitening = np.eye(width) / codec.w_spread.mean()
    region = direction.Region(centre, whitening, np.sqrt(width))
    alpha = np.full(width, width**-0.5, np.float32)
    return direction.Linear(alpha, alpha, -float(centre @ alpha), region)

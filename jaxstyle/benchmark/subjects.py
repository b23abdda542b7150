"""What is measured: a network's synthesis and its three training steps."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from jaxstyle import parallel
from jaxstyle.config import Config
from jaxstyle.stylegan2 import networks, steps
from jaxstyle.stylegan2 import state as state_lib

PHASES = ("main", "r1", "path_length")


@dataclasses.dataclass(frozen=True)
class Subject:
    """One implementation at one size.

    Attributes:
      name: the package, with its version where it is not this one.
      parameters: how many G (its mapping included) and D have.
      calls: "synthesis" and `PHASES`; each returns once its work is done.
      images: images of one call.
      warm: cheaper calls after which `calls` run at their full speed.
    """

    name: str
    parameters: dict[str, int]
    calls: dict[str, Callable[[], Any]]
    images: dict[str, int]
    warm: dict[str, Callable[[], Any]] = dataclasses.field(default_factory=dict)


def ours(config: Config, name: str = "jaxstyle") -> Subject:
    """This library as its trainer and its renderer run it, on all devices."""
    trainer = Trainer(config)
    return Subject(
        name=name,
        parameters={
            "generator": _size(trainer.state.g_params),
            "discriminator": _size(trainer.state.d_params),
        },
        calls={
            "synthesis": _synthesis(config, trainer.state.g_ema),
            **{phase: trainer.step(phase) for phase in PHASES},
        },
        images=images_of(config),
    )


def images_of(config: Config) -> dict[str, int]:
    """Images that a call of each kind makes or looks at."""
    batch = config.gan.batch_size
    return {
        "synthesis": batch,
        "main": batch,
        "r1": batch,
        "path_length": batch // config.gan.path_length_shrink,
    }


class Trainer:
    """A state, a batch and the compiled steps between them.

    Attributes:
      config: of the networks and their training.
      state: the newest.
      batch: the one batch that all steps see, this process's share.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.state = parallel.replicated(state_lib.create(config))
        self.batch = random_batch(config)

    def step(self, phase: str) -> Callable[[], None]:
        """A call that takes one step of `PHASES` and waits for it."""
        taken = parallel.train_step(make_step(phase, self.config))
        shards = parallel.shard(self.batch)

        def call() -> None:
            self.state, _ = taken(self.state, shards)
            jax.block_until_ready(self.state)

        return call


def make_step(
    phase: str, config: Config, axis_name: str | None = parallel.AXIS
) -> Callable[..., Any]:
    """`step(state, batch) -> state, metrics` of one of `PHASES`."""
    makers = {
        "main": steps.main_step,
        "r1": steps.r1_step,
        "path_length": steps.path_length_step,
    }
    return makers[phase](config, axis_name)


def random_batch(config: Config) -> dict[str, np.ndarray]:
    """A batch of noise, on the host, as the input pipeline delivers one."""
    random = np.random.default_rng(config.seed)
    side = config.data.resolution
    shape = (config.gan.batch_size, side, side, config.data.channels)
    return {
        "image": random.uniform(-1, 1, shape).astype(np.float32),
        "label": np.zeros(shape[0], np.int32),
    }


def _synthesis(config: Config, params: Any) -> Callable[[], np.ndarray]:
    """z -> images on the host, mapping included."""
    generator = networks.generator(config)
    noise = networks.fixed_noise(config)
    random = np.random.default_rng(config.seed)
    z = random.standard_normal((config.gan.batch_size, config.gan.z_dim))
    z = z.astype(np.float32)
    # A copy: the trainer donates its own.
    constants = jax.tree.map(np.array, params), noise
    constants = parallel.replicated(constants)

    def synthesise(constants: Any, z: jax.Array) -> Any:
        params, noise = constants
        return generator.apply(params, z, noise)

    render = parallel.map_batch(synthesise)
    return lambda: render(constants, z)


def _size(tree: Any) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(tree))

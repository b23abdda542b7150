"""One device against all of them, at the same global batch."""

import dataclasses
import logging
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from jaxstyle.benchmark import child, machine, timing
from jaxstyle.benchmark.settings import Settings
from jaxstyle.benchmark.subjects import Trainer, make_step

# A CPU is split into so many virtual devices, which share its cores: what
# is measured then is what the split and its collectives cost.
_VIRTUAL = 2


def run(settings: Settings) -> list[dict[str, Any]]:
    """The main step at the first resolution."""
    side = settings.resolutions[0]
    logging.info("devices: main step at %d px", side)
    if machine.accelerator() != "cpu":
        return measure(dataclasses.asdict(settings))
    flag = f"--xla_force_host_platform_device_count={_VIRTUAL}"
    return child.call(
        f"{__name__}:measure",
        {"settings": dataclasses.asdict(settings)},
        {"XLA_FLAGS": f"{machine.xla_flags()} {flag}"},
    )


def measure(settings: dict[str, Any]) -> list[dict[str, Any]]:
    """`run` on the devices that this process has."""
    sizes = Settings(**settings)
    side = sizes.resolutions[0]
    if jax.device_count() == 1:
        return [{"suite": "devices", "missing": "there is one device only"}]
    every = f"{jax.device_count()} devices"
    trainer = Trainer(sizes.config(side))
    sides = {every: trainer.step("main"), "1 device": _alone(trainer)}
    seconds = timing.interleaved(sides, sizes.rounds, sizes.limit)
    rows = [
        {
            "suite": "devices",
            "phase": "main",
            "resolution": side,
            "subject": name,
            **timing.speed(sizes.batch, taken),
        }
        for name, taken in seconds.items()
    ]
    rows[0]["faster_than_one"] = timing.ratio(
        seconds[every], seconds["1 device"]
    )
    return rows


def _alone(trainer: Trainer) -> Callable[[], None]:
    """The main step on the first device alone, jitted and not pmapped."""
    device = jax.local_devices()[0]
    # A copy: the trainer donates its own.
    copied = jax.tree.map(np.array, trainer.state)
    held = [jax.device_put(copied, device)]
    batch = jax.device_put(trainer.batch, device)
    step = make_step("main", trainer.config, None)
    compiled = jax.jit(step, donate_argnums=0)

    def call() -> None:
        held[0], _ = compiled(held[0], batch)
        jax.block_until_ready(held[0])

    return call

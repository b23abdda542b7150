"""The 256 px configuration of StyleGAN2 on an accelerator.

Widths as in Karras et al. 2020 (arXiv:2006.06676, appendix C) for 256 px:
channel_base 16384, channel_max 512, 8 mapping layers; batch 64, groups of 8
in the minibatch deviation, bfloat16 in the four highest resolutions.
"""

import logging
import statistics
from typing import Any

import jax
import jax.numpy as jnp

from jaxstyle.benchmark import machine, timing
from jaxstyle.benchmark.settings import Settings
from jaxstyle.benchmark.subjects import (
    PHASES,
    Trainer,
    images_of,
    make_step,
)
from jaxstyle.config import Config, DataConfig, GanConfig

# On one H200: seconds per thousand images, and the share of the measured
# matrix rate over the whole training.
GOALS = {"seconds_per_kimg": 3.0, "share": 0.4}
_SIDE = 8192
_PRODUCTS = 20


class NoAcceleratorError(RuntimeError):
    """This suite would take hours a step on a CPU."""


def config() -> Config:
    """The configuration that is measured."""
    return Config(
        name="gpu256",
        data=DataConfig(resolution=256, channels=3),
        gan=GanConfig(
            mapping_layers=8,
            channel_base=16384,
            channel_max=512,
            batch_size=64,
            mbstd_group=8,
            bfloat16_resolutions=4,
        ),
    )


def run(
    settings: Settings, tiny: Config | None = None, side: int = _SIDE
) -> list[dict[str, Any]]:
    """Speed, memory and arithmetic of the three steps and of training.

    Args:
      settings: for how long to measure; its sizes are not used.
      tiny: measured instead, on a CPU too.
      side: of the matrices whose product tells the bfloat16 matrix rate.

    Returns:
      A row for each step, and one for training: each step as often as its
      lazy regularisation has it.

    Raises:
      NoAcceleratorError: on a CPU.
    """
    if tiny is None and machine.accelerator() == "cpu":
        raise NoAcceleratorError(
            "suite gpu256 needs a GPU or TPU, and JAX found a CPU only: leave "
            "it out of --suite, or install jax[cuda12]"
        )
    measured = tiny or config()
    rate = _matrix_rate(side)
    logging.info("gpu256: %.0f TFLOP/s in bfloat16 products", rate / 1e12)
    trainer, rows = Trainer(measured), []
    for number, phase in enumerate(PHASES, 1):
        logging.info("gpu256: %s (%d of %d)", phase, number, len(PHASES))
        rows.append(_step_row(trainer, phase, settings, rate))
    return [*rows, _training_row(measured, rows, rate)]


def _step_row(
    trainer: Trainer, phase: str, settings: Settings, rate: float
) -> dict[str, Any]:
    seconds = timing.interleaved(
        {phase: trainer.step(phase)}, settings.rounds, settings.limit
    )[phase]
    row = {"suite": "gpu256", "phase": phase}
    row |= timing.speed(images_of(trainer.config)[phase], seconds)
    return row | _arithmetic(
        flops(trainer, phase), statistics.median(seconds), rate
    )


def flops(trainer: Trainer, phase: str) -> float:
    """Floating-point operations of one step, as XLA counts its program.

    Counted before XLA's own rewriting: afterwards a GPU's convolutions are
    library calls, which it does not count.
    """
    step = make_step(phase, trainer.config, None)
    lowered = jax.jit(step).lower(trainer.state, trainer.batch)
    analysis: Any = lowered.cost_analysis()
    return float(analysis["flops"])


def _training_row(
    config: Config, rows: list[dict[str, Any]], rate: float
) -> dict[str, Any]:
    """The whole, R1 and path length at their intervals."""
    gan = config.gan
    every = {
        "main": 1,
        "r1": gan.d_reg_interval,
        "path_length": gan.g_reg_interval,
    }
    seconds, operations, shares = 0.0, 0.0, {}
    for row in rows:
        a_step = statistics.median(row["seconds"]) / every[row["phase"]]
        shares[row["phase"]] = a_step
        seconds += a_step
        operations += row["flops"] / every[row["phase"]]
    result = {
        "suite": "gpu256",
        "phase": "training",
        "images_per_second": gan.batch_size / seconds,
        "seconds_per_kimg": 1000 * seconds / gan.batch_size,
        "share_of_time": {name: t / seconds for name, t in shares.items()},
        "peak_memory_bytes": _peak_memory(),
        "goal": GOALS,
    }
    return result | _arithmetic(operations, seconds, rate)


def _arithmetic(
    operations: float, seconds: float, rate: float
) -> dict[str, float]:
    achieved = operations / seconds / jax.device_count()
    return {
        "flops": operations,
        "tflops_per_second": achieved / 1e12,
        "matrix_tflops_per_second": rate / 1e12,
        "share_of_matrix_rate": achieved / rate,
    }


def _matrix_rate(side: int) -> float:
    """FLOP/s of one device at large square bfloat16 products."""
    a = jnp.full((side, side), 0.5, jnp.bfloat16)
    b = jnp.full((side, side), 1.0 / side, jnp.bfloat16)

    @jax.jit
    def products(a: jax.Array, b: jax.Array) -> jax.Array:
        return jax.lax.fori_loop(0, _PRODUCTS, lambda _, x: x @ b, a)

    seconds = timing.interleaved(
        {"products": lambda: jax.block_until_ready(products(a, b))}, 5, 30.0
    )["products"]
    return _PRODUCTS * 2.0 * side**3 / min(seconds)


def _peak_memory() -> int | None:
    """Bytes on the first device at most; None where it does not tell."""
    told = jax.local_devices()[0].memory_stats()
    return told["peak_bytes_in_use"] if told else None

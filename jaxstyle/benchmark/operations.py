"""How fast each formulation of a layer is: values and gradients.

What is fastest forward can be slowest backward, and the R1 and path length
steps differentiate twice: all three are timed.
"""

import logging
import statistics
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxstyle.benchmark import formulations, timing
from jaxstyle.benchmark.settings import Settings
from jaxstyle.stylegan2 import networks


def run(settings: Settings) -> list[dict[str, Any]]:
    """Each formulation at the layers of the first resolution.

    Returns:
      Rows of an operation, a formulation and an order of derivative:
      median milliseconds, and how much slower than the first formulation,
      which is the library's.
    """
    rows = []
    cases = _cases(settings)
    for number, (name, (group, arguments)) in enumerate(cases.items(), 1):
        logging.info("operations: %s (%d of %d)", name, number, len(cases))
        rows += _compared(name, group, arguments, settings)
    return rows


def _cases(
    settings: Settings,
) -> dict[str, tuple[Mapping[str, formulations.Operation], tuple]]:
    """The operations and arrays of the sizes that the networks give them."""
    side = settings.resolutions[0]
    *_, before, width = networks.widths(settings.config(side))
    random = np.random.default_rng(0)

    def normal(*shape: int) -> jax.Array:
        return jnp.asarray(random.standard_normal(shape), jnp.float32)

    batch = settings.batch
    fine = normal(batch, side, side, width)
    coarse = normal(batch, side // 2, side // 2, before)
    kernel = normal(3, 3, width, width)
    style = normal(batch, width)
    up, down = normal(3, 3, before, width), normal(3, 3, width, before)
    half = f"{side // 2} px"
    return {
        f"modulated conv3x3, {side} px": (
            formulations.MODULATED,
            (fine, kernel, style),
        ),
        f"conv3x3, {side} px": (formulations.PLAIN, (fine, kernel)),
        f"upsampling conv3x3, {half} to {side} px": (
            formulations.UP,
            (coarse, up),
        ),
        f"downsampling conv3x3, {side} px to {half}": (
            formulations.DOWN,
            (fine, down),
        ),
        f"filter of both axes, {side} px": (
            {
                name: lambda x, one=one: one(one(x, 1, 2), 2, 2)
                for name, one in formulations.FILTERS.items()
            },
            (fine,),
        ),
    }


def _compared(
    name: str,
    group: Mapping[str, formulations.Operation],
    arguments: tuple[jax.Array, ...],
    settings: Settings,
) -> list[dict[str, Any]]:
    rows = []
    for order, derive in ORDERS.items():
        sides = {
            formulation: _ready(jax.jit(derive(operation)), arguments)
            for formulation, operation in group.items()
        }
        seconds = timing.interleaved(sides, settings.rounds, settings.limit)
        chosen = next(iter(seconds.values()))
        rows += [
            {
                "suite": "operations",
                "operation": name,
                "formulation": formulation,
                "order": order,
                "milliseconds": 1e3 * statistics.median(taken),
                "slower": timing.ratio(chosen, taken),
            }
            for formulation, taken in seconds.items()
        ]
    return rows


def _ready(function: Callable[..., Any], arguments: tuple) -> Callable:
    return lambda: jax.block_until_ready(function(*arguments))


def _forward(operation: formulations.Operation) -> Callable[..., Any]:
    return operation


def _backward(operation: formulations.Operation) -> Callable[..., Any]:
    """The value, and the gradients by all arguments."""

    def both(*arguments: jax.Array) -> Any:
        y, pull = jax.vjp(operation, *arguments)
        return y, pull(y)

    return both


def _second(operation: formulations.Operation) -> Callable[..., Any]:
    """Gradients of the squared gradient by the first argument, as in R1."""

    def penalty(*arguments: jax.Array) -> jax.Array:
        slope = jax.grad(lambda x: jnp.sum(operation(x, *arguments[1:]) ** 2))(
            arguments[0]
        )
        return jnp.sum(slope**2)

    def twice(*arguments: jax.Array) -> Any:
        return jax.grad(penalty, tuple(range(len(arguments))))(*arguments)

    return twice


ORDERS = {"forward": _forward, "backward": _backward, "second": _second}

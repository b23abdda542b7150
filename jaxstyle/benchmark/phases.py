"""Other ways to arrange the main step: separate phases, a scan of steps.

The library's step updates D and G on the same generated images. The usual
two phases generate them twice. A scan takes several steps in one call.
"""

import dataclasses
import logging
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxstyle import optimisation, parallel
from jaxstyle.benchmark import timing
from jaxstyle.benchmark.settings import Settings
from jaxstyle.benchmark.subjects import make_step, random_batch
from jaxstyle.config import Config
from jaxstyle.stylegan2 import losses, networks
from jaxstyle.stylegan2 import state as state_lib
from jaxstyle.stylegan2.state import GanState

# Steps of one call of the scan.
SCANNED = 4
_EMA_DECAY = 0.999


def run(settings: Settings) -> list[dict[str, Any]]:
    """Each arrangement at the first resolution, on one device.

    Returns:
      Rows with images/s, and how much slower than the library's step.
    """
    side = settings.resolutions[0]
    config = settings.config(side)
    logging.info("phases: main step at %d px", side)
    state = state_lib.create(config)
    arrangements = {
        "one step for D and G": [make_main(config)],
        "separate phases": [d_phase(config), g_phase(config)],
        f"scan of {SCANNED} steps": [scanned(config)],
    }
    calls = {
        name: _repeated(config, state, steps)
        for name, steps in arrangements.items()
    }
    seconds = timing.interleaved(calls, settings.rounds, settings.limit)
    chosen = next(iter(seconds))
    # A call of the scan takes several steps.
    each = {
        name: [t / (SCANNED if name.startswith("scan") else 1) for t in taken]
        for name, taken in seconds.items()
    }
    return [
        {
            "suite": "phases",
            "resolution": side,
            "arrangement": name,
            "slower": timing.ratio(each[chosen], taken),
            **timing.speed(settings.batch, taken),
        }
        for name, taken in each.items()
    ]


def _repeated(
    config: Config, state: GanState, steps: list[Callable[..., Any]]
) -> Callable[[], None]:
    """A call that takes each of the steps once and waits for them."""
    held = [jax.tree.map(jnp.copy, state)]
    batch = jax.tree.map(jnp.asarray, random_batch(config))
    compiled = [jax.jit(step, donate_argnums=0) for step in steps]

    def call() -> None:
        for step in compiled:
            held[0], _ = step(held[0], batch)
        jax.block_until_ready(held[0])

    return call


def make_main(config: Config) -> Callable[..., Any]:
    """The library's main step without an axis of devices."""
    return make_step("main", config, None)


def scanned(config: Config) -> Callable[..., Any]:
    """`SCANNED` main steps on the same batch in one call."""
    step = make_main(config)

    def steps(state: GanState, batch: Any) -> tuple[GanState, Any]:
        return jax.lax.scan(
            lambda state, _: step(state, batch), state, length=SCANNED
        )

    return steps


def d_phase(config: Config) -> Callable[..., Any]:
    """D's update alone, on images generated for it."""
    generate, logits = _networks(config)
    adam = state_lib.optimisers(config.gan)[1]

    def step(state: GanState, batch: Any) -> tuple[GanState, Any]:
        fakes = generate(state.g_params, state)

        def loss(params: Any) -> jax.Array:
            return losses.fake_loss(logits(params, fakes)) + losses.real_loss(
                logits(params, batch["image"])
            )

        value, grads = jax.value_and_grad(loss)(state.d_params)
        params, opt = optimisation.update(
            adam, grads, state.d_opt, state.d_params
        )
        return dataclasses.replace(state, d_params=params, d_opt=opt), value

    return step


def g_phase(config: Config) -> Callable[..., Any]:
    """G's update alone, and the step's number and averages."""
    generate, logits = _networks(config)
    adam = state_lib.optimisers(config.gan)[0]

    def step(state: GanState, batch: Any) -> tuple[GanState, Any]:
        del batch

        def loss(params: Any) -> jax.Array:
            fakes = generate(params, state)
            return losses.generator_loss(logits(state.d_params, fakes))

        value, grads = jax.value_and_grad(loss)(state.g_params)
        params, opt = optimisation.update(
            adam, grads, state.g_opt, state.g_params
        )
        g_ema = jax.tree.map(
            lambda old, new: new + (old - new) * _EMA_DECAY,
            state.g_ema,
            params,
        )
        return dataclasses.replace(
            state,
            step=state.step + 1,
            g_params=params,
            g_opt=opt,
            g_ema=g_ema,
        ), value

    return step


def _networks(config: Config) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """(G's params, state) -> images and (D's params, images) -> logits."""
    gan = config.gan
    generator = networks.generator(config)
    discriminator = networks.discriminator(config)
    shapes = networks.noise_shapes(config.data.resolution)
    ids = parallel.sample_ids(gan.batch_size, None)

    def generate(params: Any, state: GanState) -> Any:
        key = jax.random.fold_in(state.rng, state.step)
        ws, _ = losses.mixed_codes(
            generator, params, key, ids, gan.z_dim, gan.style_mixing
        )
        noise = losses.layer_noise(key, ids, shapes)
        return generator.apply(params, ws, noise, method="synthesise")

    def logits(params: Any, images: Any) -> Any:
        return discriminator.apply(params, images)[0]  # type: ignore[index]

    return generate, logits

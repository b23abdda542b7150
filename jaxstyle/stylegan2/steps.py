"""The three training steps: main, R1 and path length.

Each is `step(state, images) -> state, metrics` on one device's share of the
batch, with gradients and metrics averaged over `axis_name`.

Generator and discriminator learn from the same generated images, which
saves one pass through each network; their gradients are those of the usual
two phases at the parameters before the step.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from jaxstyle import parallel, rng
from jaxstyle.config import Config
from jaxstyle.stylegan2 import losses, networks
from jaxstyle.stylegan2 import state as state_lib
from jaxstyle.stylegan2.state import GanState

Step = Callable[[GanState, jax.Array], tuple[GanState, dict[str, jax.Array]]]


def main_step(config: Config, axis_name: str | None = None) -> Step:
    """One update of D and G on the logistic losses, and of the averages.

    `images` are real ones, [B, R, R, C] in [-1, 1]. The step's number rises
    here and only here.
    """
    gan = config.gan
    generator = networks.generator(config)
    discriminator = networks.discriminator(config)
    g_adam, d_adam = state_lib.optimisers(gan)
    shapes = networks.noise_shapes(config.data.resolution)

    def step(state: GanState, images: jax.Array) -> tuple[GanState, Any]:
        key = jax.random.fold_in(state.rng, state.step)
        ids = parallel.sample_ids(len(images), axis_name)
        noise = losses.layer_noise(key, ids, shapes)

        def generate(params: Any) -> Any:
            ws, w = losses.mixed_codes(
                generator, params, key, ids, gan.z_dim, gan.style_mixing
            )
            fakes = generator.apply(params, ws, noise, method="synthesise")
            return fakes, jnp.mean(w, axis=0)

        def logits(params: Any, x: jax.Array) -> jax.Array:
            return discriminator.apply(params, x)[0]  # type: ignore[index]

        def real_loss(params: Any) -> tuple[jax.Array, jax.Array]:
            real = logits(params, images)
            return losses.real_loss(real), jnp.mean(jnp.sign(real))

        # One pass forward; two backward: through D into G, and into D.
        fakes, pull_g, w_mean = jax.vjp(generate, state.g_params, has_aux=True)
        fake, pull_d = jax.vjp(logits, state.d_params, fakes)
        g_loss, g_slope = jax.value_and_grad(losses.generator_loss)(fake)
        f_loss, f_slope = jax.value_and_grad(losses.fake_loss)(fake)
        g_grads = pull_g(pull_d(g_slope)[1])[0]
        (r_loss, sign), r_grads = jax.value_and_grad(real_loss, has_aux=True)(
            state.d_params
        )
        d_grads = jax.tree.map(jnp.add, pull_d(f_slope)[0], r_grads)
        metrics = {
            "loss_g": g_loss,
            "loss_d": f_loss + r_loss,
            "sign_real": sign,
        }
        g_grads, d_grads, metrics, w_mean = parallel.pmean(
            (g_grads, d_grads, metrics, w_mean), axis_name
        )

        g_params, g_opt = _update(g_adam, g_grads, state.g_opt, state.g_params)
        d_params, d_opt = _update(d_adam, d_grads, state.d_opt, state.d_params)
        decay = _ema_decay(config, state.step)
        return dataclasses.replace(
            state,
            step=state.step + 1,
            g_params=g_params,
            d_params=d_params,
            g_opt=g_opt,
            d_opt=d_opt,
            g_ema=jax.tree.map(
                lambda old, new: new + (old - new) * decay,
                state.g_ema,
                g_params,
            ),
            w_avg=w_mean + (state.w_avg - w_mean) * gan.w_avg_decay,
        ), metrics

    return step


def r1_step(config: Config, axis_name: str | None = None) -> Step:
    """One update of D on the R1 penalty, at real images.

    Run once in `d_reg_interval` steps and weighted by it.
    """
    gan = config.gan
    discriminator = networks.discriminator(config)
    d_adam = state_lib.optimisers(gan)[1]

    def step(state: GanState, images: jax.Array) -> tuple[GanState, Any]:
        def loss(params: Any) -> tuple[jax.Array, jax.Array]:
            penalty = jnp.mean(
                losses.r1_penalty(
                    lambda x: discriminator.apply(params, x)[0],  # type: ignore[index]
                    images,
                )
            )
            return penalty * (gan.r1_gamma / 2 * gan.d_reg_interval), penalty

        grads, penalty = jax.grad(loss, has_aux=True)(state.d_params)
        grads, penalty = parallel.pmean((grads, penalty), axis_name)
        d_params, d_opt = _update(d_adam, grads, state.d_opt, state.d_params)
        return dataclasses.replace(state, d_params=d_params, d_opt=d_opt), {
            "r1": penalty
        }

    return step


def path_length_step(config: Config, axis_name: str | None = None) -> Step:
    """One update of G on the path length penalty (section 3.2, equation 4).

    Run once in `g_reg_interval` steps and weighted by it. `images` tells the
    batch only: batch_size / path_length_shrink images are generated.
    """
    gan = config.gan
    generator = networks.generator(config)
    g_adam = state_lib.optimisers(gan)[0]
    shapes = networks.noise_shapes(config.data.resolution)

    def step(state: GanState, images: jax.Array) -> tuple[GanState, Any]:
        key = jax.random.fold_in(state.rng, state.step)
        key = rng.named(key, "path_length")
        count = len(images) // gan.path_length_shrink
        ids = parallel.sample_ids(count, axis_name)
        noise = losses.layer_noise(key, ids, shapes)
        y = rng.normal(rng.named(key, "y"), ids, images.shape[1:])

        def loss(params: Any) -> Any:
            ws, _ = losses.mixed_codes(
                generator, params, key, ids, gan.z_dim, gan.style_mixing
            )
            lengths = losses.path_lengths(
                lambda ws: generator.apply(  # type: ignore[arg-type,return-value]
                    params, ws, noise, method="synthesise"
                ),
                ws,
                y,
            )
            # The average follows all devices and takes no gradient.
            mean = parallel.pmean(
                jax.lax.stop_gradient(jnp.mean(lengths)), axis_name
            )
            target = state.pl_mean + gan.path_length_decay * (
                mean - state.pl_mean
            )
            penalty = jnp.mean((lengths - target) ** 2)
            weight = gan.path_length_weight * gan.g_reg_interval
            return penalty * weight, (penalty, mean, target)

        grads, (penalty, mean, target) = jax.grad(loss, has_aux=True)(
            state.g_params
        )
        grads, penalty = parallel.pmean((grads, penalty), axis_name)
        g_params, g_opt = _update(g_adam, grads, state.g_opt, state.g_params)
        metrics = {"path_length": mean, "path_length_penalty": penalty}
        return dataclasses.replace(
            state, g_params=g_params, g_opt=g_opt, pl_mean=target
        ), metrics

    return step


def _update(adam: Any, grads: Any, opt: Any, params: Any) -> tuple[Any, Any]:
    # Optax raises its betas, floats, to an integer count.
    with jax.numpy_dtype_promotion("standard"):
        updates, opt = adam.update(grads, opt, params)
    return optax.apply_updates(params, updates), opt


def _ema_decay(config: Config, step: jax.Array) -> jax.Array:
    """Half-life ema_kimg, at most ema_rampup of what has been seen."""
    batch = config.gan.batch_size
    seen = (step + 1).astype(jnp.float32) * batch
    half_life = jnp.minimum(
        config.gan.ema_kimg * 1000, seen * config.gan.ema_rampup
    )
    return 0.5 ** (batch / jnp.maximum(half_life, 1e-8))

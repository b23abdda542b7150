"""The three training steps: main, R1 and path length.

Each is `step(state, batch) -> state, metrics` on one device's share of the
batch, with gradients and metrics averaged over `axis_name`. A batch is
{"image": float32 [B, R, R, C] in [-1, 1], "label": int32 [B]}; labels count
only where the config has classes.

Generator and discriminator learn from the same generated images, which
saves one pass through each network; their gradients are those of the usual
two phases at the parameters before the step.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxstyle import optimisation, parallel, rng
from jaxstyle.config import Config, GanConfig
from jaxstyle.stylegan2 import augment, losses, networks
from jaxstyle.stylegan2 import state as state_lib
from jaxstyle.stylegan2.state import GanState

Step = Callable[[GanState, Any], tuple[GanState, dict[str, jax.Array]]]


def main_step(config: Config, axis_name: str | None = None) -> Step:
    """One update of D and G on the logistic losses, and of the averages.

    The step's number rises here and only here, and the probability of
    augmentations is adjusted here.
    """
    gan = config.gan
    gradients = _main_gradients(config)
    g_adam, d_adam = state_lib.optimisers(gan)

    def step(state: GanState, batch: Any) -> tuple[GanState, Any]:
        key = jax.random.fold_in(state.rng, state.step)
        ids = parallel.sample_ids(len(batch["image"]), axis_name)
        means = _mean_over_parts(
            lambda *part: gradients(state, key, *part),
            gan.batch_split,
            (batch["image"], batch["label"], ids),
        )
        g_grads, d_grads, metrics, w_mean = parallel.pmean(means, axis_name)

        g_params, g_opt = optimisation.update(
            g_adam, g_grads, state.g_opt, state.g_params
        )
        d_params, d_opt = _update_d(config, d_adam, d_grads, state)
        decay = _ema_decay(gan, state.step)
        p, sign_sum = _adjusted_p(gan, state, metrics["sign_real"])
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
            augment_p=p,
            sign_sum=sign_sum,
        ), metrics | {"augment_p": p}

    return step


def _main_gradients(config: Config) -> Callable[..., Any]:
    """(state, key, images, labels, ids) -> means over these images.

    They are G's gradients, D's, the metrics and w.
    """
    gan = config.gan
    generator = networks.generator(config)
    discriminator = networks.discriminator(config)
    shapes = networks.noise_shapes(config.data.resolution)
    seen = _augmentation(config)

    def gradients(
        state: GanState,
        key: jax.Array,
        images: jax.Array,
        labels: jax.Array,
        ids: jax.Array,
    ) -> Any:
        noise = losses.layer_noise(key, ids, shapes)

        def generate(params: Any) -> Any:
            ws, w = losses.mixed_codes(
                generator, params, key, ids, gan.z_dim, gan.style_mixing, labels
            )
            fakes = generator.apply(params, ws, noise, method="synthesise")
            fakes = seen(fakes, rng.named(key, "fake"), ids, state.augment_p)
            return fakes, jnp.mean(w, axis=0)

        def logits(params: Any, x: jax.Array) -> jax.Array:
            return discriminator.apply(params, x, labels)[0]  # type: ignore[index]

        def real_loss(params: Any) -> tuple[jax.Array, jax.Array]:
            real = logits(
                params,
                seen(images, rng.named(key, "real"), ids, state.augment_p),
            )
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
        return g_grads, d_grads, metrics, w_mean

    return gradients


def r1_step(config: Config, axis_name: str | None = None) -> Step:
    """One update of D on the R1 penalty, at real images as D sees them.

    Run once in `d_reg_interval` steps and weighted by it. With augmentation
    the gradient is taken at the augmented images, on which D is trained.
    """
    gan = config.gan
    discriminator = networks.discriminator(config)
    d_adam = state_lib.optimisers(gan)[1]
    seen = _augmentation(config)
    weight = gan.r1_weight(config.data.resolution) / 2 * gan.d_reg_interval

    def gradients(
        state: GanState, images: jax.Array, labels: jax.Array, ids: jax.Array
    ) -> Any:
        key = jax.random.fold_in(state.rng, state.step)
        images = seen(images, rng.named(key, "r1"), ids, state.augment_p)

        def loss(params: Any) -> tuple[jax.Array, jax.Array]:
            penalty = jnp.mean(
                losses.r1_penalty(
                    lambda x: discriminator.apply(params, x, labels)[0],  # type: ignore[index]
                    images,
                )
            )
            return penalty * weight, penalty

        return jax.grad(loss, has_aux=True)(state.d_params)

    def step(state: GanState, batch: Any) -> tuple[GanState, Any]:
        ids = parallel.sample_ids(len(batch["image"]), axis_name)
        means = _mean_over_parts(
            lambda *part: gradients(state, *part),
            gan.batch_split,
            (batch["image"], batch["label"], ids),
        )
        grads, penalty = parallel.pmean(means, axis_name)
        d_params, d_opt = _update_d(config, d_adam, grads, state)
        return dataclasses.replace(state, d_params=d_params, d_opt=d_opt), {
            "r1": penalty
        }

    return step


def path_length_step(config: Config, axis_name: str | None = None) -> Step:
    """One update of G on the path length penalty (section 3.2, equation 4).

    Run once in `g_reg_interval` steps and weighted by it. The batch tells
    its size only: batch_size / path_length_shrink images are generated, of
    random labels. Lengths are held against the moving average before the
    step, so that no part of a batch waits for the others.
    """
    gan = config.gan
    generator = networks.generator(config)
    g_adam = state_lib.optimisers(gan)[0]
    shapes = networks.noise_shapes(config.data.resolution)
    image_shape = (config.data.resolution,) * 2 + (config.data.channels,)

    def gradients(state: GanState, ids: jax.Array) -> Any:
        key = jax.random.fold_in(state.rng, state.step)
        key = rng.named(key, "path_length")
        noise = losses.layer_noise(key, ids, shapes)
        labels = networks.random_labels(key, ids, gan.classes)
        y = rng.normal(rng.named(key, "y"), ids, image_shape)

        def loss(params: Any) -> Any:
            ws, _ = losses.mixed_codes(
                generator, params, key, ids, gan.z_dim, gan.style_mixing, labels
            )
            lengths = losses.path_lengths(
                lambda ws: generator.apply(  # type: ignore[arg-type,return-value]
                    params, ws, noise, method="synthesise"
                ),
                ws,
                y,
            )
            penalty = jnp.mean((lengths - state.pl_mean) ** 2)
            weight = gan.path_length_weight * gan.g_reg_interval
            return penalty * weight, (penalty, jnp.mean(lengths))

        return jax.grad(loss, has_aux=True)(state.g_params)

    def step(state: GanState, batch: Any) -> tuple[GanState, Any]:
        count = len(batch["image"]) // gan.path_length_shrink
        ids = parallel.sample_ids(count, axis_name)
        means = _mean_over_parts(
            lambda part: gradients(state, part), gan.batch_split, (ids,)
        )
        grads, (penalty, mean) = parallel.pmean(means, axis_name)
        g_params, g_opt = optimisation.update(
            g_adam, grads, state.g_opt, state.g_params
        )
        pl_mean = state.pl_mean + gan.path_length_decay * (mean - state.pl_mean)
        return dataclasses.replace(
            state, g_params=g_params, g_opt=g_opt, pl_mean=pl_mean
        ), {"path_length": mean, "path_length_penalty": penalty}

    return step


def _mean_over_parts(
    function: Callable[..., Any], parts: int, arrays: tuple[jax.Array, ...]
) -> Any:
    """The mean of `function` over equal consecutive parts, one at a time.

    For functions that are means over images this is the function of the
    whole arrays, at the memory of a part.
    """
    if parts == 1:
        return function(*arrays)
    split = [x.reshape(parts, len(x) // parts, *x.shape[1:]) for x in arrays]

    def add(total: Any, part: Any) -> tuple[Any, None]:
        return jax.tree.map(jnp.add, total, function(*part)), None

    nothing = jax.tree.map(
        lambda leaf: jnp.zeros(leaf.shape, leaf.dtype),
        jax.eval_shape(function, *(x[0] for x in split)),
    )
    # XLA:CPU runs convolutions inside of loops many times slower.
    unroll = jax.default_backend() == "cpu"
    total, _ = jax.lax.scan(add, nothing, split, unroll=unroll)
    return jax.tree.map(lambda leaf: leaf / parts, total)


def _augmentation(config: Config) -> Callable[..., jax.Array]:
    """(images, key, ids, p) -> what D sees of them."""
    operations = config.gan.augmentations(config.data.channels)
    if not operations:
        return lambda images, key, ids, p: images
    return lambda images, key, ids, p: augment.augment(
        images, key, ids, p, operations
    )


def _update_d(
    config: Config, adam: Any, grads: Any, state: GanState
) -> tuple[Any, Any]:
    """D's parameters after a step, its frozen layers as before."""
    params, opt = optimisation.update(adam, grads, state.d_opt, state.d_params)
    frozen = networks.frozen_layers(config)
    kept = {name: state.d_params["params"][name] for name in frozen}
    return {"params": params["params"] | kept}, opt


def _adjusted_p(
    gan: GanConfig, state: GanState, sign: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """p and the sum of signs after a step.

    Karras et al. 2020 (arXiv:2006.06676, section 3.1): once in
    `augment_interval` steps p moves up or down by what lets it go from 0 to
    1 in `augment_kimg`, by whether the mean sign of D(real) (r_t of equation
    1) was above the target.
    """
    interval = gan.augment_interval
    total = state.sign_sum + sign
    if gan.augment == "none" or not gan.augment_kimg:
        return state.augment_p, state.sign_sum
    change = interval * gan.batch_size / (gan.augment_kimg * 1000)
    moved = state.augment_p + change * jnp.sign(
        total / interval - gan.augment_target
    )
    due = (state.step + 1) % interval == 0
    p = jnp.where(due, jnp.clip(moved, 0.0, gan.augment_max), state.augment_p)
    return p, jnp.where(due, 0.0, total)


def _ema_decay(gan: GanConfig, step: jax.Array) -> jax.Array:
    """Half-life ema_kimg, at most ema_rampup of what has been seen."""
    batch = gan.batch_size
    seen = (step + 1).astype(jnp.float32) * batch
    half_life = jnp.minimum(gan.ema_kimg * 1000, seen * gan.ema_rampup)
    return 0.5 ** (batch / jnp.maximum(half_life, 1e-8))

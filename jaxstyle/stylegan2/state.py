"""All that a StyleGAN2 training needs to go on: one tree of arrays."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import struct

from jaxstyle import rng
from jaxstyle.config import Config, GanConfig
from jaxstyle.stylegan2 import networks


@struct.dataclass
class GanState:
    """The state after `step` steps.

    Attributes:
      step: int32, optimiser steps done; step * batch_size images were seen.
      rng: uint32 [2]; each step folds its number in.
      g_params: generator's parameters.
      d_params: discriminator's.
      g_ema: moving average of g_params, which later stages use.
      g_opt: Adam's state for g_params.
      d_opt: Adam's state for d_params.
      w_avg: float32 [w_dim], moving average of w.
      pl_mean: float32, moving average of path lengths.
      augment_p: float32, probability of each augmentation.
      sign_sum: float32, sum of the mean signs of D(real) since p was last
        adjusted.
    """

    step: jax.Array
    rng: jax.Array
    g_params: Any
    d_params: Any
    g_ema: Any
    g_opt: Any
    d_opt: Any
    w_avg: jax.Array
    pl_mean: jax.Array
    augment_p: jax.Array
    sign_sum: jax.Array


def optimisers(
    config: GanConfig,
) -> tuple[optax.GradientTransformation, optax.GradientTransformation]:
    """Adam for G and for D, rescaled for their lazy regularisation.

    A regulariser that runs once in k steps adds a step of its own, so rate
    and betas follow c = k / (k + 1) (Karras et al. 2020, appendix B).
    """

    def adam(interval: int) -> optax.GradientTransformation:
        share = interval / (interval + 1)
        return optax.adam(
            config.learning_rate * share,
            b1=0.0,
            b2=0.99**share,
            eps=1e-8,
        )

    return adam(config.g_reg_interval), adam(config.d_reg_interval)


def create(config: Config) -> GanState:
    """The state before the first step; a function of the config's seed."""
    key = rng.named(jax.random.PRNGKey(config.seed), "gan")
    z = jnp.zeros((1, config.gan.z_dim))
    noise = [
        jnp.zeros((1, *shape))
        for shape in networks.noise_shapes(config.data.resolution)
    ]
    side = config.data.resolution
    images = jnp.zeros((1, side, side, config.data.channels))
    labels = jnp.zeros((1,), jnp.int32)
    generator = networks.generator(config)
    discriminator = networks.discriminator(config)
    g_params = jax.jit(generator.init)(rng.named(key, "g"), z, noise, labels)
    d_params = jax.jit(discriminator.init)(rng.named(key, "d"), images, labels)
    g_adam, d_adam = optimisers(config.gan)
    return GanState(
        step=jnp.zeros((), jnp.int32),
        rng=rng.named(key, "steps"),
        g_params=g_params,
        d_params=d_params,
        g_ema=jax.tree.map(jnp.copy, g_params),
        g_opt=g_adam.init(g_params),
        d_opt=d_adam.init(d_params),
        w_avg=jnp.zeros((config.gan.w_dim,)),
        pl_mean=jnp.zeros(()),
        augment_p=jnp.float32(config.gan.augment_p),
        sign_sum=jnp.zeros(()),
    )

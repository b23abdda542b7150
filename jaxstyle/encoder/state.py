"""All that an encoder training needs to go on, and what it never changes."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import struct

from jaxstyle import rng
from jaxstyle.config import Config
from jaxstyle.encoder import networks
from jaxstyle.stylegan2 import networks as gan_networks

_CODES_FOR_SPREAD = 4096


@struct.dataclass
class EncoderState:
    """The state after `step` steps.

    Attributes:
      step: int32, steps done, synthetic and adaptation together.
      rng: uint32 [2]; each step folds its number in.
      params: the encoder's parameters.
      opt: Adam's state.
      fixed: the trained generator and discriminator and W's statistics
        (`Fixed`), carried along because pmapped steps take one tree.
    """

    step: jax.Array
    rng: jax.Array
    params: Any
    opt: Any
    fixed: Any


@struct.dataclass
class Fixed:
    """What the encoder is trained against.

    Attributes:
      g_params: the generator's moving average.
      d_params: the discriminator's parameters.
      noise: one [1, H, W, 1] a layer, under which every code is rendered.
      w_avg: [w_dim], the generator's own average, for truncation.
      w_mean: [w_dim], mean of W.
      w_spread: [w_dim], standard deviation of W.
      f: a differentiable predictor's parameters, or None where E is not to
        look at it.
    """

    g_params: Any
    d_params: Any
    noise: Any
    w_avg: jax.Array
    w_mean: jax.Array
    w_spread: jax.Array
    f: Any = None


def optimiser(
    config: Config, synthetic_steps: int, adapt_steps: int
) -> optax.GradientTransformation:
    """Adam: cosine decay on pairs, then another for the adaptation."""
    encoder = config.encoder
    schedule = optax.join_schedules(
        [
            optax.cosine_decay_schedule(
                encoder.learning_rate, max(synthetic_steps, 1), alpha=0.1
            ),
            optax.cosine_decay_schedule(
                encoder.adapt_learning_rate, max(adapt_steps, 1), alpha=0.1
            ),
        ],
        [synthetic_steps],
    )
    return optax.adam(schedule, b1=0.9, b2=0.99)


def create(
    config: Config,
    gan: dict[str, Any],
    adam: optax.GradientTransformation,
    f: Any = None,
) -> EncoderState:
    """The state before the first step.

    Args:
      config: the networks.
      gan: as `stylegan2.exports.load` gives it.
      adam: the optimiser.
      f: parameters of `predictors.differentiable`, where E looks at it.
    """
    key = rng.named(jax.random.PRNGKey(config.seed), "encoder")
    generator = gan_networks.generator(config)
    z = jax.random.normal(
        rng.named(key, "spread"), (_CODES_FOR_SPREAD, config.gan.z_dim)
    )
    labels = gan_networks.random_labels(
        rng.named(key, "spread"),
        jnp.arange(_CODES_FOR_SPREAD),
        config.gan.classes,
    )
    w_mean, w_spread = jax.jit(networks.spread_of_w, static_argnums=0)(
        generator, gan["g_ema"], z, labels
    )
    side = config.data.resolution
    images = jnp.zeros((1, side, side, config.data.channels))
    network = networks.encoder(config)
    codes = jnp.zeros((1, network.rows, config.gan.w_dim))
    params = jax.jit(network.init)(
        rng.named(key, "init"), images, images, codes, w_spread
    )
    return EncoderState(
        step=jnp.zeros((), jnp.int32),
        rng=rng.named(key, "steps"),
        params=params,
        opt=adam.init(params),
        fixed=Fixed(
            g_params=gan["g_ema"],
            d_params=gan["d_params"],
            noise=[
                jnp.asarray(plane) for plane in gan_networks.fixed_noise(config)
            ],
            w_avg=gan["w_avg"],
            w_mean=w_mean,
            w_spread=w_spread,
            f=f,
        ),
    )

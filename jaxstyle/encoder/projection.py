"""Projection: the code, and the noise, under which G shows a given image.

Karras et al. 2020 (arXiv:1912.04958, section 5.2 and appendix D) optimise w,
Abdal et al. 2019 (arXiv:1904.03189) w+. Here both start from E(x) instead of
the mean of W, so the paper's search noise is left out; the discriminator's
features stand in for LPIPS; and the squared distance from E(x) keeps codes
where G and the direction know them.

Codes move in units of W's spread, so that one learning rate fits every
dimension, and fits the noise maps, whose variance is one.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import struct

from jaxstyle import optimisation, parallel, predictors, run_log
from jaxstyle.config import Config, ProjectConfig
from jaxstyle.encoder import losses, networks, noise
from jaxstyle.encoder.codec import Codec
from jaxstyle.stylegan2 import networks as gan_networks

_WARM_UP, _RAMP_DOWN = 0.05, 0.25

Constants = Mapping[str, Any]
Carry = dict[str, Any]


@struct.dataclass
class Projection:
    """The best that was found for each image, its start included.

    Attributes:
      codes: [N, rows, w_dim], rows 1 in W and L in W+.
      noise: [N, H, W, 1] by name, "noise_05" that of layer 5; empty where
        the fixed noise is kept.
      images: [N, R, R, C], G's of the two.
      losses: [N, steps + 1], the total before the first step and after
        each; the least is that of the code.
    """

    codes: Any
    noise: Any
    images: Any
    losses: Any


class Projector:
    """Projects any number of images, compiled once.

    Args:
      config: `config.project`, and the networks.
      codec: the trained networks.
      w_spread: [w_dim], standard deviation of W.
      f: `predictors.parameters`, where project.predictor_weight asks for it.

    Raises:
      ConfigError: if noise is to be optimised that G does not have.
    """

    def __init__(
        self,
        config: Config,
        codec: Codec,
        w_spread: np.ndarray,
        f: Any = None,
    ) -> None:
        self._config = config
        self._constants = {
            "g": codec.gan["g_ema"],
            "d": codec.gan["d_params"],
            "noise": codec.noise,
            "w_spread": w_spread,
            "f": f,
        }
        # The last round only judges what the last step made.
        rounds = config.project.steps + 1
        self._project = parallel.in_few(*begin_and_step(config), rounds, 2)

    def __call__(self, images: np.ndarray, codes: np.ndarray) -> Projection:
        """Projects [N, R, R, C] in [-1, 1] from E's [N, 1 or L, w_dim] on.

        Each image's result is its own, to the last bit on a CPU: it depends
        neither on its neighbours and their number nor on that of devices.
        """
        end = self._project(
            self._constants, images, in_space(self._config, codes)
        )
        return end["best"].replace(losses=end["curve"])


def load(config: Config, root: str | Path, codec: Codec) -> Projector:
    """A projector, with f of the run in `root` where `config` asks for it.

    Raises:
      WorkdirError: if f is asked for and not trained.
    """
    asked = config.project.predictor_weight > 0
    f = predictors.parameters(config, root) if asked else None
    return Projector(config, codec, codec.w_spread, f)


def starts(
    config: Config, root: str | Path, codec: Codec
) -> Callable[[Sequence[str], np.ndarray], np.ndarray]:
    """`(ids, images [N, R, R, C]) -> codes`, where `config.walk` starts walks.

    That is at E(x), or at codes projected from there.

    Raises:
      run_log.NonFiniteError: when called, naming the image whose loss is no
        number.
    """
    if not config.walk.project:
        return lambda ids, images: codec.encode(images)
    project = load(config, root, codec)

    def projected(ids: Sequence[str], images: np.ndarray) -> np.ndarray:
        found = project(images, codec.encode(images))
        require_finite(ids, found.losses)
        return found.codes

    return projected


def require_finite(ids: Sequence[str], losses: np.ndarray) -> None:
    """Refuses losses [N, steps + 1] that are no numbers.

    Raises:
      run_log.NonFiniteError: naming the image.
    """
    for image_id, curve in zip(ids, losses, strict=True):
        if not np.all(np.isfinite(curve)):
            step = int(np.argmin(np.isfinite(curve)))
            raise run_log.NonFiniteError(
                f"the loss of image {image_id} is {curve[step]} after "
                f"{step} steps; lower project.learning_rate"
            )


def in_space(config: Config, codes: np.ndarray) -> np.ndarray:
    """E's codes [N, 1 or L, w_dim] as the projection's start.

    For W+ the one row of an encoder in W is repeated; for W the rows of an
    encoder in W+ give way to their mean, which need not show what they show.
    """
    if config.project.space == "w":
        return codes.mean(axis=1, keepdims=True)
    rows = gan_networks.layer_count(config.data.resolution)
    return np.broadcast_to(codes, (len(codes), rows, codes.shape[2]))


def begin_and_step(
    config: Config,
) -> tuple[Callable[..., Carry], Callable[[Constants, Carry], Carry]]:
    """The optimisation of a batch as two pure functions.

    The loss is a sum over images and Adam works element by element, so
    images do not touch each other.

    Returns:
      `begin(constants, images [B, R, R, C], start [B, rows, w_dim])` and
      `step(constants, carry)`, with G's and D's parameters, the fixed noise
      and W's spread as constants. A carry's "best" is the `Projection` of
      least loss, without its history, which is "curve".
    """
    settings = config.project
    adam = optax.adam(learning_rate(settings))
    layers = noise.optimised_layers(config)
    judge = _Judge(config)

    def begin(
        constants: Constants, images: jax.Array, start: jax.Array
    ) -> Carry:
        maps = noise.start(constants["noise"], layers, len(images))
        free = {"offset": jnp.zeros_like(start), "noise": maps}
        worst = jnp.full(len(images), jnp.inf, start.dtype)
        return {
            "images": images,
            "targets": judge.features(constants, images),
            "start": start,
            "free": free,
            "moments": adam.init(free),
            "best": Projection(start, maps, images, worst),
            "curve": jnp.zeros((len(images), settings.steps + 1), start.dtype),
            "round": jnp.zeros((), jnp.int32),
        }

    def step(constants: Constants, carry: Carry) -> Carry:
        def loss(free: Any) -> tuple[jax.Array, Projection]:
            now = judge(
                constants,
                carry["images"],
                carry["targets"],
                carry["start"],
                free,
            )
            return jnp.sum(now.losses), now

        grads, now = jax.grad(loss, has_aux=True)(carry["free"])
        free, moments = optimisation.update(
            adam, grads, carry["moments"], carry["free"]
        )
        white = jax.tree.map(noise.normalised, free["noise"])
        return {
            **carry,
            "free": free | {"noise": white},
            "moments": moments,
            "best": _better(now, carry["best"]),
            "curve": carry["curve"].at[:, carry["round"]].set(now.losses),
            "round": carry["round"] + 1,
        }

    return begin, step


def learning_rate(settings: ProjectConfig) -> optax.Schedule:
    """Linear warm-up over 5 % of the steps, cosine to 0 over the last 25 %.

    Karras et al. 2020, appendix D.
    """

    def rate(count: Any) -> jax.Array:
        done = jnp.asarray(count, jnp.float32) / settings.steps
        left = jnp.minimum(1.0, (1 - done) / _RAMP_DOWN)
        # The first step moves, too.
        risen = jnp.minimum(1.0, (done + 1 / settings.steps) / _WARM_UP)
        fallen = 0.5 - 0.5 * jnp.cos(jnp.pi * left)
        return settings.learning_rate * risen * fallen

    return rate


class _Judge:
    """The loss of each image under what is being optimised."""

    def __init__(self, config: Config) -> None:
        self._weights = config.project
        self._generator = gan_networks.generator(config)
        self._discriminator = networks.feature_network(config)
        self._predictor = predictors.network(config)

    def __call__(
        self,
        constants: Constants,
        images: jax.Array,
        targets: list[jax.Array],
        start: jax.Array,
        free: Mapping[str, Any],
    ) -> Projection:
        """Where `free` has come, with losses [B].

        Args:
          constants: of `begin_and_step`.
          images: [B, R, R, C] in [-1, 1].
          targets: their features.
          start: [B, rows, w_dim].
          free: "offset" of the codes from the start in units of W's spread,
            and "noise", the optimised maps by name.
        """
        weights = self._weights
        codes = start + constants["w_spread"][None, None] * free["offset"]
        rendered: Any = self._generator.apply(
            constants["g"],
            codes,
            noise.for_layers(constants["noise"], free["noise"]),
            method="render",
        )
        total = weights.image_weight * jnp.mean(
            jnp.abs(rendered - images), (1, 2, 3)
        )
        total += weights.feature_weight * losses.feature_distance(
            self.features(constants, rendered), targets
        )
        if weights.predictor_weight:
            total += weights.predictor_weight * losses.predictor_distance(
                self._predictor(constants["f"], rendered),
                self._predictor(constants["f"], images),
            )
        total += weights.latent_weight * jnp.mean(free["offset"] ** 2, (1, 2))
        if free["noise"]:
            total += weights.noise_weight * noise.correlation(
                list(free["noise"].values())
            )
        return Projection(codes, free["noise"], rendered, total)

    def features(
        self, constants: Constants, images: jax.Array
    ) -> list[jax.Array]:
        judged: Any = self._discriminator.apply(constants["d"], images)
        return judged[1]


def _better(now: Projection, best: Projection) -> Projection:
    """Of each image the one with the lower loss; NaN is never lower."""
    return optimisation.where(now.losses < best.losses, now, best)

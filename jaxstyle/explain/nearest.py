"""The nearest counterfactual: the least change of an image that flips f.

One direction for all images moves what all images share. Where the finding
is now here and now there, a walk along it cannot show it. So this looks for
each image's own line in W or W+, from its code to the nearest code whose
image f is sure to judge the other way: the counterfactual of Wachter et al.
2017 (arXiv:1711.00399, section III) inside of what G can make. Near means a
small change of few pixels that lie together: the mean absolute difference
of the images and its total variation, as Fong and Vedaldi 2017
(arXiv:1704.03296, section 4) have it for their masks.

Needs f's gradient, or for a black box that of a network which has learnt its
decisions (see `student`). What the walk along that line shows is judged like
any other walk, on the frames that are saved.
"""

import copy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import struct

from jaxstyle import optimisation, parallel, predictors
from jaxstyle.config import Config
from jaxstyle.encoder.codec import Codec
from jaxstyle.explain import student
from jaxstyle.explain.direction import Direction, Own
from jaxstyle.stylegan2 import networks

# Of f's answer against the change: it grows as long as f is not convinced
# and falls when it is, so that the way out ends at the goal and not beyond.
_FIRST_WEIGHT, _RISE, _FALL = 0.05, 1.05, 0.97

Constants = Mapping[str, Any]
Carry = dict[str, Any]


@struct.dataclass
class Found:
    """The best that was found for each image, its start included.

    Attributes:
      offsets: [B, rows, w_dim], to add to the code.
      margins: [B], f's logit above its decision, against what it decided.
      changes: [B], of the image; infinite while f is not convinced.
    """

    offsets: Any
    margins: Any
    changes: Any


class Nearest:
    """Finds the nearest counterfactuals, compiled once.

    Args:
      config: `config.nearest`, the ladder, and the networks.
      codec: the trained networks.
      latent: the fitted latent predictor.
      asked: config of the network that is differentiated: f, or its student.
      f: that network's `predictors.parameters`.
    """

    def __init__(
        self,
        config: Config,
        codec: Codec,
        latent: Direction,
        asked: Config,
        f: Any,
    ) -> None:
        self._latent = latent
        self._constants = {
            "g": codec.gan["g_ema"],
            "noise": codec.noise,
            "w_spread": codec.w_spread,
            "f": f,
        }
        # The last round only judges what the last step made.
        rounds = config.nearest.steps + 1
        self._search = parallel.in_few(
            *begin_and_step(config, asked), rounds, 2
        )

    def asking(self, latent: Direction, f: Any) -> "Nearest":
        """One for other weights of that network: it need not compile again."""
        other = copy.copy(self)
        other._latent = latent
        other._constants = self._constants | {"f": f}
        return other

    def __call__(self, codes: np.ndarray, decided: np.ndarray) -> Own:
        """Lines from codes [N, rows, w_dim], for f's decisions [N].

        Each image's line is its own, to the last bit on a CPU, whatever its
        neighbours.
        """
        asked = np.where(decided, -1, 1).astype(np.float32)
        end = self._search(self._constants, codes, asked)
        best, first = end["best"], end["first"]
        lengths = np.sqrt(np.mean(np.sum(best.offsets**2, axis=2), axis=1))
        # One that never got nearer to a flip than its start has no way.
        ends = (asked * lengths).astype(np.float64)
        divisor = np.where(ends != 0, ends, 1).astype(np.float32)
        return Own(
            self._latent,
            best.offsets / divisor[:, None, None],
            ends,
            (asked * np.stack([first, best.margins])).T.astype(np.float64),
        )


def load(
    config: Config,
    root: str | Path,
    codec: Codec,
    latent: Direction,
    predictor: predictors.Predictor,
) -> Nearest:
    """A search with the built-in f of the run in `root`, or a student of f.

    The student of a black box is trained first, where it is not yet.

    Raises:
      WorkdirError: if the built-in f is not trained.
      PredictorError: if the student was taught by another f.
      stopping.Stopped: see `student.taught`.
    """
    if config.predictor.kind == "checkpoint":
        f = predictors.parameters(config, root)
        return Nearest(config, codec, latent, config, f)
    taught = student.taught(config, root, predictor)
    return Nearest(config, codec, latent, *taught)


def begin_and_step(
    config: Config, asked: Config
) -> tuple[Callable[..., Carry], Callable[[Constants, Carry], Carry]]:
    """The search of a batch as two pure functions.

    The loss is a sum over images and Adam works element by element, so
    images do not touch each other.

    Args:
      config: the run's.
      asked: that of the network which is differentiated.

    Returns:
      `begin(constants, codes [B, rows, w_dim], signs [B])`, signs 1 for the
      finding and -1 against it, and `step(constants, carry)`. A carry's
      "best" is what was `Found`, "first" f's margin at the start.
    """
    settings = config.nearest
    adam = optax.adam(settings.learning_rate)
    goals = np.abs(predictors.logit(np.asarray(config.walk.targets)[[0, -1]]))
    level = float(predictors.logit(np.asarray(asked.target.level)))
    generator = networks.generator(config)
    judge = predictors.network(asked)

    def render(constants: Constants, codes: jax.Array) -> jax.Array:
        images: Any = generator.apply(
            constants["g"], codes, constants["noise"], method="render"
        )
        return jnp.clip(images, -1, 1)

    def begin(
        constants: Constants, codes: jax.Array, signs: jax.Array
    ) -> Carry:
        start = render(constants, codes)
        free = jnp.zeros_like(codes)
        margins = signs * (judge(constants["f"], start) - level)
        worst = jnp.full_like(signs, jnp.inf)
        return {
            "codes": codes,
            "signs": signs,
            "goal": jnp.where(signs > 0, *goals[::-1].tolist()),
            "start": start,
            "first": margins,
            "free": free,
            "moments": adam.init(free),
            "weight": jnp.full_like(signs, _FIRST_WEIGHT),
            "best": Found(free, margins, worst),
        }

    def step(constants: Constants, carry: Carry) -> Carry:
        def loss(free: jax.Array) -> tuple[jax.Array, Found]:
            offsets = constants["w_spread"][None, None] * free
            images = render(constants, carry["codes"] + offsets)
            margins = carry["signs"] * (judge(constants["f"], images) - level)
            changes = change(config, carry["start"], images)
            missing = jax.nn.relu(carry["goal"] - margins)
            far = settings.latent_weight * jnp.mean(free**2, (1, 2))
            total = changes + far + carry["weight"] * missing
            return jnp.sum(total), Found(offsets, margins, changes)

        grads, now = jax.grad(loss, has_aux=True)(carry["free"])
        free, moments = optimisation.update(
            adam, grads, carry["moments"], carry["free"]
        )
        convinced = now.margins >= carry["goal"]
        return {
            **carry,
            "free": free,
            "moments": moments,
            "weight": carry["weight"] * jnp.where(convinced, _FALL, _RISE),
            "best": _better(now, convinced, carry["best"]),
        }

    return begin, step


def change(config: Config, before: jax.Array, after: jax.Array) -> jax.Array:
    """How much images [B, R, R, C] differ, [B].

    The mean absolute difference, and the total variation of its size: of
    where something changes, not of what it becomes, so that a fine texture
    may go without being taken for many changes.
    """
    size = jnp.mean(jnp.abs(after - before), axis=3)
    steps = [jnp.abs(jnp.diff(size, axis=axis)) for axis in (1, 2)]
    variation = sum(jnp.mean(step, (1, 2)) for step in steps)
    settings = config.nearest
    return (
        settings.change_weight * jnp.mean(size, (1, 2))
        + settings.smoothness_weight * variation
    )


def _better(now: Found, convinced: jax.Array, best: Found) -> Found:
    """Of each image the smaller change that convinces f.

    As long as there is none, what comes nearest to it.
    """
    changes = jnp.where(convinced, now.changes, jnp.inf)
    nearer = jnp.isinf(best.changes) & (now.margins > best.margins)
    chosen = jnp.where(convinced, changes < best.changes, nearer)
    return optimisation.where(
        chosen, Found(now.offsets, now.margins, changes), best
    )

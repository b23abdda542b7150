"""The fewest StyleSpace channels that still flip f.

Wu et al. 2021 (StyleSpace, arXiv:2011.12799): each modulated convolution
scales its input channels by styles, which are affine in w, and single styles
are more disentangled than directions of W. A walk along an offset of w moves
every style by a known amount; here only some of them are moved. f is asked,
never differentiated.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxstyle import parallel, predictors
from jaxstyle.config import Config
from jaxstyle.encoder.codec import Codec
from jaxstyle.explain.walk import as_stored
from jaxstyle.stylegan2 import layers, networks

# Rounds that narrow the number of channels, and then how far they move.
_ROUNDS = 4
_POINTS = 8


@dataclasses.dataclass(frozen=True)
class Sparse:
    """The sparse counterfactual of one image.

    Attributes:
      frame: [R, R, C] in [-1, 1], as an 8-bit file gives it back.
      judged: f on it.
      channels: names of the moved ones, "<layer>:<channel>".
      share: how far they are moved, as a share of the walk's last frame.
    """

    frame: np.ndarray
    judged: float
    channels: tuple[str, ...]
    share: float


def style_moves(
    generator: networks.Generator, params: Any, offsets: jax.Array
) -> dict[str, jax.Array]:
    """What offsets of codes add to the styles of each layer.

    Args:
      generator: the network.
      params: its parameters.
      offsets: [B, 1 or L, w_dim], one of every row of W+ or each its own.

    Returns:
      [B, channels] by the layer's name.
    """
    synthesis = params["params"]["synthesis"]
    rows = networks.style_rows(generator.resolution)
    count = networks.layer_count(generator.resolution)
    offsets = jnp.broadcast_to(
        offsets, (offsets.shape[0], count, offsets.shape[2])
    )
    return {
        name: layers.equalised(
            synthesis[name]["conv"]["affine"]["kernel"], offsets[:, row]
        )
        for name, row in rows.items()
    }


def render_moved(
    generator: networks.Generator,
    constants: Any,
    codes: jax.Array,
    offsets: jax.Array,
    shares: jax.Array,
) -> jax.Array:
    """Images of codes of which only some styles are moved.

    Args:
      generator: the network.
      constants: its parameters and the noise.
      codes: [B, rows, w_dim].
      offsets: [B, 1 or L, w_dim], of every row or each its own.
      shares: [B, channels of all layers], 0 for a style that stays, 1 for
        one that moves as the offset moves it; layers in order of name.

    Returns:
      [B, R, R, C], about [-1, 1].
    """
    params, noise = constants
    moves = style_moves(generator, params, offsets)
    at, moved = 0, {}
    for name in sorted(moves):
        count = moves[name].shape[1]
        moved[name] = {
            "conv": {"offset": moves[name] * shares[:, at : at + count]}
        }
        at += count
    return generator.apply(  # type: ignore[return-value]
        {**params, layers.STYLES: {"synthesis": moved}},
        codes,
        noise,
        method="render",
    )


class Sparsifier:
    """Finds sparse counterfactuals, compiled once.

    Args:
      config: sizes, and f's settings.
      codec: the trained generator.
      predictor: f.

    Attributes:
      names: of all channels, "<layer>:<channel>".
    """

    def __init__(
        self, config: Config, codec: Codec, predictor: predictors.Predictor
    ) -> None:
        self._config, self._predictor = config, predictor
        self._constants = (codec.gan["g_ema"], codec.noise)
        generator = networks.generator(config)
        self._render = parallel.batched(
            lambda *arrays: render_moved(generator, *arrays),
            config.walk.batch_size,
            batched_arguments=3,
        )
        one = jnp.zeros((1, 1, config.gan.w_dim))
        moves = jax.eval_shape(
            lambda *given: style_moves(generator, *given),
            codec.gan["g_ema"],
            one,
        )
        self.names = [
            f"{layer}:{channel}"
            for layer in sorted(moves)
            for channel in range(moves[layer].shape[1])
        ]

    @property
    def channels(self) -> int:
        """How many StyleSpace has."""
        return len(self.names)

    def __call__(
        self, code: np.ndarray, offset: np.ndarray, decided: bool
    ) -> Sparse | None:
        """The fewest channels that flip one image, then the least movement.

        Channels are ranked by what each does to f's logit alone; then the
        shortest beginning of that ranking that flips f is looked for.

        Args:
          code: where the walk starts, [rows, w_dim].
          offset: of the walk's last frame on the side asked for,
            [1 or rows, w_dim].
          decided: f's decision on the image.

        Returns:
          None if not even all channels together flip f.
        """
        sign = -1.0 if decided else 1.0

        def ask(shares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            frames, judged = self._asked(code, offset, shares)
            return frames, self._flips(judged, decided)

        _, alone = self._asked(code, offset, np.eye(self.channels))
        order = np.argsort(-sign * predictors.logit(alone), kind="stable")

        def first(count: float) -> np.ndarray:
            shares = np.zeros(self.channels)
            shares[order[: round(count)]] = 1
            return shares

        count = smallest(
            lambda counts: ask(np.stack([first(n) for n in counts]))[1],
            self.channels,
            whole=True,
        )
        if count is None:
            return None
        mask = first(count)
        share = smallest(
            lambda shares: ask(np.stack([s * mask for s in shares]))[1], 1.0
        )
        share = 1.0 if share is None else share
        frames, judged = self._asked(code, offset, (share * mask)[None])
        moved = tuple(self.names[n] for n in np.flatnonzero(mask))
        return Sparse(frames[0], float(judged[0]), moved, float(share))

    def _asked(
        self, code: np.ndarray, offset: np.ndarray, shares: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Frames [M, R, R, C] and f's answers [M] for shares [M, channels]."""
        count = len(shares)
        frames = as_stored(
            self._render(
                self._constants,
                np.broadcast_to(code, (count, *code.shape)),
                np.broadcast_to(offset, (count, *offset.shape)),
                shares.astype(np.float32),
            )
        )
        return frames, predictors.probability(
            self._predictor, frames, self._config
        )

    def _flips(self, judged: np.ndarray, decided: bool) -> np.ndarray:
        threshold = np.float32(self._config.target.level)
        return (judged >= threshold) != decided


def smallest(
    flips: Callable[[np.ndarray], np.ndarray],
    most: float,
    whole: bool = False,
) -> float | None:
    """The smallest value found in (0, most] at which `flips` is true.

    A grid first, then the bracket of its first flip is narrowed; where
    `flips` is not monotone this is a flip, but need not be the smallest one.

    Args:
      flips: values [M] -> bool [M].
      most: the greatest value.
      whole: only whole numbers, down to 1.

    Returns:
      None if there is no flip on the first grid.
    """
    low, high, found = 0.0, float(most), None
    for _ in range(_ROUNDS):
        grid = np.linspace(low, high, _POINTS + 1)[1:]
        if whole:
            grid = np.unique(np.ceil(grid))
        flipped = flips(grid)
        if not flipped.any():
            break
        first = int(flipped.argmax())
        low = grid[first - 1] if first else low
        high = found = float(grid[first])
        if whole and high - low <= 1:
            break
    return found

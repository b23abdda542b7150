"""Finds the smallest walk that flips f, and the frames that show it.

Pure NumPy around `judge(codes, lambdas [N, K]) -> f's probabilities`, so it
works for any black box and can be checked against a known one.
"""

import dataclasses
from collections.abc import Callable

import numpy as np

from jaxstyle.config import Config
from jaxstyle.explain.direction import Direction

Judge = Callable[[np.ndarray, np.ndarray], np.ndarray]

FLIPPED = "flipped"
NO_FLIP = "no flip inside the trust limit"
NOT_EXPLAINED = "reconstruction judged differently"

# The last frame goes beyond the flip by this share, to show where it leads.
_BEYOND = 1.2


@dataclasses.dataclass(frozen=True)
class Walks:
    """The walks of N images.

    Attributes:
      lambdas: [N, K], rising, from the negative to the positive class.
      reconstruction_frame: int [N], where lambda is 0.
      flip_frame: int [N], the smallest flip; -1 where there is none.
      status: N of `FLIPPED`, `NO_FLIP`, `NOT_EXPLAINED`.
    """

    lambdas: np.ndarray
    reconstruction_frame: np.ndarray
    flip_frame: np.ndarray
    status: list[str]


def frame_count(config: Config) -> int:
    """K: the ladder, the reconstruction and the smallest flip."""
    return len(config.walk.targets) + 2


def find_walks(
    config: Config,
    direction: Direction,
    codes: np.ndarray,
    decisions: np.ndarray,
    judge: Judge,
) -> Walks:
    """Walks that ask for the opposite of each image's decision.

    Args:
      config: ladder, rounds, f's threshold.
      direction: alpha and the trust limit.
      codes: E(x), [N, rows, w_dim].
      decisions: f's decision on the images themselves, bool [N].
      judge: f on rendered walks.
    """
    asked = np.where(decisions, -1.0, 1.0)
    low, high = direction.trusted_range(codes)
    limit = np.maximum(np.where(asked > 0, high, -low), 0)
    other_limit = np.maximum(np.where(asked > 0, -low, high), 0)
    ladder = direction.steps_to(codes, np.asarray(config.walk.targets))
    ladder = ladder * asked[:, None]  # positive: towards the flip

    def flips(distances: np.ndarray) -> np.ndarray:
        p = judge(codes, distances * asked[:, None])
        return (p >= config.predictor.threshold) != decisions[:, None]

    explained = ~flips(np.zeros_like(_grid(limit, limit, config)))[:, 0]
    reach = np.clip(ladder.max(axis=1), 0, limit)
    flip, found = _smallest_flips(config, flips, reach, limit)
    found &= explained
    distances = np.stack(
        [
            _frames_of(ladder[n], flip[n], bool(found[n]), *ends)
            for n, ends in enumerate(zip(limit, other_limit, strict=True))
        ]
    )
    marks = np.where(found, flip, np.nan)
    lambdas = np.sort(distances * asked[:, None], axis=1)
    status = np.where(found, FLIPPED, np.where(explained, NO_FLIP, NOT_EXPLAINED))
    flip_frame = np.abs(lambdas - (marks * asked)[:, None])
    return Walks(
        lambdas,
        np.argmin(np.abs(lambdas), axis=1),
        np.where(found, np.argmin(np.nan_to_num(flip_frame), axis=1), -1),
        status.tolist(),
    )


def _smallest_flips(
    config: Config,
    flips: Callable[[np.ndarray], np.ndarray],
    reach: np.ndarray,
    limit: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Distances of the smallest flips [N], and whether there is one [N].

    First up to the ladder's end, then up to the trust limit; once a bracket
    [not flipped, flipped] is found, each round narrows it by K.
    """
    count = len(reach)
    low, high = np.zeros(count), reach
    found = np.zeros(count, bool)
    for _ in range(2 + config.walk.refinements):
        grid = _grid(low, high, config)
        flipped = flips(grid)
        now = flipped.any(axis=1)
        first = flipped.argmax(axis=1)
        rows = np.arange(count)
        before = np.where(first > 0, grid[rows, first - 1], low)
        # A bracket keeps its flipped end even if f wavers at this round.
        low = np.where(now, before, np.where(found, low, high))
        high = np.where(now, grid[rows, first], np.where(found, high, limit))
        found |= now
    return high, found


def _grid(low: np.ndarray, high: np.ndarray, config: Config) -> np.ndarray:
    """K points in (low, high], [N, K]."""
    count = frame_count(config)
    shares = np.arange(1, count + 1) / count
    return low[:, None] + (high - low)[:, None] * shares[None]


def _frames_of(
    ladder: np.ndarray,
    flip: float,
    found: bool,
    limit: float,
    other_limit: float,
) -> np.ndarray:
    """The T + 2 distances shown for one image, unsorted.

    The ladder, each side of it shrunk to the trust limit or stretched past
    the flip; 0; and the flip itself (the limit, where there is none).
    """
    ahead, behind = ladder[ladder > 0], ladder[ladder <= 0]
    end = min(max(ahead.max(initial=0.0), _BEYOND * flip), limit)
    if not found:
        end = limit
    mark = flip if found else limit
    if not len(ahead):
        # E(x) lies beyond the ladder: all its frames lead to the flip.
        ahead, behind = np.arange(1, len(ladder) + 1.0), behind[:0]
    ahead = ahead * (end / ahead.max())
    if not found:
        # The limit is a frame already; a middle one takes its place.
        ahead = np.where(ahead == ahead.max(), ahead.max() * 0.97, ahead)
    if len(behind) and behind.min() < 0:
        behind = behind * min(1.0, other_limit / -behind.min())
    return np.concatenate([behind, [0.0], ahead, [mark]])

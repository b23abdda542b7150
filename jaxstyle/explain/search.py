"""Finds the smallest walk that flips f, and the frames that show it.

Pure NumPy around `judge(codes, lambdas [N, K]) -> f's probabilities`, so it
works for any black box and can be checked against a known one. The search
only chooses the frames: what a walk shows is read off f's answers to the
very frames that are saved (`verdicts`).
"""

import dataclasses
from collections.abc import Callable

import numpy as np

from jaxstyle.config import Config
from jaxstyle.explain.direction import Direction, decisions

Judge = Callable[[np.ndarray, np.ndarray], np.ndarray]

FLIPPED = "flipped"
NO_FLIP = "no flip inside the trust limit"
NOT_EXPLAINED = "reconstruction judged differently"

# The last frame goes beyond the flip by this share, to show where it leads.
_BEYOND = 1.2
# Frames closer than this share of the walk would look the same.
_APART = 1e-3


@dataclasses.dataclass(frozen=True)
class Verdicts:
    """What N walks show.

    Attributes:
      reconstruction_frame: int [N], where lambda is 0.
      flip_frame: int [N], the nearest flipped frame on the side asked for;
        -1 where there is none.
      status: N of `FLIPPED`, `NO_FLIP`, `NOT_EXPLAINED`.
    """

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
    decided: np.ndarray,
    judge: Judge,
) -> np.ndarray:
    """Chooses walks that ask for the opposite of each image's decision.

    Args:
      config: ladder, rounds, f's threshold.
      direction: the latent predictor, its walk and the trust limit.
      codes: E(x), [N, rows, w_dim].
      decided: f's decision on the images themselves, bool [N].
      judge: f on rendered walks.

    Returns:
      lambdas float32 [N, K], rising, from the negative to the positive
      class, inside the trust limit. One of each walk is 0. They differ from
      each other, but for a code that may not move either way (beyond the
      trust radius, and any step leads farther out): its lambdas are all 0.
    """
    asked = np.where(decided, -1.0, 1.0)[:, None]  # towards the flip
    low, high = direction.trusted_range(codes)
    limit = np.maximum(np.where(decided, -low, high), 0)
    other_limit = np.maximum(np.where(decided, high, -low), 0)
    ladder = direction.steps_to(codes, np.asarray(config.walk.targets))
    ladder = np.sort(ladder * asked, axis=1)

    def flips(distances: np.ndarray) -> np.ndarray:
        p = judge(codes, _stored(distances * asked))
        return decisions(config, p) != decided[:, None]

    reach = np.clip(ladder[:, -1], 0, limit)
    flip = _smallest_flips(config, flips, reach, limit)
    distances = np.stack(
        [
            _distances(ladder[n], flip[n], *ends)
            for n, ends in enumerate(zip(limit, other_limit, strict=True))
        ]
    )
    return _stored(np.sort(distances * asked, axis=1))


def verdicts(
    config: Config,
    lambdas: np.ndarray,
    decided: np.ndarray,
    judged: np.ndarray,
) -> Verdicts:
    """Reads off f's answers to the frames what the walks show.

    Args:
      config: f's threshold.
      lambdas: [N, K], one of each row 0.
      decided: f's decision on the images themselves, bool [N].
      judged: f's probabilities on the frames, [N, K].
    """
    rows = np.arange(len(lambdas))
    flipped = decisions(config, judged) != decided[:, None]
    start = np.argmin(np.abs(lambdas), axis=1)
    explained = ~flipped[rows, start]
    asked = np.where(decided[:, None], lambdas < 0, lambdas > 0)
    distances = np.where(flipped & asked, np.abs(lambdas), np.inf)
    nearest = np.argmin(distances, axis=1)
    found = explained & np.isfinite(distances[rows, nearest])
    status = np.select([found, explained], [FLIPPED, NO_FLIP], NOT_EXPLAINED)
    return Verdicts(start, np.where(found, nearest, -1), status.tolist())


def _smallest_flips(
    config: Config,
    flips: Callable[[np.ndarray], np.ndarray],
    reach: np.ndarray,
    limit: np.ndarray,
) -> np.ndarray:
    """Distances of the smallest flips [N]; NaN where there is none.

    First from the reconstruction to the ladder's end, then up to the trust
    limit; once a bracket [not flipped, flipped] is found, each round narrows
    it by K, to its first flipped point and the one before. So there is a
    distance without a flip at most reach / (K - 1) / K^(1 + refinements)
    before the one returned, or (limit - reach) / K^(1 + refinements) beyond
    the ladder. Where f is not monotone, it is the first crossing that the K
    points of a round show: what flips and flips back between two of them is
    not seen. A reconstruction that f judges differently has no flip.
    """
    count = frame_count(config)
    rows = np.arange(len(reach))
    low, high = np.zeros(len(reach)), reach
    found = explained = np.zeros(len(reach), bool)
    for turn in range(2 + config.walk.refinements):
        # Only the first round looks at its low end, the reconstruction.
        shares = np.linspace(0, 1, count + (turn > 0))[turn > 0 :]
        grid = low[:, None] + (high - low)[:, None] * shares[None]
        flipped = flips(grid)
        if turn == 0:
            explained = ~flipped[:, 0]
        now = flipped.any(axis=1)
        first = flipped.argmax(axis=1)
        before = np.where(first > 0, grid[rows, first - 1], low)
        # A bracket keeps its flipped end even if f wavers at this round.
        low = np.where(now, before, np.where(found, low, high))
        high = np.where(now, grid[rows, first], np.where(found, high, limit))
        found = found | now
    return np.where(found & explained, high, np.nan)


def _distances(
    ladder: np.ndarray, flip: float, limit: float, other_limit: float
) -> np.ndarray:
    """The T + 2 distances shown for one image, those asked for positive.

    The ladder, each side of it shrunk to the trust limit or stretched past
    the flip; 0; and the flip itself. Without a flip the asked side shows
    everything up to the trust limit.
    """
    ahead, behind = ladder[ladder > 0], -ladder[ladder < 0]
    if not len(ahead):
        # E(x) lies beyond the ladder: all its frames lead to the flip.
        ahead, behind = np.arange(1, len(ladder) + 1.0), behind[:0]
    end = limit
    if np.isfinite(flip):
        end = min(max(ahead.max(), _BEYOND * flip), limit)
    other_end = min(behind.max(initial=0.0), other_limit)
    if end == 0 and other_end == 0:
        # Not a step is trusted on the asked side: the other one is shown.
        other_end = other_limit
    needed = [0.0] + ([flip] if np.isfinite(flip) else [])
    wished = [np.array([end, -other_end]), ahead * (end / ahead.max())]
    if len(behind):
        wished.append(-behind * (other_end / behind.max()))
    return _spread(needed, np.concatenate(wished), len(ladder) + 2)


def _spread(needed: list[float], wished: np.ndarray, count: int) -> np.ndarray:
    """`count` points: those needed, those wished that keep apart, middles.

    Where wishes fall together, the middles of the widest gaps step in.
    """
    points = np.asarray(needed)
    apart = _APART * np.ptp([*wished, *needed])
    if apart == 0:
        return np.zeros(count)
    for point in wished:
        if np.abs(points - point).min() >= apart and len(points) < count:
            points = np.append(points, point)
    while len(points) < count:
        points = np.sort(points)
        widest = np.argmax(np.diff(points))
        points = np.append(points, points[widest : widest + 2].mean())
    return points


def _stored(lambdas: np.ndarray) -> np.ndarray:
    """As the renderer takes them, and without -0."""
    return lambdas.astype(np.float32) + np.float32(0)

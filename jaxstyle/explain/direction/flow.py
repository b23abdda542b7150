"""Paths along the normalised gradient of a function, in NumPy."""

import dataclasses
from collections.abc import Callable

import numpy as np

# points [N, D] -> values [N], or vectors [N, D]
Field = Callable[[np.ndarray], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Paths:
    """N paths as points `step` of arc length apart, their starts amid.

    Attributes:
      points: [N, 2 S + 1, D]; an ended path repeats its last point.
      values: the function at the points, [N, 2 S + 1], rising.
      first: index of the lowest point of each path, [N].
      last: index of the highest, [N].
      step: arc length from one point to the next.
    """

    points: np.ndarray
    values: np.ndarray
    first: np.ndarray
    last: np.ndarray
    step: float

    @property
    def start(self) -> int:
        """S, the index of the start."""
        return self.points.shape[1] // 2

    def offsets(self, lambdas: np.ndarray) -> np.ndarray:
        """Way from the start, [N, K] -> [N, K, D], straight between points.

        Beyond an end of a path it is that of the end.
        """
        place = np.clip(
            lambdas.astype(np.float64) / self.step + self.start,
            self.first[:, None],
            self.last[:, None],
        )
        below = np.minimum(place.astype(np.int64), 2 * self.start - 1)
        share = (place - below)[:, :, None]
        rows = np.arange(len(below))[:, None]
        here, there = self.points[rows, below], self.points[rows, below + 1]
        moved = here + share * (there - here)
        return moved - self.points[:, self.start, None]

    def reaching(self, goals: np.ndarray) -> np.ndarray:
        """lambda [N, T] of the values [T]; the path's end where beyond it."""
        every = np.broadcast_to(goals, (len(self.values), len(goals)))
        return np.stack([self.where(goal) for goal in every.T], axis=1)

    def where(self, goals: np.ndarray) -> np.ndarray:
        """lambda [N] of a value of each path, [N]; its end where beyond it."""
        return np.asarray(
            [
                np.interp(goal, values[a : b + 1], self._lambdas(a, b))
                for goal, values, a, b in zip(
                    goals, self.values, self.first, self.last, strict=True
                )
            ]
        )

    def inside(
        self, distances: Field, radius: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """The range of lambda about 0 with `distances` <= radius: [N], [N].

        A path that starts beyond the radius gets as far as it started.
        Distances are to be convex between points, whose squares are
        interpolated: no end lies outside.
        """
        squared = distances(self.points) ** 2
        limit = np.maximum(radius**2, squared[:, self.start])
        down = _first_beyond(squared[:, self.start :: -1], limit)
        up = _first_beyond(squared[:, self.start :], limit)
        low = np.minimum(down, self.start - self.first)
        return -low * self.step, np.minimum(up, self.last - self.start) * (
            self.step
        )

    def _lambdas(self, first: int, last: int) -> np.ndarray:
        return (np.arange(first, last + 1) - self.start) * self.step


def integrate(
    value: Field,
    gradient: Field,
    start: np.ndarray,
    *,
    step: float,
    steps: int,
    flat: float,
) -> Paths:
    """Follows the gradient of `value` both ways.

    dw/ds = gradient / |gradient| by the classical Runge-Kutta method. A path
    ends before a step on which the value would not rise, or where the
    gradient is shorter than `flat`.

    Args:
      value: what rises.
      gradient: its gradient, or that with some directions taken out.
      start: [N, D].
      step: arc length of one step.
      steps: at most so many to each side.
      flat: least length of the gradient.
    """
    down, below, falls = _side(value, gradient, start, -step, steps, flat)
    up, above, rises = _side(value, gradient, start, step, steps, flat)
    return Paths(
        np.concatenate([down[:, :0:-1], up], axis=1),
        np.concatenate([below[:, :0:-1], above], axis=1),
        steps - falls,
        steps + rises,
        step,
    )


def _side(
    value: Field,
    gradient: Field,
    start: np.ndarray,
    step: float,
    steps: int,
    flat: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points [N, steps + 1, D], values, and how many steps were made, [N]."""
    points, values = [start], [value(start)]
    alive, made = np.ones(len(start), bool), np.zeros(len(start), np.int64)
    for _ in range(steps):
        there = points[-1] + _runge_kutta(gradient, points[-1], step)
        reached = value(there)
        alive &= np.linalg.norm(gradient(points[-1]), axis=-1) >= flat
        alive &= (reached - values[-1]) * np.sign(step) > 0
        points.append(np.where(alive[:, None], there, points[-1]))
        values.append(np.where(alive, reached, values[-1]))
        made += alive
    return np.stack(points, axis=1), np.stack(values, axis=1), made


def _runge_kutta(
    gradient: Field, points: np.ndarray, step: float
) -> np.ndarray:
    """The classical step along the unit gradient, [N, D]."""
    first = _unit(gradient(points))
    second = _unit(gradient(points + step / 2 * first))
    third = _unit(gradient(points + step / 2 * second))
    fourth = _unit(gradient(points + step * third))
    return step / 6 * (first + 2 * second + 2 * third + fourth)


def _unit(vectors: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.maximum(length, np.finfo(np.float64).tiny)


def _first_beyond(squared: np.ndarray, limit: np.ndarray) -> np.ndarray:
    """Steps, with a fraction, until squared [N, S + 1] passes limit [N].

    inf where it never does.
    """
    # The start itself may lie on the limit.
    beyond = squared > limit[:, None] * (1 + 1e-12)
    index = np.maximum(beyond.argmax(axis=1), 1)
    rows = np.arange(len(squared))
    before, after = squared[rows, index - 1], squared[rows, index]
    rise = np.where(after > before, after - before, 1.0)
    share = np.clip((limit - before) / rise, 0, 1)
    return np.where(beyond.any(axis=1), index - 1 + share, np.inf)

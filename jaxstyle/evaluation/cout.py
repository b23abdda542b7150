"""COUT: does f turn early when the changed pixels are put in?

Khorram and Fuxin 2022 (CVPR, arXiv:2203.15064), "Cycle-Consistent
Counterfactuals by Latent Transformations", counterfactual transition score.
"""

import itertools
from collections.abc import Callable, Iterator

import numpy as np

from jaxstyle import predictors, run_log
from jaxstyle.config import Config
from jaxstyle.evaluation import pictures
from jaxstyle.evaluation import walks as walks_lib

# Images [n, H, W, C] in [-1, 1] -> f's probabilities [n].
Judge = Callable[[np.ndarray], np.ndarray]


def scores(
    judge: Judge,
    query: np.ndarray,
    counterfactual: np.ndarray,
    asked: np.ndarray,
    steps: int,
    most: int,
) -> np.ndarray:
    """COUT of N counterfactuals.

    Pixels of the query are replaced by those of the counterfactual, those
    that differ most first (by the sum over channels of absolute
    differences; equals in reading order), in `steps` equal portions. The
    score is the area under f's probability of the class asked for minus
    that of the present class, over the share of pixels replaced, by the
    trapezoidal rule.

    Args:
      judge: f.
      query: [N, H, W, C] in [-1, 1].
      counterfactual: likewise.
      asked: [N] of 0 and 1.
      steps: portions; f is asked steps + 1 times an image.
      most: images that are made and shown to f at once.

    Returns:
      float64 [N] in [-1, 1]. 1: f is sure of the class asked for from the
      first portion on. Below 0: f stays with the present class for most of
      the way.
    """
    counts = replaced_pixels(query[0, ..., 0].size, steps)
    frames = (
        frame
        for pair in zip(query, counterfactual, strict=True)
        for frame in transition(*pair, counts)
    )
    p = []
    while some := list(itertools.islice(frames, most)):
        p.append(judge(np.stack(some)))
    curves = np.concatenate(p).astype(np.float64).reshape(len(query), -1)
    return np.trapezoid(
        margin(curves, asked[:, None]), counts / counts[-1], axis=1
    )


def replaced_pixels(pixels: int, steps: int) -> np.ndarray:
    """How many pixels are replaced at each node: int [steps + 1], 0 to all."""
    return np.rint(np.linspace(0, pixels, steps + 1)).astype(np.int64)


def transition(
    query: np.ndarray, counterfactual: np.ndarray, counts: np.ndarray
) -> Iterator[np.ndarray]:
    """Yields the query, [H, W, C], with so many of its pixels replaced."""
    apart = np.abs(counterfactual - query).sum(axis=-1).ravel()
    order = np.argsort(-apart, kind="stable")
    frame = query.reshape(len(order), -1).copy()
    pixels = counterfactual.reshape(frame.shape)
    done = 0
    for count in counts:
        some = order[done:count]
        frame[some] = pixels[some]
        done = count
        yield frame.reshape(query.shape).copy()


def margin(p: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """f's probability of the class asked for minus that of the other one.

    Args:
      p: f's probability of class 1.
      asked: 0 or 1, in a shape that fits.
    """
    return np.where(asked == 1, 2 * p - 1, 1 - 2 * p)


def measure(
    config: Config,
    predictor: predictors.Predictor,
    walks: list[walks_lib.Saved],
) -> tuple[np.ndarray, np.ndarray]:
    """COUT of every walk, failures as well.

    An image that did not flip is scored by its farthest frame. One whose
    reconstruction f judges differently is not explained by its walk, which
    starts in the class asked for: it scores as if no pixel ever changed.

    Returns:
      ([N] from the originals, as in the paper; [N] from reconstructions).
    """
    judged = walks_lib.judged_originals(walks)
    unmoved = margin(judged, walks_lib.asked(walks))
    explained = walks_lib.explained(walks) == 1
    found = np.stack([unmoved, unmoved])
    size = config.predictor.batch_size

    def judge(frames: np.ndarray) -> np.ndarray:
        return predictors.probability(predictor, frames, config)

    waiting = np.flatnonzero(explained)
    progress = run_log.Progress("COUT", len(waiting), "images")
    done = 0
    for some, seen in pictures.batches([walks[n] for n in waiting], size):
        rows = waiting[done : done + len(some)]
        for start, query in enumerate((seen.original, seen.reconstruction)):
            found[start, rows] = scores(
                judge,
                query,
                seen.counterfactual,
                walks_lib.asked(some),
                config.evaluation.cout_steps,
                size,
            )
        done += len(some)
        progress.update(done)
    return found[0], found[1]

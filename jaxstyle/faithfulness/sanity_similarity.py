"""How alike two networks' explanations of the same images are.

Adebayo et al. 2018 (arXiv:1810.03292, section 3.1) compare maps by the rank
correlation of absolute values and by structural similarity.
"""

from typing import Any

import numpy as np

from jaxstyle.config import NEAREST, Config
from jaxstyle.evaluation import images as image_metrics
from jaxstyle.evaluation import statistics
from jaxstyle.explain.direction import decisions
from jaxstyle.faithfulness.sanity_directions import Fitter
from jaxstyle.faithfulness.sanity_walks import Explanation

MEASURES = ("spearman", "ssim")


def of_maps(a: np.ndarray, b: np.ndarray) -> dict[str, np.ndarray]:
    """Similarities of maps [N, R, R], >= 0, in none of which all is 0.

    Returns:
      "spearman", rank correlation of the pixels, and "ssim", structural
      similarity of the maps scaled to a maximum of 1 (see
      `evaluation.images.ssim`): float64 [N] each, in [-1, 1].
    """
    if not len(a):
        return {name: np.zeros(0) for name in MEASURES}
    ranks = [
        statistics.spearman(x.ravel(), y.ravel())
        for x, y in zip(a, b, strict=True)
    ]
    # Told over [-1, 1], which that function moves back.
    pictures = [_scaled(maps)[..., None] * 2 - 1 for maps in (a, b)]
    return {
        "spearman": np.asarray(ranks),
        "ssim": image_metrics.ssim(*pictures),
    }


def compared(
    config: Config,
    trained: Explanation,
    other: Explanation,
    groups: np.ndarray,
) -> dict[str, Any]:
    """How alike another network's explanations are to those of f itself.

    Args:
      config: bootstraps and seed of the intervals.
      trained: those of the run's own f.
      other: those of the other network, of the same N images.
      groups: the patient of each, [N].

    Returns:
      decides_for, the share of images that the other decides for;
      decides_both_ways, whether it does among those that the direction is
      fitted on; answers, the rank correlation of both networks'
      probabilities; what `_of_method` tells of the counterfactuals'
      difference maps; and under "grad_cam" the same of Grad-CAM's.
    """
    heat = [one.heat.max(axis=(1, 2)) > 0 for one in (trained, other)]
    found = {
        "decides_for": float(np.mean(decisions(config, other.judged))),
        "decides_both_ways": not other.one_way,
        **_of_method(
            config,
            (trained.maps, other.maps),
            (trained.explained, other.explained),
            groups,
        ),
        "grad_cam": _of_method(
            config, (trained.heat, other.heat), (heat[0], heat[1]), groups
        ),
    }
    if len(other.judged) > 1:
        found["answers"] = statistics.spearman(trained.judged, other.judged)
    return found


def alone(
    config: Config, trained: Explanation, groups: np.ndarray
) -> dict[str, Any]:
    """What there is to compare with: the explanations of f itself.

    Args:
      config: bootstraps and seed of the intervals.
      trained: those of the run's own f, of N images.
      groups: the patient of each, [N].

    Returns:
      decides_for, and explained, the shares of all images; under "grad_cam"
      the latter of Grad-CAM; and other_images, likewise: spearman and ssim
      of explanations of two different images, each with the next one in
      random order. So much maps have in common because the images do.
    """
    heat = trained.heat.max(axis=(1, 2)) > 0
    kinds = (trained.maps, trained.explained), (trained.heat, heat)
    shares, others = [], []
    for maps, there in kinds:
        values = there.astype(np.float64)
        shares.append(_means(config, {"explained": values}, groups))
        random = np.random.default_rng(config.seed)
        some = random.permutation(np.flatnonzero(there))
        pairs = maps[some], maps[np.roll(some, 1)]
        others.append(
            _means(config, of_maps(*pairs), groups[some])
            if len(some) > 1
            else {}
        )
    return {
        "decides_for": float(np.mean(decisions(config, trained.judged))),
        **shares[0],
        "grad_cam": shares[1],
        "other_images": {**others[0], "grad_cam": others[1]},
    }


def of_directions(
    config: Config,
    fitter: Fitter,
    trained: Explanation,
    other: Explanation,
    used: np.ndarray | None,
    groups: np.ndarray,
) -> dict[str, float]:
    """The cosine in W of both networks' directions, and its interval.

    Rows of the fit are drawn again for it, the same for both; a direction
    that cannot be fitted on them counts as a cosine of 0. Of curved walks,
    and of each image's own way, it is the mean over the images, whose
    patients are drawn again instead.

    Args:
      config: the direction's method and bootstraps, and what walks follow.
      fitter: fits directions.
      trained: of the run's own f.
      other: of the other network.
      used: rows that its direction is fitted on; None if all.
      groups: the patient of each of the N images.

    Returns:
      cosine, cosine_low, cosine_high; nothing if one has no direction.
    """
    if trained.one_way or other.one_way:
        return {}
    cosines = np.sum(trained.tangents * other.tangents, axis=1)
    if config.direction.method == "mlp" or config.walk.along == NEAREST:
        return _means(config, {"cosine": cosines}, groups)
    cosine = float(cosines.mean())

    def refitted(rows: np.ndarray) -> float:
        found = [
            fitter.refit(one.fitted, one.penalty, mine, rows)
            for one, mine in ((trained, None), (other, used))
        ]
        if found[0] is None or found[1] is None:
            return 0.0
        return float(found[0] @ found[1])

    if not config.direction.bootstraps:
        return {"cosine": cosine}
    low, high = statistics.bootstrap_interval(
        refitted,
        np.arange(fitter.count),
        resamples=config.direction.bootstraps,
        seed=config.seed,
        around=cosine,
    )
    return {
        "cosine": cosine,
        "cosine_low": max(low, -1.0),
        "cosine_high": min(high, 1.0),
    }


def _of_method(
    config: Config,
    maps: tuple[np.ndarray, np.ndarray],
    there: tuple[np.ndarray, np.ndarray],
    groups: np.ndarray,
) -> dict[str, Any]:
    """Of one kind of explanation, f's own first.

    Returns:
      explained, the share of the images that f explains which the other
      explains, too; compared, the number of these; and over them the means
      of spearman and ssim. `<name>_low` and `<name>_high` are 95 %
      intervals over patients; what no image has is left out.
    """
    both = there[0] & there[1]
    still = there[1][there[0]].astype(np.float64)
    return {
        **_means(config, {"explained": still}, groups[there[0]]),
        "compared": int(both.sum()),
        **_means(config, of_maps(maps[0][both], maps[1][both]), groups[both]),
    }


def _means(
    config: Config, values: dict[str, np.ndarray], groups: np.ndarray
) -> dict[str, float]:
    """Means over images, their intervals over patients; of nothing, nothing."""
    told: dict[str, float] = {}
    for name, numbers in values.items():
        if len(numbers):
            told |= statistics.mean_and_interval(
                name,
                numbers,
                groups,
                resamples=config.evaluation.bootstraps,
                seed=config.seed,
            )
    return told


def _scaled(maps: np.ndarray) -> np.ndarray:
    return maps / maps.max(axis=(1, 2), keepdims=True)

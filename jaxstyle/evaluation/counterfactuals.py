"""Numbers about the walks of all rendered images, from what was saved.

Measures "at the flip" are means over the images that flipped. All others
are over all images, failures included; an image whose reconstruction f
judges differently counts as a failure in every rate.
"""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from jaxstyle import predictors, workdir
from jaxstyle.config import Config
from jaxstyle.data import pipeline
from jaxstyle.evaluation import cout, features, identity, pictures, realism
from jaxstyle.evaluation import walks as walks_lib
from jaxstyle.evaluation.record import Record


@dataclasses.dataclass(frozen=True)
class Judged:
    """The walks of N images, with what was seen in their pictures.

    Attributes:
      walks: N of them.
      seen: in their pictures.
      flipped: bool [N].
      groups: the patient of each, [N].
    """

    walks: list[walks_lib.Saved]
    seen: pictures.Seen
    flipped: np.ndarray
    groups: np.ndarray


def measure(
    config: Config,
    root: str | Path,
    record: Record,
    predictor: predictors.Predictor,
) -> dict[str, Any]:
    """Enters all numbers that start with reconstruction., walk., concept.

    Returns:
      What is told beside them: the chance level of walk.identity, and the
      Frechet distances by subset and feature network.
    """
    rendered = workdir.stage(config, root, "render")
    walks = walks_lib.load(rendered.path, rendered.manifest, rendered.summary)
    seen = pictures.look(
        walks, features.networks(config, root), config.predictor.batch_size
    )
    split = pipeline.open_asked(config, root, config.walk.split)
    groups = walks_lib.groups(walks, split)
    judged = Judged(walks, seen, walks_lib.flips(walks) == 1, groups)
    _reconstruction(record, judged)
    _walks(config, record, judged)
    _at_the_flip(config, record, judged)
    from_original, from_reconstruction = cout.measure(config, predictor, walks)
    record.mean("walk.cout", from_original, groups)
    record.mean("walk.cout_reconstruction", from_reconstruction, groups)
    own = identity.retrieved(seen.features[features.DEFAULT])
    record.mean("walk.identity", own * walks_lib.explained(walks), groups)
    distances = realism.measure(
        *(config, record, seen.features),
        *(walks_lib.asked(walks), judged.flipped, groups),
    )
    return {"identity_chance": 1 / len(walks), "frechet": distances}


def _reconstruction(record: Record, judged: Judged) -> None:
    for name, values in {
        "psnr": judged.seen.psnr,
        "ssim": judged.seen.ssim,
        "gap": walks_lib.gaps(judged.walks),
        "agreement": walks_lib.explained(judged.walks),
    }.items():
        record.mean(f"reconstruction.{name}", values, judged.groups)


def _walks(config: Config, record: Record, judged: Judged) -> None:
    walks, groups = judged.walks, judged.groups
    record.mean("walk.flip_rate", walks_lib.flips(walks), groups)
    record.mean("walk.monotonicity", walks_lib.monotonicity(walks), groups)
    if config.data.source == "ihc":
        stained = walks_lib.dab_monotonicity(walks)
        record.mean("concept.dab_monotonicity", stained, groups)


def _at_the_flip(config: Config, record: Record, judged: Judged) -> None:
    """How much has changed where f first decides otherwise."""
    seen, flipped = judged.seen, judged.flipped
    groups = judged.groups[flipped]
    change = identity.feature_change(
        seen.features[features.DEFAULT], config.seed
    )
    defined = flipped & np.isfinite(change)
    record.mean("walk.proximity", walks_lib.proximity(judged.walks), groups)
    record.mean(
        "walk.proximity_features", change[defined], judged.groups[defined]
    )
    record.mean("walk.proximity_ssim", seen.change_ssim[flipped], groups)
    record.mean("walk.sparsity", seen.changed[flipped], groups)

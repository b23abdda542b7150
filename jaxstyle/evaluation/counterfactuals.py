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
    """

    walks: list[walks_lib.Saved]
    seen: pictures.Seen
    flipped: np.ndarray


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
    judged = Judged(walks, seen, walks_lib.flips(walks) == 1)
    _reconstruction(record, judged)
    _walks(config, record, judged)
    _at_the_flip(config, record, judged)
    from_original, from_reconstruction = cout.measure(config, predictor, walks)
    record.mean("walk.cout", from_original)
    record.mean("walk.cout_reconstruction", from_reconstruction)
    own = identity.retrieved(seen.features[features.DEFAULT])
    record.mean("walk.identity", own * walks_lib.explained(walks))
    distances = realism.measure(
        config, record, seen.features, walks_lib.asked(walks), judged.flipped
    )
    return {"identity_chance": 1 / len(walks), "frechet": distances}


def _reconstruction(record: Record, judged: Judged) -> None:
    record.mean("reconstruction.psnr", judged.seen.psnr)
    record.mean("reconstruction.ssim", judged.seen.ssim)
    record.mean("reconstruction.gap", walks_lib.gaps(judged.walks))
    record.mean("reconstruction.agreement", walks_lib.explained(judged.walks))


def _walks(config: Config, record: Record, judged: Judged) -> None:
    walks = judged.walks
    record.mean("walk.flip_rate", walks_lib.flips(walks))
    record.mean("walk.monotonicity", walks_lib.monotonicity(walks))
    if config.data.source == "ihc":
        record.mean(
            "concept.dab_monotonicity", walks_lib.dab_monotonicity(walks)
        )


def _at_the_flip(config: Config, record: Record, judged: Judged) -> None:
    """How much has changed where f first decides otherwise."""
    seen, flipped = judged.seen, judged.flipped
    change = identity.feature_change(
        seen.features[features.DEFAULT], config.seed
    )
    defined = flipped & np.isfinite(change)
    record.mean("walk.proximity", walks_lib.proximity(judged.walks))
    record.mean("walk.proximity_features", change[defined])
    record.mean("walk.proximity_ssim", seen.change_ssim[flipped])
    record.mean("walk.sparsity", seen.changed[flipped])

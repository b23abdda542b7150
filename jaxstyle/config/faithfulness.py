"""Settings of the ground-truth benchmark."""

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any

from jaxstyle import config as config_lib
from jaxstyle.config.checks import (
    require,
    require_natural,
    require_positive,
    require_share,
)

KINDS: tuple[str, ...] = ("marker", "blur", "brightness", "blob", "texture")


@dataclass
class PlantsConfig:
    """What is planted into the images (see `faithfulness.planters`).

    Attributes:
      kinds: those of `KINDS` that are planted.
      probability: of each kind in each image, whatever else is in it.
      marker: how far the letter's pixels go towards white, a share.
      blur: standard deviation of the blur, in 1/32 of the side.
      brightness: added to the band, as a share of the intensity range.
      blob: added at the blob's centre, likewise.
      texture: added or taken away by the texture, likewise.
      train_images: most images of the training split; 0 takes all.
      val_images: likewise of the validation split.
      test_images: likewise of the test split.
    """

    kinds: tuple[str, ...] = KINDS
    probability: float = 0.5
    marker: float = 0.9
    blur: float = 2.0
    brightness: float = 0.25
    blob: float = 0.3
    texture: float = 0.15
    train_images: int = 0
    val_images: int = 0
    test_images: int = 0

    def __post_init__(self) -> None:
        require(
            len(self.kinds) > 0
            and set(self.kinds) <= set(KINDS)
            and len(set(self.kinds)) == len(self.kinds),
            "plants.kinds",
            self.kinds,
            f"name one or more, each once, of {KINDS}",
        )
        require(
            0 < self.probability < 1,
            "plants.probability",
            self.probability,
            "use a share strictly between 0 and 1",
        )
        shares = ("marker", "brightness", "blob", "texture")
        require_positive("plants", self, *KINDS)
        require_share("plants", self, *shares)
        require_natural(
            "plants", self, "train_images", "val_images", "test_images"
        )


@dataclass
class ScoresConfig:
    """How maps are made and compared with masks.

    Lengths are in 1/32 of the side of the images: pixels at 32 px.

    Attributes:
      smoothing: standard deviation of the Gaussian that smooths a map
        before its maximum is looked for (the pointing game alone).
      tolerance: farthest from the mask that the maximum still counts.
      integration_steps: points of the integrated gradients' path.
      occlusion_patch: side of the occluded squares.
      occlusion_stride: from one to the next.
    """

    smoothing: float = 1.0
    tolerance: float = 1.0
    integration_steps: int = 64
    occlusion_patch: int = 4
    occlusion_stride: int = 2

    def __post_init__(self) -> None:
        require_natural("scores", self, "smoothing", "tolerance")
        require_positive(
            "scores",
            self,
            *("integration_steps", "occlusion_patch", "occlusion_stride"),
        )


@dataclass
class FaithfulnessConfig:
    """The ground-truth benchmark: shortcuts are planted and looked for.

    Attributes:
      seeds: one data set, generator and encoder each.
      run: the pipeline; its data are the images that are planted into.
      plants: what is planted.
      scores: how explanations are scored.
      least_accuracy: of a classifier on the test split; one below it has
        not learnt its kind, and there is nothing to be found.
      found_enrichment: an explanation finds a kind if its share of the
        change inside of the mask is, on average, more than so many times
        the mask's share of the area; 1 is chance.
      foreign_enrichment: it is specific against another kind if there it
        is less than this.
      reaction: mean change of a classifier's probability when another kind
        is taken away, from which on it is held to use that kind, too.
      bootstraps: resamples for intervals.
    """

    seeds: tuple[int, ...] = (0, 1, 2)
    run: config_lib.Config = field(default_factory=config_lib.Config)
    plants: PlantsConfig = field(default_factory=PlantsConfig)
    scores: ScoresConfig = field(default_factory=ScoresConfig)
    least_accuracy: float = 0.9
    found_enrichment: float = 1.5
    foreign_enrichment: float = 1.5
    reaction: float = 0.05
    bootstraps: int = 1000

    def __post_init__(self) -> None:
        require(
            len(self.seeds) > 0
            and min(self.seeds) >= 0
            and len(set(self.seeds)) == len(self.seeds),
            "seeds",
            self.seeds,
            "give one or more, 0 or above, each once",
        )
        require(
            self.run.predictor.kind == "checkpoint",
            "run.predictor.kind",
            self.run.predictor.kind,
            "use 'checkpoint': the benchmark trains its own classifiers",
        )
        require(
            self.run.target.kind == "finding",
            "run.target.kind",
            self.run.target.kind,
            "use 'finding': whether a shortcut is there is what is learnt",
        )
        require(
            self.run.gan.classes == 0,
            "run.gan.classes",
            self.run.gan.classes,
            "use 0: one generator serves all classifiers",
        )
        require(
            not self.run.walk.images,
            "run.walk.images",
            self.run.walk.images,
            "leave it empty: the planted images are explained",
        )
        require_positive(
            "config",
            self,
            *("found_enrichment", "foreign_enrichment", "bootstraps"),
        )
        require_share("config", self, "least_accuracy", "reaction")


def validated(config: FaithfulnessConfig) -> FaithfulnessConfig:
    """A copy on which every check has run again (see `config.validated`).

    Raises:
      ConfigError: naming the field, its value and what to do.
    """
    return dataclasses.replace(
        config,
        run=config_lib.validated(config.run),
        plants=dataclasses.replace(config.plants),
        scores=dataclasses.replace(config.scores),
    )


def as_dict(config: FaithfulnessConfig) -> dict[str, Any]:
    """The settings as plain JSON values."""
    return json.loads(json.dumps(dataclasses.asdict(config)))

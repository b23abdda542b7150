"""Settings of direction, walks, numbers and page."""

from dataclasses import dataclass
from typing import ClassVar

from jaxstyle.config.checks import (
    require,
    require_natural,
    require_positive,
)

# Of `walk.along`: each image's own way.
NEAREST = "nearest"


@dataclass
class DirectionConfig:
    """The latent predictor, and the direction alpha in which it rises.

    Attributes:
      method: "logistic" regression; "least_squares" (ridge regression on
        f's logit); linear "svm"; "class_means" (logistic regression, walked
        along the difference of the classes' mean codes); "row_means" (read
        likewise, each layer's row of a W+ code walked along its own such
        difference); "transport" (read likewise, each code walked to where
        the optimal transport between the classes' codes takes it);
        "whitened" (logistic regression where W has unit covariance, with the
        step that stays likeliest under W); or "mlp" (a hidden layer, and
        curved walks along its gradient).
      codes: "encoded_real" (E of the training images) or "sampled" (codes
        of the mapping network, judged by f on their images).
      labels: "predictor_hard" (f's decisions), "predictor_prob" (f's
        probabilities as weights) or "ground_truth". Of f, "least_squares"
        and "mlp" learn the probabilities in either case.
      nuisances: columns of the prepared data that walks shall not change:
        what predicts them linearly is projected out.
      regularisation: candidates for C, the weight of the data against the
        penalty; validation decides. "mlp" has none.
      samples: codes drawn where codes is "sampled", and for the trust
        region.
      bootstraps: resamples for intervals and for the stability of alpha.
      trust_percentile: percentile of the Mahalanobis distances of sampled
        codes from their mean, and of the latent logit's deviations over W,
        beyond which a walk is not trusted.
    """

    METHODS: ClassVar[tuple[str, ...]] = (
        "logistic",
        "least_squares",
        "svm",
        "class_means",
        "row_means",
        "transport",
        "whitened",
        "mlp",
    )

    method: str = "logistic"
    codes: str = "encoded_real"
    labels: str = "predictor_hard"
    nuisances: tuple[str, ...] = ()
    regularisation: tuple[float, ...] = (0.01, 0.1, 1.0, 10.0, 100.0, 1e3, 1e4)
    samples: int = 4096
    bootstraps: int = 30
    trust_percentile: float = 99.0

    def __post_init__(self) -> None:
        require(
            self.method in self.METHODS,
            "direction.method",
            self.method,
            f"choose one of {self.METHODS}",
        )
        codes = ("encoded_real", "sampled")
        require(
            self.codes in codes,
            "direction.codes",
            self.codes,
            f"choose one of {codes}",
        )
        labels = ("predictor_hard", "predictor_prob", "ground_truth")
        require(
            self.labels in labels,
            "direction.labels",
            self.labels,
            f"choose one of {labels}",
        )
        require(
            (self.codes, self.labels) != ("sampled", "ground_truth"),
            "direction.labels",
            self.labels,
            "sampled codes have no ground truth; use the predictor's labels",
        )
        require(
            "" not in self.nuisances
            and len(set(self.nuisances)) == len(self.nuisances),
            "direction.nuisances",
            self.nuisances,
            "name each column once",
        )
        require_positive("direction", self, "samples")
        require_natural("direction", self, "bootstraps")
        require(
            len(self.regularisation) > 0 and min(self.regularisation) > 0,
            "direction.regularisation",
            self.regularisation,
            "give one or more positive numbers",
        )
        require(
            0 < self.trust_percentile <= 100,
            "direction.trust_percentile",
            self.trust_percentile,
            "use a percentile in (0, 100]",
        )


@dataclass
class WalkConfig:
    """Counterfactual walks and how they are rendered.

    Attributes:
      targets: ladder of latent probabilities, rising; lambda follows from
        the latent predictor's closed form.
      along: "direction" (the fitted one, the same for all images) or
        "nearest" (each image's own way to the least change that flips f, see
        `NearestConfig`; for a black box, looked for with the gradient of a
        network that is first taught its decisions).
      refinements: rounds that narrow the bracket of the smallest flip, each
        by the number of frames.
      batch_size: images walked at once (global).
      split: the prepared split that is rendered.
      images: renders these instead of the split: a folder, searched with
        its subfolders, or a text file that lists one image file a line.
      limit: most images rendered; 0 renders all.
      project: start walks at codes optimised for each image, as `project`
        says, instead of at E(x): slower by its steps, closer to the image.
      sparse: looks, too, for the fewest StyleSpace channels that still flip
        each image: f is asked once for each channel.
      writer_threads: threads that write files.
    """

    targets: tuple[float, ...] = (
        0.01,
        0.05,
        0.2,
        0.35,
        0.5,
        0.65,
        0.8,
        0.95,
        0.99,
    )
    along: str = "direction"
    refinements: int = 2
    batch_size: int = 16
    split: str = "test"
    images: str = ""
    limit: int = 0
    project: bool = False
    sparse: bool = False
    writer_threads: int = 4

    def __post_init__(self) -> None:
        require(
            len(self.targets) >= 2
            and list(self.targets) == sorted(set(self.targets))
            and self.targets[0] > 0
            and self.targets[-1] < 1,
            "walk.targets",
            self.targets,
            "give rising probabilities strictly between 0 and 1",
        )
        require(
            self.along in ("direction", NEAREST),
            "walk.along",
            self.along,
            "choose 'direction' or 'nearest'",
        )
        require(
            self.split in ("train", "val", "test"),
            "walk.split",
            self.split,
            "choose 'train', 'val' or 'test'",
        )
        require_positive("walk", self, "batch_size", "writer_threads")
        require_natural("walk", self, "limit", "refinements")


@dataclass
class NearestConfig:
    """The search for each image's nearest counterfactual.

    f is to get as sure of the opposite as `walk.targets` ends.

    Attributes:
      steps: optimiser steps for each image.
      learning_rate: Adam's, in units of W's spread.
      change_weight: weight of the mean absolute change of pixels.
      smoothness_weight: weight of the total variation of that change.
      latent_weight: weight of the squared distance of the codes, in units
        of W's variance.
    """

    steps: int = 150
    learning_rate: float = 0.03
    change_weight: float = 1.0
    smoothness_weight: float = 1.0
    latent_weight: float = 0.1

    def __post_init__(self) -> None:
        require_positive("nearest", self, "steps", "learning_rate")
        require_natural(
            "nearest",
            self,
            *("change_weight", "smoothness_weight", "latent_weight"),
        )
        require(
            self.change_weight + self.smoothness_weight > 0,
            "nearest.change_weight",
            self.change_weight,
            "use a positive number here or in nearest.smoothness_weight, or "
            "no change is smaller than another",
        )


@dataclass
class EvaluationConfig:
    """Numbers about the whole run.

    Attributes:
      samples: generated images for the distribution metrics.
      neighbours: k of precision and recall.
      bootstraps: resamples for intervals.
      cout_steps: portions in which COUT replaces an image's pixels; the
        classifier sees one more image than that, twice an image.
      frechet_images: fewest images of a class, real ones and counterfactuals
        each, for a Frechet distance between them; with fewer it is noise.
    """

    samples: int = 2000
    neighbours: int = 3
    bootstraps: int = 1000
    cout_steps: int = 50
    frechet_images: int = 30

    def __post_init__(self) -> None:
        require_positive(
            "evaluation",
            self,
            *("samples", "neighbours", "bootstraps", "cout_steps"),
        )
        require(
            self.frechet_images >= 4,
            "evaluation.frechet_images",
            self.frechet_images,
            "use 4 or more: each half needs a covariance",
        )


@dataclass
class ReportConfig:
    """The HTML page.

    Attributes:
      images: most images shown with their walks.
      title: heading of the page.
    """

    images: int = 40
    title: str = "Counterfactual explanations"

    def __post_init__(self) -> None:
        require_natural("report", self, "images")

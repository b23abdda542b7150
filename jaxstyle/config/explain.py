"""Settings of direction, walks, numbers and page."""

from dataclasses import dataclass

from jaxstyle.config.checks import (
    require,
    require_positive,
)


@dataclass
class DirectionConfig:
    """The latent predictor, whose normal is the direction alpha.

    Attributes:
      codes: "encoded_real" (E of the training images) or "sampled" (codes
        of the mapping network, judged by f on their images).
      labels: "predictor_hard" (f's decisions), "predictor_prob" (f's
        probabilities as weights) or "ground_truth".
      regularisation: candidates for scikit-learn's C; validation decides.
      samples: codes drawn where codes is "sampled", and for the trust
        radius.
      bootstraps: resamples for intervals and for the stability of alpha.
      trust_percentile: percentile of the distances of codes from their
        mean beyond which a walk is not trusted.
    """

    codes: str = "encoded_real"
    labels: str = "predictor_hard"
    regularisation: tuple[float, ...] = (1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0)
    samples: int = 4096
    bootstraps: int = 30
    trust_percentile: float = 99.0

    def __post_init__(self) -> None:
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
      refinements: rounds that narrow the bracket of the smallest flip, each
        by the number of frames.
      batch_size: images walked at once (global).
      split: the prepared split that is rendered.
      images: renders these instead of the split: a folder, searched with
        its subfolders, or a text file that lists one image file a line.
      limit: most images rendered; 0 renders all.
      project: start walks at codes optimised for each image, as `project`
        says, instead of at E(x): slower by its steps, closer to the image.
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
    refinements: int = 2
    batch_size: int = 16
    split: str = "test"
    images: str = ""
    limit: int = 0
    project: bool = False
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
            self.split in ("train", "val", "test"),
            "walk.split",
            self.split,
            "choose 'train', 'val' or 'test'",
        )
        require_positive("walk", self, "batch_size", "writer_threads")


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

"""Settings of what finds an image's latent code."""

from dataclasses import dataclass

from jaxstyle.config.checks import (
    require,
    require_natural,
    require_positive,
    require_widths,
)


@dataclass
class EncoderConfig:
    """The encoder E: image -> latent code.

    Attributes:
      space: "w" (one code for all layers) or "w_plus" (one for each).
      widths: channels of each stage of its ResNet.
      blocks: residual blocks in each stage.
      refinements: further passes, in which E sees its reconstruction beside
        the image and mends its code (arXiv:2104.02699).
      batch_size: global batch.
      kimg: thousands of synthetic pairs to train on.
      adapt_kimg: thousands of real images of the adaptation that follows.
      learning_rate: Adam's peak.
      adapt_learning_rate: Adam's during the adaptation.
      latent_weight: weight of the latent loss.
      image_weight: weight of the image loss.
      feature_weight: weight of the loss on the discriminator's features.
      predictor_weight: weight of the difference between f's answers to image
        and reconstruction. It asks for the built-in predictor, as gradients
        flow through f, and binds E to it; 0 leaves f out.
      synthetic_psi: truncation of the synthetic pairs.
      checkpoint_kimg: thousands of images between checkpoints.
    """

    space: str = "w"
    widths: tuple[int, ...] = (32, 64, 128)
    blocks: int = 1
    refinements: int = 0
    batch_size: int = 32
    kimg: float = 100.0
    adapt_kimg: float = 20.0
    learning_rate: float = 1e-3
    adapt_learning_rate: float = 3e-4
    latent_weight: float = 1.0
    image_weight: float = 1.0
    feature_weight: float = 1.0
    predictor_weight: float = 0.0
    synthetic_psi: float = 1.0
    checkpoint_kimg: float = 10.0

    def __post_init__(self) -> None:
        require(
            self.space in ("w", "w_plus"),
            "encoder.space",
            self.space,
            "choose 'w' or 'w_plus'",
        )
        require_widths("encoder.widths", self.widths)
        require_positive(
            "encoder",
            self,
            *("blocks", "batch_size", "kimg", "learning_rate"),
            *("adapt_learning_rate", "checkpoint_kimg"),
        )
        require_natural(
            "encoder",
            self,
            *("refinements", "latent_weight", "image_weight"),
            *("feature_weight", "predictor_weight"),
        )


@dataclass
class ProjectConfig:
    """Projection: codes optimised for given images, from E(x) on.

    Attributes:
      space: "w" or "w_plus".
      steps: optimiser steps for each image.
      learning_rate: Adam's peak, in units of W's spread.
      image_weight: weight of the mean absolute difference of pixels.
      feature_weight: weight of the distance in D's features.
      latent_weight: weight of the squared distance of the code from E(x),
        in units of W's variance.
      predictor_weight: weight of the difference between f's answers to the
        image and to what is found, as `encoder.predictor_weight`.
      noise_weight: weight of the noise regularisation (the paper's is 1e5,
        for 1,000 steps; 10 keeps maps white in 100); 0 keeps the fixed
        noise, so that the code alone explains the image.
      batch_size: images projected and written at once (global); multiples
        of 4 for each device leave no device idle.
      split: the prepared split that is projected.
      images: projects these instead: a folder, searched with its subfolders,
        or a text file that lists one image file a line.
      limit: most images projected; 0 projects all.
    """

    space: str = "w_plus"
    steps: int = 200
    learning_rate: float = 0.1
    image_weight: float = 1.0
    feature_weight: float = 1.0
    latent_weight: float = 0.1
    predictor_weight: float = 0.0
    noise_weight: float = 0.0
    batch_size: int = 16
    split: str = "test"
    images: str = ""
    limit: int = 0

    def __post_init__(self) -> None:
        require(
            self.space in ("w", "w_plus"),
            "project.space",
            self.space,
            "choose 'w' or 'w_plus'",
        )
        require(
            self.split in ("train", "val", "test"),
            "project.split",
            self.split,
            "choose 'train', 'val' or 'test'",
        )
        require_positive("project", self, "steps", "learning_rate")
        require_positive("project", self, "batch_size")
        require_natural(
            "project",
            self,
            *("image_weight", "feature_weight", "latent_weight"),
            *("predictor_weight", "noise_weight", "limit"),
        )
        require(
            self.image_weight + self.feature_weight > 0,
            "project.image_weight",
            self.image_weight,
            "use a positive number here or in project.feature_weight, or "
            "nothing draws the code to the image",
        )

"""Settings of the black box, built in or not."""

from dataclasses import dataclass

from jaxstyle.config.checks import (
    require,
    require_positive,
    require_widths,
)


@dataclass
class ClassifierConfig:
    """The built-in predictor f: a pre-activation ResNet.

    Attributes:
      widths: channels of each stage; every stage after the first halves
        the resolution.
      blocks: residual blocks in each stage.
      batch_size: global batch.
      epochs: most passes over the training split.
      patience: epochs without a better validation AUC before stopping.
      learning_rate: peak of the warm-up and cosine schedule (AdamW).
      weight_decay: decoupled weight decay.
      augment_brightness: additive brightness jitter in [-1, 1] units.
      augment_contrast: contrast jitter as a share.
      augment_shift: random translation in pixels.
    """

    widths: tuple[int, ...] = (16, 32, 64)
    blocks: int = 1
    batch_size: int = 64
    epochs: int = 20
    patience: int = 5
    learning_rate: float = 2e-3
    weight_decay: float = 1e-3
    augment_brightness: float = 0.05
    augment_contrast: float = 0.1
    augment_shift: int = 2

    def __post_init__(self) -> None:
        require_widths("classifier.widths", self.widths)
        require_positive(
            "classifier",
            self,
            *("blocks", "batch_size", "epochs", "patience", "learning_rate"),
        )


@dataclass
class PredictorConfig:
    """The black box to explain.

    Attributes:
      kind: "checkpoint" (the built-in classifier of this workdir) or
        "callable" (any Python function).
      target: for "callable", `package.module:function`, which maps float32
        [N, H, W, C] in [0, 1] to probabilities [N, K] or [N].
      class_index: column of the explained class.
      threshold: probability from which f decides for the finding.
      batch_size: images in one call of f.
    """

    kind: str = "checkpoint"
    target: str = ""
    class_index: int = 0
    threshold: float = 0.5
    batch_size: int = 64

    def __post_init__(self) -> None:
        require(
            self.kind in ("checkpoint", "callable"),
            "predictor.kind",
            self.kind,
            "choose 'checkpoint' or 'callable'",
        )
        require(
            (self.kind == "callable") == (":" in self.target),
            "predictor.target",
            self.target,
            "give 'package.module:function' for kind 'callable' only",
        )
        require(
            0 < self.threshold < 1,
            "predictor.threshold",
            self.threshold,
            "use a probability strictly between 0 and 1",
        )
        require_positive("predictor", self, "batch_size")

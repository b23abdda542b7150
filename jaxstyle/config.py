"""Every setting of every stage: typed, documented and validated.

A config file (`configs/*.py`) returns a `Config`; launchers read it through
`ml_collections.config_flags`, so any field can be overridden on the command
line (`--config.gan.kimg=5`). `validated` re-runs every check afterwards.
"""

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from typing import Any


class ConfigError(ValueError):
    """A setting is wrong; the message names the field, its value, the mend."""


def _require(condition: bool, field_name: str, value: Any, mend: str) -> None:
    if not condition:
        raise ConfigError(f"{field_name} = {value!r}: {mend}")


def _require_positive(section: str, values: Any, *names: str) -> None:
    for name in names:
        value = getattr(values, name)
        _require(value > 0, f"{section}.{name}", value, "use a positive number")


def _require_share(section: str, values: Any, *names: str) -> None:
    for name in names:
        value = getattr(values, name)
        _require(
            0 <= value <= 1, f"{section}.{name}", value, "use a share, 0 to 1"
        )


def _require_widths(field_name: str, widths: tuple[int, ...]) -> None:
    _require(
        len(widths) > 0 and min(widths) > 0,
        field_name,
        widths,
        "give the channels of each stage, one or more positive numbers",
    )


def _is_power_of_two(value: int) -> bool:
    return value >= 1 and value & (value - 1) == 0


@dataclass
class DataConfig:
    """Where images come from and what they are at the model's side.

    Attributes:
      source: "ihc" (embedded stained tissue), "npz" (arrays) or "folder"
        (images listed in a CSV manifest).
      path: the npz file or the CSV manifest; empty for "ihc".
      resolution: side in pixels of the square model images, a power of two.
      channels: 1 (grey) or 3 (RGB).
      positive_labels: the integer labels that count as the finding.
      class_names: what to call the absence and the presence of the finding.
      split_fractions: shares of patients for train, val, test where the
        source has no splits.
      intensity_range: source values mapped to black and white; None takes
        the whole range of an integer type, and [0, 1] for floats.
      flip_horizontal: mirroring leaves the meaning intact (never for
        images with laterality, such as chest X-rays).
      flip_vertical: likewise for upside down.
      rotate90: likewise for quarter turns.
    """

    source: str = "ihc"
    path: str = ""
    resolution: int = 32
    channels: int = 3
    positive_labels: tuple[int, ...] = (1,)
    class_names: tuple[str, str] = ("negative", "positive")
    split_fractions: tuple[float, float, float] = (0.7, 0.1, 0.2)
    intensity_range: tuple[float, float] | None = None
    flip_horizontal: bool = False
    flip_vertical: bool = False
    rotate90: bool = False

    def __post_init__(self) -> None:
        sources = ("ihc", "npz", "folder")
        _require(
            self.source in sources,
            "data.source",
            self.source,
            f"choose one of {sources}",
        )
        _require(
            (self.source == "ihc") == (not self.path),
            "data.path",
            self.path,
            "give the npz file or CSV manifest, and nothing for 'ihc'",
        )
        _require(
            _is_power_of_two(self.resolution) and 8 <= self.resolution <= 1024,
            "data.resolution",
            self.resolution,
            "use a power of two from 8 to 1024",
        )
        _require(
            self.channels in (1, 3),
            "data.channels",
            self.channels,
            "use 1 (grey) or 3 (RGB)",
        )
        _require(
            len(self.class_names) == 2,
            "data.class_names",
            self.class_names,
            "name the absence and the presence of the finding",
        )
        _require(
            len(self.split_fractions) == 3
            and min(self.split_fractions) > 0
            and abs(sum(self.split_fractions) - 1) < 1e-6,
            "data.split_fractions",
            self.split_fractions,
            "give three positive shares that add up to 1",
        )
        if self.intensity_range is not None:
            _require(
                len(self.intensity_range) == 2
                and self.intensity_range[0] < self.intensity_range[1],
                "data.intensity_range",
                self.intensity_range,
                "give (black, white) with black < white",
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
        _require_widths("classifier.widths", self.widths)
        _require_positive(
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
        _require(
            self.kind in ("checkpoint", "callable"),
            "predictor.kind",
            self.kind,
            "choose 'checkpoint' or 'callable'",
        )
        _require(
            (self.kind == "callable") == (":" in self.target),
            "predictor.target",
            self.target,
            "give 'package.module:function' for kind 'callable' only",
        )
        _require(
            0 < self.threshold < 1,
            "predictor.threshold",
            self.threshold,
            "use a probability strictly between 0 and 1",
        )
        _require_positive("predictor", self, "batch_size")


@dataclass
class GanConfig:
    """StyleGAN2 (Karras et al. 2020, arXiv:1912.04958) and its training.

    Attributes:
      z_dim: width of the input latent.
      w_dim: width of the intermediate latent W.
      mapping_layers: fully connected layers from z to w.
      channel_base: channels(res) = min(channel_base / res, channel_max).
      channel_max: most channels of a layer.
      noise_from: smallest side whose layers get noise; more than the
        resolution turns it off. Noise may take over where things are, and
        no encoder can see it; without it, all of that comes from w.
      batch_size: global batch.
      kimg: length of the training in thousands of real images shown.
      learning_rate: Adam's, for G and D alike.
      r1_gamma: weight of the R1 penalty.
      d_reg_interval: D steps from one R1 penalty to the next.
      path_length_weight: weight of the path length penalty.
      g_reg_interval: G steps from one path length penalty to the next.
      path_length_decay: decay of the moving average of path lengths.
      path_length_shrink: its batch is batch_size / path_length_shrink.
      style_mixing: share of images made from two latents.
      ema_kimg: half-life of the generator's moving average.
      ema_rampup: share of the images seen so far that caps the half-life.
      w_avg_decay: decay of the moving average of w.
      mbstd_group: images over which D takes its minibatch deviation.
      truncation_psi: truncation of the sample grids.
      checkpoint_kimg: thousands of images from one checkpoint to the next.
      sample_kimg: likewise for sample grids.
      keep_checkpoints: newest checkpoints kept.
    """

    z_dim: int = 512
    w_dim: int = 512
    mapping_layers: int = 8
    channel_base: int = 16384
    channel_max: int = 512
    noise_from: int = 4
    batch_size: int = 32
    kimg: float = 1000.0
    learning_rate: float = 2.5e-3
    r1_gamma: float = 1.0
    d_reg_interval: int = 16
    path_length_weight: float = 2.0
    g_reg_interval: int = 4
    path_length_decay: float = 0.01
    path_length_shrink: int = 2
    style_mixing: float = 0.9
    ema_kimg: float = 10.0
    ema_rampup: float = 0.05
    w_avg_decay: float = 0.998
    mbstd_group: int = 4
    truncation_psi: float = 0.7
    checkpoint_kimg: float = 5.0
    sample_kimg: float = 5.0
    keep_checkpoints: int = 2

    def __post_init__(self) -> None:
        _require_positive(
            "gan",
            self,
            *("z_dim", "w_dim", "mapping_layers", "channel_base"),
            *("channel_max", "batch_size", "kimg", "learning_rate"),
            *("d_reg_interval", "g_reg_interval", "path_length_shrink"),
            *("ema_kimg", "ema_rampup", "mbstd_group"),
            *("checkpoint_kimg", "sample_kimg", "keep_checkpoints"),
        )
        _require_share(
            "gan", self, "style_mixing", "w_avg_decay", "path_length_decay"
        )
        _require(
            self.batch_size % (self.mbstd_group * self.path_length_shrink) == 0,
            "gan.batch_size",
            self.batch_size,
            "use a multiple of mbstd_group * path_length_shrink "
            f"({self.mbstd_group * self.path_length_shrink})",
        )


@dataclass
class EncoderConfig:
    """The encoder E: image -> latent code.

    Attributes:
      space: "w" (one code for all layers) or "w_plus" (one for each).
      widths: channels of each stage of its ResNet.
      blocks: residual blocks in each stage.
      batch_size: global batch.
      kimg: thousands of synthetic pairs to train on.
      adapt_kimg: thousands of real images of the adaptation that follows.
      learning_rate: Adam's peak.
      adapt_learning_rate: Adam's during the adaptation.
      latent_weight: weight of the latent loss.
      image_weight: weight of the image loss.
      feature_weight: weight of the loss on the discriminator's features.
      synthetic_psi: truncation of the synthetic pairs.
      checkpoint_kimg: thousands of images between checkpoints.
    """

    space: str = "w"
    widths: tuple[int, ...] = (32, 64, 128)
    blocks: int = 1
    batch_size: int = 32
    kimg: float = 100.0
    adapt_kimg: float = 20.0
    learning_rate: float = 1e-3
    adapt_learning_rate: float = 3e-4
    latent_weight: float = 1.0
    image_weight: float = 1.0
    feature_weight: float = 1.0
    synthetic_psi: float = 1.0
    checkpoint_kimg: float = 10.0

    def __post_init__(self) -> None:
        _require(
            self.space in ("w", "w_plus"),
            "encoder.space",
            self.space,
            "choose 'w' or 'w_plus'",
        )
        _require_widths("encoder.widths", self.widths)
        _require_positive(
            "encoder",
            self,
            *("blocks", "batch_size", "kimg", "learning_rate"),
            *("adapt_learning_rate", "checkpoint_kimg"),
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
        _require(
            self.codes in codes,
            "direction.codes",
            self.codes,
            f"choose one of {codes}",
        )
        labels = ("predictor_hard", "predictor_prob", "ground_truth")
        _require(
            self.labels in labels,
            "direction.labels",
            self.labels,
            f"choose one of {labels}",
        )
        _require(
            (self.codes, self.labels) != ("sampled", "ground_truth"),
            "direction.labels",
            self.labels,
            "sampled codes have no ground truth; use the predictor's labels",
        )
        _require(
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
    writer_threads: int = 4

    def __post_init__(self) -> None:
        _require(
            len(self.targets) >= 2
            and list(self.targets) == sorted(set(self.targets))
            and self.targets[0] > 0
            and self.targets[-1] < 1,
            "walk.targets",
            self.targets,
            "give rising probabilities strictly between 0 and 1",
        )
        _require(
            self.split in ("train", "val", "test"),
            "walk.split",
            self.split,
            "choose 'train', 'val' or 'test'",
        )
        _require_positive("walk", self, "batch_size", "writer_threads")


@dataclass
class EvaluationConfig:
    """Numbers about the whole run.

    Attributes:
      samples: generated images for the distribution metrics.
      neighbours: k of precision and recall.
      bootstraps: resamples for intervals.
    """

    samples: int = 2000
    neighbours: int = 3
    bootstraps: int = 1000


@dataclass
class ReportConfig:
    """The HTML page.

    Attributes:
      images: most images shown with their walks.
      title: heading of the page.
    """

    images: int = 40
    title: str = "Counterfactual explanations"


@dataclass
class Config:
    """Everything that a run needs; one section a stage.

    Attributes:
      name: short name of the experiment, shown in logs and reports.
      seed: the one seed from which every random number follows.
    """

    name: str = "experiment"
    seed: int = 0
    data: DataConfig = field(default_factory=DataConfig)
    classifier: ClassifierConfig = field(default_factory=ClassifierConfig)
    predictor: PredictorConfig = field(default_factory=PredictorConfig)
    gan: GanConfig = field(default_factory=GanConfig)
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    direction: DirectionConfig = field(default_factory=DirectionConfig)
    walk: WalkConfig = field(default_factory=WalkConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    report: ReportConfig = field(default_factory=ReportConfig)

    def __post_init__(self) -> None:
        _require(self.seed >= 0, "seed", self.seed, "use 0 or more")
        _require(
            self.gan.channel_base >= self.data.resolution,
            "gan.channel_base",
            self.gan.channel_base,
            "use at least data.resolution, or the finest layers have no "
            "channels",
        )


def validated(config: Config) -> Config:
    """A copy of `config` on which every check has run again.

    Overrides on the command line change fields after construction; this
    rebuilds each section so that its `__post_init__` sees the final values.

    Raises:
      ConfigError: naming the field, its value and what to do.
    """
    sections = {}
    for item in dataclasses.fields(config):
        value = getattr(config, item.name)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            value = dataclasses.replace(value)
        sections[item.name] = value
    return Config(**sections)


def as_dict(config: Config) -> dict[str, Any]:
    """The config as plain JSON values."""
    return json.loads(json.dumps(dataclasses.asdict(config)))


def digest(values: Any) -> str:
    """A short stable hash of JSON values."""
    text = json.dumps(values, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]

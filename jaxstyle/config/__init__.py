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

from jaxstyle.config.checks import ConfigError, require
from jaxstyle.config.data import DataConfig
from jaxstyle.config.encoder import EncoderConfig, ProjectConfig
from jaxstyle.config.explain import (
    NEAREST,
    DirectionConfig,
    EvaluationConfig,
    NearestConfig,
    ReportConfig,
    WalkConfig,
)
from jaxstyle.config.gan import (
    AUGMENT_OPERATIONS,
    AUGMENT_PRESETS,
    GanConfig,
)
from jaxstyle.config.predictor import ClassifierConfig, PredictorConfig
from jaxstyle.config.target import TargetConfig

__all__ = [
    "AUGMENT_OPERATIONS",
    "AUGMENT_PRESETS",
    "NEAREST",
    "ClassifierConfig",
    "Config",
    "ConfigError",
    "DataConfig",
    "DirectionConfig",
    "EncoderConfig",
    "EvaluationConfig",
    "GanConfig",
    "NearestConfig",
    "PredictorConfig",
    "ProjectConfig",
    "ReportConfig",
    "TargetConfig",
    "WalkConfig",
    "as_dict",
    "digest",
    "from_dict",
    "validated",
]


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
    target: TargetConfig = field(default_factory=TargetConfig)
    gan: GanConfig = field(default_factory=GanConfig)
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    project: ProjectConfig = field(default_factory=ProjectConfig)
    direction: DirectionConfig = field(default_factory=DirectionConfig)
    walk: WalkConfig = field(default_factory=WalkConfig)
    nearest: NearestConfig = field(default_factory=NearestConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    report: ReportConfig = field(default_factory=ReportConfig)

    def __post_init__(self) -> None:
        require(self.seed >= 0, "seed", self.seed, "use 0 or more")
        require(
            self.gan.channel_base >= self.data.resolution,
            "gan.channel_base",
            self.gan.channel_base,
            "use at least data.resolution, or the finest layers have no "
            "channels",
        )
        self.target.check(self.data)
        self._check_built_in()
        self._check_gradients()
        operations = self.gan.augmentations(self.data.channels)
        require(
            self.gan.augment == "none" or len(operations) > 0,
            "gan.augment_allow",
            self.gan.augment_allow,
            f"allow at least one operation of gan.augment = "
            f"{self.gan.augment!r}",
        )

    @property
    def ends(self) -> tuple[str, str]:
        """What to call f's decision against what is asked, and for it."""
        return self.target.ends(self.data)

    def _check_built_in(self) -> None:
        if self.predictor.kind != "checkpoint":
            return
        require(
            self.target.kind != "value",
            "target.kind",
            self.target.kind,
            "the built-in classifier gives probabilities: bring a predictor "
            "of your own (predictor.kind)",
        )
        require(
            self.target.kind != "finding" or self.target.column == 0,
            "target.column",
            self.target.column,
            "the built-in classifier of a finding gives one answer: use 0",
        )

    def _check_gradients(self) -> None:
        for name in ("encoder", "project"):
            weight = getattr(self, name).predictor_weight
            require(
                weight == 0 or self.predictor.kind == "checkpoint",
                f"{name}.predictor_weight",
                weight,
                "no gradient flows through this predictor: use 0, or the "
                "built-in one (predictor.kind = 'checkpoint')",
            )
        require(
            not self.walk.project or self.project.noise_weight == 0,
            "project.noise_weight",
            self.project.noise_weight,
            "walks are rendered under the fixed noise: use 0 with walk.project",
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


def from_dict(values: dict[str, Any]) -> Config:
    """The config of `as_dict`, from all or some of its sections.

    Raises:
      TypeError: naming a field that no config has (any more).
    """
    given = {}
    for item in dataclasses.fields(Config):
        if item.name not in values:
            continue
        value = values[item.name]
        if dataclasses.is_dataclass(item.default_factory):
            value = item.default_factory(  # type: ignore[operator]
                **{key: _tupled(part) for key, part in value.items()}
            )
        given[item.name] = value
    return Config(**given)


def _tupled(value: Any) -> Any:
    # JSON has lists where configs have tuples.
    if isinstance(value, list):
        return tuple(_tupled(part) for part in value)
    return value


def digest(values: Any) -> str:
    """A short stable hash of JSON values."""
    text = json.dumps(values, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]

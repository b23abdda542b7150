"""Every check of the settings, and overrides from the command line."""

import dataclasses
import json
import re
import sys
from pathlib import Path

import pytest
from absl import flags
from ml_collections import config_flags

from jaxstyle import config as config_lib
from jaxstyle.config import (
    AUGMENT_OPERATIONS,
    AUGMENT_PRESETS,
    ClassifierConfig,
    Config,
    ConfigError,
    DataConfig,
    DirectionConfig,
    EncoderConfig,
    GanConfig,
    PredictorConfig,
    ProjectConfig,
    ReportConfig,
    TargetConfig,
    WalkConfig,
)

KNEE = Path(__file__).parents[1] / "configs" / "knee.py"
IHC = Path(__file__).parents[1] / "configs" / "ihc.py"
# ml_collections loads a config file through an old part of importlib.
LOADS_A_FILE = pytest.mark.filterwarnings(
    r"ignore:the load_module\(\) method:DeprecationWarning"
)

# section, its class, {field: wrong value}, the field that is named.
WRONG = [
    ("data", DataConfig, {"source": "tiff"}),
    ("data", DataConfig, {"path": "x.npz", "source": "ihc"}),
    ("data", DataConfig, {"path": "", "source": "npz"}),
    ("data", DataConfig, {"resolution": 48}),
    ("data", DataConfig, {"resolution": 4}),
    ("data", DataConfig, {"resolution": 2048}),
    ("data", DataConfig, {"channels": 2}),
    ("data", DataConfig, {"class_names": ("only one",)}),
    ("data", DataConfig, {"split_fractions": (0.7, 0.1)}),
    ("data", DataConfig, {"split_fractions": (0.7, 0.1, 0.1)}),
    ("data", DataConfig, {"split_fractions": (0.8, 0.0, 0.2)}),
    ("data", DataConfig, {"intensity_range": (1.0, 0.0)}),
    ("data", DataConfig, {"intensity_range": (1.0,)}),
    ("classifier", ClassifierConfig, {"widths": ()}),
    ("classifier", ClassifierConfig, {"widths": (8, 0)}),
    ("classifier", ClassifierConfig, {"blocks": 0}),
    ("classifier", ClassifierConfig, {"batch_size": 0}),
    ("classifier", ClassifierConfig, {"epochs": 0}),
    ("classifier", ClassifierConfig, {"patience": 0}),
    ("classifier", ClassifierConfig, {"learning_rate": -1e-3}),
    ("predictor", PredictorConfig, {"kind": "tflite"}),
    ("predictor", PredictorConfig, {"address": "a.f", "kind": "callable"}),
    ("predictor", PredictorConfig, {"address": "a:", "kind": "callable"}),
    ("predictor", PredictorConfig, {"address": "a:b"}),
    ("predictor", PredictorConfig, {"address": "", "kind": "onnx"}),
    ("predictor", PredictorConfig, {"address": "http://f", "kind": "onnx"}),
    ("predictor", PredictorConfig, {"address": "ftp://f", "kind": "http"}),
    ("predictor", PredictorConfig, {"address": "f.org/f", "kind": "http"}),
    ("predictor", PredictorConfig, {"address": "http:///f", "kind": "http"}),
    ("predictor", PredictorConfig, {"address": "http://f:x", "kind": "http"}),
    ("predictor", PredictorConfig, {"address": "http://f/ f", "kind": "http"}),
    ("target", TargetConfig, {"kind": "ratio"}),
    ("target", TargetConfig, {"column": -1}),
    ("target", TargetConfig, {"threshold": 0.0}),
    ("target", TargetConfig, {"threshold": 1.0}),
    ("target", TargetConfig, {"scale": 0.0, "kind": "value"}),
    ("target", TargetConfig, {"kind": "grade", "unit": "mm"}),
    ("target", TargetConfig, {"against": 1}),
    ("target", TargetConfig, {"against": 0, "kind": "pair"}),
    ("predictor", PredictorConfig, {"batch_size": 0}),
    ("predictor", PredictorConfig, {"onnx_layout": "chwn"}),
    ("predictor", PredictorConfig, {"onnx_scores": "labels"}),
    ("predictor", PredictorConfig, {"onnx_range": (1.0,)}),
    ("predictor", PredictorConfig, {"onnx_range": (1.0, 1.0)}),
    ("predictor", PredictorConfig, {"onnx_mean": ()}),
    ("predictor", PredictorConfig, {"onnx_mean": (0.5, 0.5)}),
    ("predictor", PredictorConfig, {"onnx_std": (0.5, 0.0, 0.5)}),
    ("predictor", PredictorConfig, {"http_timeout": 0.0}),
    ("predictor", PredictorConfig, {"http_retries": -1}),
    ("gan", GanConfig, {"z_dim": 0}),
    ("gan", GanConfig, {"w_dim": 0}),
    ("gan", GanConfig, {"mapping_layers": 0}),
    ("gan", GanConfig, {"channel_base": 0}),
    ("gan", GanConfig, {"channel_max": 0}),
    ("gan", GanConfig, {"batch_size": 0}),
    ("gan", GanConfig, {"batch_size": 12}),
    ("gan", GanConfig, {"kimg": 0.0}),
    ("gan", GanConfig, {"learning_rate": 0.0}),
    ("gan", GanConfig, {"d_reg_interval": 0}),
    ("gan", GanConfig, {"g_reg_interval": 0}),
    ("gan", GanConfig, {"path_length_shrink": 0}),
    ("gan", GanConfig, {"path_length_decay": 1.5}),
    ("gan", GanConfig, {"style_mixing": -0.1}),
    ("gan", GanConfig, {"style_mixing": 1.1}),
    ("gan", GanConfig, {"ema_kimg": 0.0}),
    ("gan", GanConfig, {"ema_rampup": 0.0}),
    ("gan", GanConfig, {"w_avg_decay": 1.1}),
    ("gan", GanConfig, {"mbstd_group": 0}),
    ("gan", GanConfig, {"checkpoint_kimg": 0.0}),
    ("gan", GanConfig, {"sample_kimg": -1.0}),
    ("gan", GanConfig, {"keep_checkpoints": 0}),
    ("gan", GanConfig, {"batch_split": 0}),
    ("gan", GanConfig, {"batch_size": 24, "batch_split": 2}),
    ("gan", GanConfig, {"bfloat16_resolutions": -1}),
    ("gan", GanConfig, {"classes": -1}),
    ("gan", GanConfig, {"freeze_d": -1}),
    ("gan", GanConfig, {"freeze_d": 1}),
    ("gan", GanConfig, {"r1_gamma": -0.5}),
    ("gan", GanConfig, {"augment": "all"}),
    ("gan", GanConfig, {"augment_allow": ("x_flip", "swirl")}),
    ("gan", GanConfig, {"augment_p": 1.5}),
    ("gan", GanConfig, {"augment_max": -0.1}),
    ("gan", GanConfig, {"augment_target": 1.0}),
    ("gan", GanConfig, {"augment_kimg": -1.0}),
    ("gan", GanConfig, {"augment_interval": 0}),
    ("gan", GanConfig, {"metrics_kimg": -1.0}),
    ("gan", GanConfig, {"metrics_samples": 0}),
    ("walk", WalkConfig, {"limit": -1}),
    ("walk", WalkConfig, {"refinements": -1}),
    ("report", ReportConfig, {"images": -1}),
    ("direction", DirectionConfig, {"samples": 0}),
    ("direction", DirectionConfig, {"bootstraps": -1}),
    ("encoder", EncoderConfig, {"space": "z"}),
    ("encoder", EncoderConfig, {"widths": ()}),
    ("encoder", EncoderConfig, {"blocks": 0}),
    ("encoder", EncoderConfig, {"batch_size": -8}),
    ("encoder", EncoderConfig, {"kimg": 0.0}),
    ("encoder", EncoderConfig, {"learning_rate": 0.0}),
    ("encoder", EncoderConfig, {"adapt_learning_rate": 0.0}),
    ("encoder", EncoderConfig, {"checkpoint_kimg": 0.0}),
    ("project", ProjectConfig, {"space": "z"}),
    ("project", ProjectConfig, {"split": "all"}),
    ("project", ProjectConfig, {"steps": 0}),
    ("project", ProjectConfig, {"learning_rate": 0.0}),
    ("project", ProjectConfig, {"batch_size": 0}),
    ("project", ProjectConfig, {"image_weight": -1.0}),
    ("project", ProjectConfig, {"noise_weight": -1.0}),
    ("direction", DirectionConfig, {"codes": "real"}),
    ("direction", DirectionConfig, {"labels": "soft"}),
    (
        "direction",
        DirectionConfig,
        {"labels": "ground_truth", "codes": "sampled"},
    ),
    ("direction", DirectionConfig, {"trust_percentile": 0.0}),
    ("direction", DirectionConfig, {"trust_percentile": 101.0}),
    ("walk", WalkConfig, {"targets": (0.5,)}),
    ("walk", WalkConfig, {"targets": (0.5, 0.2)}),
    ("walk", WalkConfig, {"targets": (0.2, 0.2, 0.5)}),
    ("walk", WalkConfig, {"targets": (0.0, 0.5)}),
    ("walk", WalkConfig, {"targets": (0.5, 1.0)}),
    ("walk", WalkConfig, {"split": "all"}),
    ("walk", WalkConfig, {"batch_size": 0}),
    ("walk", WalkConfig, {"writer_threads": 0}),
    ("", Config, {"seed": -1}),
]


@pytest.mark.parametrize(
    ("section", "kind", "wrong"),
    WRONG,
    ids=[f"{section}-{wrong}" for section, _, wrong in WRONG],
)
def test_an_error_names_the_field_its_value_and_the_mend(section, kind, wrong):
    name, value = next(iter(wrong.items()))
    field = f"{section}.{name}" if section else name
    with pytest.raises(ConfigError, match=re.escape(f"{field} = {value!r}: ")):
        kind(**wrong)


@pytest.mark.parametrize(
    ("kind", "address"),
    [
        ("callable", "package.module:Class.function"),
        ("onnx", "C:/models/f.onnx"),
        ("http", "https://[::1]:8000/predict?model=2"),
    ],
)
def test_addresses_of_all_kinds(kind, address):
    config = Config(predictor=PredictorConfig(kind=kind, address=address))
    assert config_lib.validated(config) == config
    assert config_lib.from_dict(config_lib.as_dict(config)) == config


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "http", "address": "https://me:s3cret@host/predict"},
        {"kind": "http", "address": "ftp://s3cret@host"},
        {"http_authorization": "Bearer s3cret"},
        {"http_authorization": "s3cret"},
    ],
)
def test_a_secret_in_a_setting_is_refused_and_not_repeated(wrong):
    with pytest.raises(ConfigError, match="environment variable") as told:
        PredictorConfig(**wrong)
    assert "s3cret" not in str(told.value)
    PredictorConfig(http_authorization="CLASSIFIER_TOKEN")


def test_the_finest_layers_need_channels():
    with pytest.raises(ConfigError, match=r"^gan\.channel_base = 16: "):
        Config(gan=GanConfig(channel_base=16))
    Config(gan=GanConfig(channel_base=32))


def test_the_defaults_are_right():
    config = config_lib.validated(Config())
    assert config == Config()
    assert (
        config_lib.validated(
            Config(data=DataConfig(resolution=8))
        ).data.resolution
        == 8
    )


def test_an_override_after_construction_is_checked():
    config = Config()
    config.gan.kimg = 0
    with pytest.raises(ConfigError, match=r"^gan\.kimg = 0: "):
        config_lib.validated(config)
    config = Config()
    config.seed = -2
    with pytest.raises(ConfigError, match=r"^seed = -2: "):
        config_lib.validated(config)


def test_the_validated_config_is_a_copy():
    config = Config()
    copy = config_lib.validated(config)
    copy.gan.kimg = 7.0
    assert config.gan.kimg == GanConfig().kimg


def _from_flags(monkeypatch, *arguments):
    """What a launcher reads, from a command line."""
    # The overrides are looked for in sys.argv.
    monkeypatch.setattr(sys, "argv", ["launcher", *arguments])
    values = flags.FlagValues()
    flag = config_flags.DEFINE_config_file(
        "config", None, "", flag_values=values
    )
    values(sys.argv)
    return config_lib.validated(flag.value)


@LOADS_A_FILE
def test_a_config_file_and_its_variant(monkeypatch):
    config = _from_flags(monkeypatch, f"--config={IHC}")
    small = _from_flags(monkeypatch, f"--config={IHC}:tiny")
    assert config.name == small.name == "ihc"
    assert config.data == small.data
    assert small.gan.channel_max < config.gan.channel_max
    assert small.gan.kimg < config.gan.kimg


@LOADS_A_FILE
def test_overrides_on_the_command_line(monkeypatch):
    config = _from_flags(
        monkeypatch,
        f"--config={IHC}:tiny",
        "--config.seed=3",
        "--config.gan.kimg=5.5",
        "--config.gan.batch_size=16",
        "--config.data.flip_horizontal=False",
        "--config.walk.targets=(0.1, 0.9)",
        "--config.encoder.space=w_plus",
        "--config.predictor.onnx_mean=(0.485, 0.456, 0.406)",
        "--config.predictor.cache=False",
        "--config.report.title=Two words",
    )
    assert config.seed == 3
    assert (config.gan.kimg, config.gan.batch_size) == (5.5, 16)
    assert config.data.flip_horizontal is False
    assert config.walk.targets == (0.1, 0.9)
    assert config.encoder.space == "w_plus"
    assert config.predictor.onnx_mean == (0.485, 0.456, 0.406)
    assert config.predictor.cache is False
    assert config.report.title == "Two words"


@LOADS_A_FILE
def test_a_whole_number_overrides_a_length(monkeypatch):
    """The README's `--config.gan.kimg=200`."""
    config = _from_flags(
        monkeypatch, f"--config={IHC}", "--config.gan.kimg=200"
    )
    assert config.gan.kimg == 200


@LOADS_A_FILE
def test_a_wrong_override_is_refused(monkeypatch):
    with pytest.raises(ConfigError, match=r"^gan\.batch_size = 12: "):
        _from_flags(
            monkeypatch, f"--config={IHC}:tiny", "--config.gan.batch_size=12"
        )
    with pytest.raises(KeyError, match="kilo"):
        _from_flags(monkeypatch, f"--config={IHC}", "--config.gan.kilo=1")
    with pytest.raises(flags.IllegalFlagValueError, match="huge"):
        _from_flags(monkeypatch, f"--config={IHC}:huge")


def test_as_dict_is_json_of_every_field():
    config = Config(name="x", seed=5)
    values = config_lib.as_dict(config)
    assert json.loads(json.dumps(values)) == values
    assert set(values) == {item.name for item in dataclasses.fields(Config)}
    assert values["seed"] == 5
    assert values["data"]["split_fractions"] == [0.7, 0.1, 0.2]
    assert values["data"]["intensity_range"] is None


def test_a_config_comes_back_from_its_json():
    config = Config(
        name="x",
        data=DataConfig(channels=1, intensity_range=(0.0, 4095.0)),
        gan=GanConfig(augment="bg", r1_gamma=None),
    )
    values = json.loads(json.dumps(config_lib.as_dict(config)))
    assert config_lib.from_dict(values) == config
    # What a stage records is a part of it; the rest takes the defaults.
    part = {key: values[key] for key in ("name", "seed", "data", "gan")}
    assert config_lib.from_dict(part) == config
    values["gan"]["gone"] = 1
    with pytest.raises(TypeError, match="gone"):
        config_lib.from_dict(values)


# --- augmentation


def test_a_preset_is_cut_to_what_is_allowed_and_makes_sense():
    every = GanConfig(augment="bgcfnc", augment_allow=AUGMENT_OPERATIONS)
    assert every.augmentations(3) == AUGMENT_OPERATIONS
    grey = every.augmentations(1)
    assert set(AUGMENT_OPERATIONS) - set(grey) == {"hue", "saturation"}
    assert GanConfig(augment="none").augmentations(3) == ()
    blit = GanConfig(augment="blit", augment_allow=("x_flip", "scale"))
    assert blit.augmentations(1) == ("x_flip",)


def test_nothing_is_mirrored_turned_or_inverted_unless_it_is_allowed():
    safe = set(GanConfig(augment="bgcfnc").augmentations(3))
    risky = {"x_flip", "rotate90", "rotate", "luma_flip"}
    assert safe == set(AUGMENT_OPERATIONS) - risky


def test_an_augmentation_without_operations_is_refused():
    gan = GanConfig(augment="color", augment_allow=("hue",))
    assert Config(gan=gan).gan.augmentations(3) == ("hue",)
    with pytest.raises(ConfigError, match=r"^gan\.augment_allow = "):
        Config(gan=gan, data=DataConfig(channels=1))


def test_the_presets_are_the_paper_s():
    """Letters: blit, geometry, colour, filter, noise, cutout."""
    parts = {
        "b": AUGMENT_PRESETS["blit"],
        "g": AUGMENT_PRESETS["geom"],
        "c": AUGMENT_PRESETS["color"],
    }
    assert AUGMENT_PRESETS["bgc"] == parts["b"] + parts["g"] + parts["c"]
    assert AUGMENT_PRESETS["bgcf"] == (*AUGMENT_PRESETS["bgc"], "filter")
    assert len(AUGMENT_PRESETS["bgcfnc"]) == 15
    assert [len(part) for part in parts.values()] == [3, 4, 5]


@pytest.mark.parametrize(
    ("gamma", "expected"), [(None, 0.0002 * 64**2 / 16), (0.5, 0.5), (0, 0)]
)
def test_the_weight_of_r1(gamma, expected):
    gan = GanConfig(r1_gamma=gamma, batch_size=16)
    assert gan.r1_weight(64) == pytest.approx(expected)


@LOADS_A_FILE
def test_options_that_may_be_none_are_overridden(monkeypatch):
    config = _from_flags(
        monkeypatch, f"--config={KNEE}", "--config.gan.r1_gamma=0.5"
    )
    assert config.gan.r1_gamma == 0.5


def test_the_digest_follows_the_values_not_their_order():
    values = config_lib.as_dict(Config())
    digest = config_lib.digest(values)
    backwards = dict(reversed(values.items()))
    assert config_lib.digest(backwards) == digest
    values["gan"]["r1_gamma"] = 1.5
    assert config_lib.digest(values) != digest
    assert re.fullmatch("[0-9a-f]{16}", digest)


@pytest.mark.parametrize("section", ["encoder", "project"])
def test_gradients_need_the_built_in_predictor(section):
    config = Config()
    getattr(config, section).predictor_weight = 1.0
    assert config_lib.validated(config) == config
    config.predictor.kind, config.predictor.address = "callable", "a:b"
    with pytest.raises(ConfigError, match=f"{section}.predictor_weight = 1.0"):
        config_lib.validated(config)


def test_walks_do_not_begin_at_projected_noise():
    config = Config()
    config.project.noise_weight, config.walk.project = 1.0, True
    with pytest.raises(ConfigError, match=r"project\.noise_weight = 1"):
        config_lib.validated(config)

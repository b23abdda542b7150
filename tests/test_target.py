"""Questions: what they check, what they call things, what is true."""

import numpy as np
import pytest

from jaxstyle import config as config_lib
from jaxstyle.config import (
    Config,
    ConfigError,
    DataConfig,
    PredictorConfig,
    TargetConfig,
)

GRADES = DataConfig(class_names=("none", "doubtful", "mild", "severe"))
CLASSES = np.array([0, 1, 2, 3, 2])
NAN = np.nan


@pytest.mark.parametrize(
    ("target", "ends", "truth"),
    [
        (
            TargetConfig(kind="class", column=2),
            ("not mild", "mild"),
            [0, 0, 1, 0, 1],
        ),
        (
            TargetConfig(kind="pair", column=3, against=2),
            ("mild", "severe"),
            [NAN, NAN, 0, 1, 0],
        ),
        (
            TargetConfig(kind="grade", column=2),
            ("below mild", "mild or higher"),
            [0, 0, 1, 1, 1],
        ),
    ],
)
def test_questions_about_classes(target, ends, truth):
    config = Config(data=GRADES, target=target)
    assert config.ends == ends
    found = target.truth(CLASSES)
    np.testing.assert_array_equal(found, np.float32(truth))
    assert found.dtype == np.float32
    assert config_lib.from_dict(config_lib.as_dict(config)) == config


def test_a_finding_is_what_the_positive_labels_are():
    config = Config(data=DataConfig(positive_labels=(2, 3)))
    classes = config.data.classes_of(CLASSES)
    np.testing.assert_array_equal(classes, [0, 0, 1, 1, 1])
    np.testing.assert_array_equal(config.target.truth(classes), classes)
    assert config.ends == ("negative", "positive")
    # Of several findings each column is one.
    predictor = PredictorConfig(kind="onnx", address="f.onnx")
    several = Config(target=TargetConfig(column=7), predictor=predictor)
    assert several.target.level == 0.5


@pytest.mark.parametrize(
    ("data", "target", "named"),
    [
        (GRADES, TargetConfig(), "target.kind = 'finding'"),
        (GRADES, TargetConfig(kind="class", column=4), "target.column = 4"),
        (
            GRADES,
            TargetConfig(kind="pair", column=0, against=4),
            "target.against = 4",
        ),
        (GRADES, TargetConfig(kind="grade"), "target.column = 0"),
        (DataConfig(), TargetConfig(kind="grade", column=1), "target.kind"),
        (DataConfig(), TargetConfig(kind="value"), "target.kind = 'value'"),
    ],
)
def test_a_question_that_the_classes_do_not_have(data, target, named):
    with pytest.raises(ConfigError, match=named):
        Config(data=data, target=target)


def test_two_classes_of_one_name_are_refused():
    with pytest.raises(ConfigError, match="no name twice"):
        DataConfig(class_names=("a", "b", "a"))


def _value(**settings):
    target = TargetConfig(kind="value", **settings)
    predictor = PredictorConfig(kind="callable", address="a:b")
    return Config(target=target, predictor=predictor).target


@pytest.mark.parametrize(
    ("settings", "value", "shown"),
    [
        ({"threshold": 12.0, "unit": "mm"}, 12.0, "12.00 mm"),
        ({"threshold": 12.0, "scale": 3.0}, 7.0, "7.00"),
        ({"threshold": -50.0, "scale": 40.0, "unit": "HU"}, 33.0, "33.0 HU"),
        ({"threshold": 2.0, "scale": 0.05}, 2.1, "2.1000"),
        ({"threshold": 0.0, "scale": 200.0}, 512.0, "512"),
        ({"threshold": 1.0}, 8.5, "> 8.00"),
        ({"threshold": 1.0}, -7.0, "< -6.00"),
    ],
)
def test_a_value_is_shown_as_it_is(settings, value, shown):
    target = _value(**settings)
    assert target.level == 0.5
    distance = (value - target.threshold) / target.scale
    # As a manifest keeps it, with six digits.
    p = round(1 / (1 + np.exp(-distance)), 6)
    assert target.shown(p) == shown


def test_a_value_within_seven_scales_is_exact_to_a_hundredth_of_one():
    target = _value()
    for value in np.linspace(-6.4, 7.4, 300):
        p = round(1 / (1 + np.exp(0.5 - value)), 6)
        assert abs(float(target.shown(p)) - value) <= 0.005 + 6e-4


def test_a_probability_is_shown_with_its_digits():
    assert TargetConfig().shown(0.98765) == "0.99"
    assert TargetConfig().shown(0.98765, 3) == "0.988"


def test_the_built_in_classifier_of_a_finding_has_one_answer():
    with pytest.raises(ConfigError, match=r"target\.column = 1: .* use 0"):
        Config(target=TargetConfig(column=1))

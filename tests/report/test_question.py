"""How the page words each question."""

import pytest

from jaxstyle.config import (
    Config,
    DataConfig,
    PredictorConfig,
    TargetConfig,
)
from jaxstyle.report.question import Question

CLASSES = DataConfig(class_names=("oak", "ash", "elm"))
VALUE = TargetConfig(kind="value", threshold=2, scale=10, unit="mm")


def _question(target, data):
    predictor = PredictorConfig(kind="callable", address="a:b")
    return Question.of(Config(data=data, target=target, predictor=predictor))


@pytest.mark.parametrize(
    ("target", "data", "answer", "introduction"),
    [
        (
            TargetConfig(),
            DataConfig(class_names=("well", "ill")),
            "f’s probability of “ill”",
            "gives each image a probability of “ill”.",
        ),
        (
            TargetConfig(kind="class", column=1),
            CLASSES,
            "f’s probability of “ash”",
            "gives each image a probability of “ash”.",
        ),
        (
            TargetConfig(kind="pair", column=2, against=0),
            CLASSES,
            "f’s probability of “elm”, given it is that or “oak”,",
            "tells “elm” from “oak”",
        ),
        (
            TargetConfig(kind="grade", column=2),
            CLASSES,
            "f’s probability of “elm or higher”",
            "gives each image a probability of “elm or higher”.",
        ),
        (
            VALUE,
            DataConfig(class_names=("thin", "thick")),
            "f’s value, in mm,",
            "from 2.00 mm on it counts as “thick”, below as “thin”.",
        ),
    ],
)
def test_words(target, data, answer, introduction):
    question = _question(target, data)
    assert question.answer == answer
    assert introduction in question.introduction
    assert bool(question.scale) == question.is_value


def test_values_are_shown_as_such():
    question = _question(VALUE, DataConfig())
    assert question.shown(0.5) == "2.00 mm"
    # 2 - 10 ln 9 mm, and at the axis without digits and unit.
    assert question.shown(0.1) == "−19.97 mm"
    assert question.tick(0.1) == "−20"
    assert "0.5 at 2.00 mm, 0.73 at 10 mm above" in question.scale

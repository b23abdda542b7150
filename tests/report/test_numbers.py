"""Every number of the issue has a meaning; none is shown wrong."""

import math

import pytest

from jaxstyle.report import numbers
from tests.report import fake_run


def test_every_key_of_the_evaluation_has_a_meaning():
    # And more: a number that is not defined for a run is left out.
    assert set(fake_run.EVALUATION) <= set(numbers.MEANINGS)
    for meaning in numbers.MEANINGS.values():
        assert meaning.sentence.endswith((".", "?"))


@pytest.mark.parametrize(
    ("value", "pattern", "text"),
    [
        (0.98765, "{:.3f}", "0.988"),
        (-0.5, "{:.2f}", "−0.50"),
        (0.953, "{:.1%}", "95.3%"),
        (None, "{:.3f}", "not measured"),
        (math.nan, "{:.3f}", "not measured"),
        (40000, "{:.4g}", "40,000"),
        ([0.5, 0.25], "{:.4g}", "0.5 – 0.25"),
        ("w", "{:.4g}", "w"),
        (True, "{:.4g}", "True"),
    ],
)
def test_formatted(value, pattern, text):
    assert numbers.formatted(value, pattern) == text


def test_table_holds_known_unknown_and_intervals():
    html = numbers.table(
        {"predictor.auc": 0.9876, "new.number": 3.25},
        {"predictor.auc": [0.97, 0.995]},
    )
    assert "0.988" in html and "0.970 – 0.995" in html
    assert numbers.MEANINGS["predictor.auc"].sentence in html
    assert "new.number" in html and "3.250" in html
    assert "latent.spearman" not in html
    assert html.index("predictor.auc") < html.index("new.number")


def test_flattened():
    nested = {"a": {"b": {"c": 1}, "d": [1, 2]}, "e": "x"}
    assert numbers.flattened(nested) == {"a.b.c": 1, "a.d": [1, 2], "e": "x"}

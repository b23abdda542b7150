"""Every number of the issue has a meaning; none is shown wrong."""

import itertools
import math

import pytest

from jaxstyle.report import meanings, numbers
from tests.report import fake_run


def test_every_key_of_the_evaluation_has_a_meaning():
    assert set(fake_run.EVALUATION) == set(numbers.MEANINGS)
    for meaning in numbers.MEANINGS.values():
        assert meaning.sentence.endswith((".", "?"))
    # A reader can tell them apart where only labels are given.
    labels = [meaning.label for meaning in numbers.MEANINGS.values()]
    assert len(set(labels)) == len(labels)


def test_groups_are_told_in_one_piece():
    groups = [meaning.group for meaning in numbers.MEANINGS.values()]
    changes = sum(a != b for a, b in itertools.pairwise(groups))
    assert changes == len(set(groups)) - 1
    assert (meanings.SPECIAL | meanings.OPTIONAL).issubset(groups)


def test_divided_loses_nothing_and_folds_what_is_not_known():
    values = {**fake_run.EVALUATION, "new.number": 1.0}
    plain, special = numbers.divided(values)
    assert plain | special == values and not plain.keys() & special.keys()
    assert {"new.number", "latent.r2", "gan.recall"} <= special.keys()
    assert {"walk.flip_rate", "predictor.auc"} <= plain.keys()


def test_missing_are_those_that_every_run_should_have():
    assert numbers.missing(fake_run.EVALUATION) == []
    some = dict(fake_run.EVALUATION)
    del some["walk.cout"], some["walk.flip_rate"]
    del some["concept.dab_monotonicity"]
    # In the order of the page.
    assert numbers.missing(some) == ["Flip rate", "Transition score (COUT)"]


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
        "Some numbers",
        {"new.number": 3.25, "predictor.auc": 0.9876},
        {"predictor.auc": [0.97, 0.995]},
        {"predictor.auc": "By chance 0.5."},
    )
    assert "Some numbers</caption>" in html
    assert "0.988" in html and "0.970 – 0.995" in html
    assert html.index("By chance 0.5.") < html.index("new.number")
    assert numbers.MEANINGS["predictor.auc"].sentence in html
    assert "new.number" in html and "3.250" in html
    assert "latent.spearman" not in html
    assert html.index("predictor.auc") < html.index("new.number")


def test_flattened():
    nested = {"a": {"b": {"c": 1}, "d": [1, 2]}, "e": "x"}
    assert numbers.flattened(nested) == {"a.b.c": 1, "a.d": [1, 2], "e": "x"}

"""Verdicts on records whose answer is known."""

import numpy as np
import pytest

from jaxstyle.config.faithfulness import FaithfulnessConfig
from jaxstyle.explain import search
from jaxstyle.faithfulness import verdicts
from jaxstyle.faithfulness.explanations import METHODS
from jaxstyle.faithfulness.planting import CLASS
from tests.faithfulness.made_records import config, record, row


def _rows(own, foreign=0.5, count=8, **more):
    """Enrichment in the marker's mask, and in the blob's."""
    return [
        row(n, enrichment={"marker": own, "blob": foreign}, **more)
        for n in range(count)
    ]


@pytest.mark.parametrize(
    ("own", "foreign", "found"),
    [
        (4.0, 0.5, True),
        (1.4, 0.5, False),  # Not above the bound.
        (1.5, 0.5, False),
        (1.6, 1.7, False),  # More of it is in another kind's mask.
        (1.8, 1.7, True),
    ],
)
def test_what_is_found(own, foreign, found):
    told = verdicts.run_verdict(config(), record("marker", _rows(own, foreign)))
    assert (told["n"], told["flipped"]) == (8, 8)
    assert list(told["methods"]) == list(METHODS)
    for method in METHODS:
        mine = told["methods"][method]
        assert mine["found"] is found
        assert mine["enrichment"]["mean"] == pytest.approx(own)
    assert "images" not in told


def test_a_mean_that_may_be_chance_is_not_found():
    """An image with much, most with little: the interval reaches below 1."""
    rows = [
        row(n, enrichment={"marker": 9.0 if n == 0 else 0.6}) for n in range(6)
    ]
    mine = verdicts.own_verdict(
        config(), record("marker", rows), METHODS[0], {}
    )
    assert mine["enrichment"]["mean"] == pytest.approx(2)
    assert 0 < mine["enrichment"]["low"] < 1
    assert not mine["found"]
    told = verdicts.own_verdict(config(), record("marker", []), METHODS[0], {})
    assert told["enrichment"] == {
        "mean": None,
        "low": None,
        "high": None,
        "n": 0,
    }
    assert told["found"] is False


def test_an_image_without_a_flip_counts_as_not_found():
    rows = [
        *_rows(6.0, count=2),
        *_rows(0.0, count=2, status=search.NO_FLIP),
    ]
    told = verdicts.run_verdict(config(), record("marker", rows))
    assert (told["n"], told["flipped"]) == (4, 2)
    mine = told["methods"]["counterfactual"]["enrichment"]
    assert (mine["mean"], mine["n"]) == (3.0, 4)


@pytest.mark.parametrize(
    ("mean", "change", "status"),
    [
        (1.4, 0.0, verdicts.SPECIFIC),
        (1.5, 0.0, verdicts.UNSPECIFIC),
        (3.0, 0.049, verdicts.UNSPECIFIC),
        (3.0, 0.05, verdicts.REACTS),
        (0.2, 0.05, verdicts.REACTS),
    ],
)
def test_what_is_specific(mean, change, status):
    reactions = {"blob": {"change": change, "n": 3}}
    told = verdicts.foreign_verdict(
        config(),
        record("marker", _rows(4.0, mean), reactions=reactions),
        *("counterfactual", "blob"),
    )
    assert told["status"] == status
    assert told["mean"] == pytest.approx(mean) and told["n"] == 8


def test_a_kind_that_is_in_no_image_is_not_defined():
    told = verdicts.foreign_verdict(
        config(), record("marker", _rows(4.0)), "counterfactual", "texture"
    )
    assert told["status"] == verdicts.UNDEFINED
    assert told["mean"] is None and told["control"] is None


def test_what_shows_nothing_shows_no_other_kind():
    """Counterfactuals without a flip are left out; other methods' maps not."""
    rows = [
        *_rows(4.0, 1.0, count=3),
        *_rows(0.0, 7.0, count=3, status=search.NO_FLIP),
    ]
    means = [
        verdicts.foreign_verdict(
            config(), record("marker", rows), method, "blob"
        )["mean"]
        for method in ("counterfactual", "grad_cam")
    ]
    np.testing.assert_allclose(means, [1, 4])


def test_the_control_is_where_the_kind_would_be():
    rows = [
        row(0, enrichment={"blob": 2.0}),
        row(1, control={"blob": 0.25}),
        row(2, control={"blob": 0.75}),
    ]
    told = verdicts.foreign_verdict(
        config(), record(CLASS, rows), "counterfactual", "blob"
    )
    assert (told["mean"], told["n"], told["control"]) == (2, 1, 0.5)


def test_the_class_has_nothing_of_its_own_to_be_found():
    told = verdicts.run_verdict(config(), record(CLASS, _rows(1.0)))
    for method in METHODS:
        assert list(told["methods"][method]) == ["foreign"]
        foreign = told["methods"][method]["foreign"]
        assert list(foreign) == ["marker", "blob", "texture"]


def test_the_own_kind_is_not_foreign():
    told = verdicts.run_verdict(config(), record("marker", _rows(4.0)))
    foreign = told["methods"]["counterfactual"]["foreign"]
    assert list(foreign) == ["blob", "texture"]


def test_an_f_that_has_not_learnt_gets_no_verdict():
    told = verdicts.run_verdict(config(), record("marker", [], learnt=False))
    assert told["methods"] == {} and told["n"] == 0


def test_means_and_their_intervals():
    values = np.arange(50) / 10
    told = verdicts.mean_and_interval(
        FaithfulnessConfig(bootstraps=2000), values, 0
    )
    assert told["mean"] == pytest.approx(2.45)
    # The normal one: 1.96 standard errors to each side.
    error = 1.96 * values.std() / np.sqrt(50)
    assert told["low"] == pytest.approx(2.45 - error, abs=0.06)
    assert told["high"] == pytest.approx(2.45 + error, abs=0.06)
    # Within strata that are all alike nothing varies.
    runs = np.repeat([0, 1], 25)
    told = verdicts.mean_and_interval(config(), runs * 1.0, 0, runs)
    assert told["low"] == told["mean"] == told["high"] == 0.5

"""Curves: which series, how thinned, and where their points lie."""

import math
import re

import numpy as np

from jaxstyle.report import charts


def _numbers(html, pattern):
    (text,) = re.findall(pattern, html)
    pairs = [p.split(",") for p in text.split()]
    return np.asarray(pairs, np.float64)


def test_curves_take_every_numeric_key():
    lines = [
        {"step": 1, "images": 32, "loss": 2.0, "note": "x", "once": 1},
        {"step": 2, "images": 64, "loss": math.nan, "late": 5},
        {"step": 3, "images": 96, "loss": 1.0, "late": 4.5},
    ]
    unit, series = charts.curves(lines)
    assert unit == "images"
    assert series == {
        "loss": [(32, 2.0), (96, 1.0)],
        "late": [(64, 5), (96, 4.5)],
    }


def test_curves_over_steps_where_images_are_not_counted():
    unit, series = charts.curves([{"step": 0, "a": 1}, {"step": 9, "a": 2}])
    assert unit == "steps"
    assert series == {"a": [(0, 1), (9, 2)]}
    assert charts.curves([]) == ("steps", {})


def test_a_short_curve_is_drawn_point_by_point():
    html = charts.training_chart("loss_d", [(0, 5.0), (10, 1.0), (40, 3.0)])
    got = _numbers(html, r'd="M([^"]*)" class="curve"')
    np.testing.assert_allclose(got, [(0, 0), (0.25, 1), (1, 0.5)])
    assert "<span>loss d</span><b>3</b>" in html


def test_a_long_curve_keeps_its_extremes_in_the_band():
    y = np.random.default_rng(0).normal(size=1000)
    y[500] = 30.0
    html = charts.training_chart("loss", list(enumerate(y.tolist())))
    mean = _numbers(html, r'd="M([^"]*)" class="curve"')
    band = _numbers(html, r'points="([^"]*)"')
    assert len(mean) == 150 and len(band) == 300
    low, high = y.min(), y.max()
    bins = np.array_split(y, 150)
    expected = [(high - part.mean()) / (high - low) for part in bins]
    np.testing.assert_allclose(mean[:, 1], expected, atol=2e-4)
    assert band[:, 1].min() == 0 and band[:, 1].max() == 1


def test_a_constant_curve_does_not_divide_by_zero():
    html = charts.training_chart("lr", [(0, 0.5), (1, 0.5)])
    assert "nan" not in html and "inf" not in html

"""What a record holds, and what it leaves out."""

import numpy as np
import pytest

from jaxstyle.config import Config, EvaluationConfig
from jaxstyle.evaluation import statistics
from jaxstyle.evaluation.record import Record


def test_means_have_bootstrap_intervals():
    config = Config(seed=3, evaluation=EvaluationConfig(bootstraps=50))
    record = Record(config)
    values = np.random.default_rng(0).normal(size=30)
    patients = np.repeat(np.arange(10), 3)
    record.mean("walk.a", values, patients)
    assert record.values["walk.a"] == pytest.approx(values.mean())
    assert type(record.values["walk.a"]) is float
    assert record.intervals["walk.a"] == statistics.bootstrap_interval(
        np.mean, values, resamples=50, seed=3, groups=patients
    )


def test_one_patient_does_not_tell_how_others_vary():
    record = Record(Config())
    record.mean("walk.a", np.array([1.0, 3.0]), np.array(["p", "p"]))
    assert record.values == {"walk.a": 2.0} and not record.intervals


def test_a_number_may_have_no_interval():
    record = Record(Config())
    record.put("gan.a", np.float32(0.5))
    record.put("gan.b", 0.25, (0.0, 1.0))
    assert record.values == {"gan.a": 0.5, "gan.b": 0.25}
    assert record.intervals == {"gan.b": (0.0, 1.0)}


def test_nothing_is_made_up(caplog):
    record = Record(Config())
    record.mean("walk.a", np.zeros(0), np.zeros(0))
    assert not record.values and not record.intervals
    assert "walk.a is not defined" in caplog.text

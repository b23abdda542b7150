"""Flags of the benchmark's launcher, and what it logs."""

import logging
from types import SimpleNamespace

import pytest
from absl import app

from configs import faithfulness as benchmark_config
from jaxstyle.config import ConfigError
from jaxstyle.config.faithfulness import FaithfulnessConfig
from launch import benchmark_faithfulness as launcher
from tests import tiny


@pytest.fixture
def started(monkeypatch, tmp_path):
    """`main` with flags of these values; what ran with them."""
    ran = []
    summary = {
        "explained": {"mean": 0.75},
        "not_learnt": [],
        "f_reacts": [],
        "methods": {},
    }

    def benchmark(config, root):
        ran.append(("benchmark", config, root))
        return {"summary": summary}

    def masked(config, root, key):
        ran.append((key, config, root))
        return {"images": 3}

    monkeypatch.setattr(launcher.benchmark, "run", benchmark)
    monkeypatch.setattr(launcher.masked, "run", masked)
    # It would change the settings of this process.
    monkeypatch.setattr(launcher.common, "prepare", lambda root: None)

    def start(config, mask="", argv=("launch",), **more):
        values = {"distributed": False, "coordinator": ""} | more
        given = SimpleNamespace(config=config, workdir=str(tmp_path), **values)
        monkeypatch.setattr(launcher.flags, "FLAGS", given)
        monkeypatch.setattr(launcher, "_MASK", SimpleNamespace(value=mask))
        launcher.main(list(argv))
        return ran

    return start


def test_the_benchmark_runs_and_tells_its_means(started, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    config = benchmark_config.get_config("tiny")
    assert started(config) == [("benchmark", config, str(tmp_path))]
    told = [record.getMessage().split() for record in caplog.records]
    assert ["explained", "0.7500"] in told


def test_a_run_is_scored_against_masks(started, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    config = tiny.config()
    assert started(config, "boxes") == [("boxes", config, str(tmp_path))]
    assert caplog.records[-1].getMessage().split() == ["images", "3"]


@pytest.mark.parametrize(
    ("config", "flags", "said"),
    [
        (FaithfulnessConfig(), {"mask": "boxes"}, "mask: planted images have"),
        (tiny.config(), {}, "--mask"),
        (FaithfulnessConfig(), {"argv": ("launch", "x")}, "'x' is not a flag"),
        (FaithfulnessConfig(), {"distributed": True}, "one process's work"),
        (FaithfulnessConfig(), {"coordinator": "a:1"}, "one process's work"),
    ],
)
def test_what_does_not_fit_is_refused(started, config, flags, said):
    with pytest.raises(app.UsageError, match=said):
        started(config, **flags)


@pytest.mark.parametrize("mask", ["", "boxes"])
def test_overrides_are_checked(started, mask):
    """Flags change fields after the config's own checks."""
    config = tiny.config() if mask else FaithfulnessConfig()
    data = config.data if mask else config.run.data
    data.resolution = 33
    with pytest.raises(ConfigError, match=r"data\.resolution = 33"):
        started(config, mask)


def test_a_stopped_benchmark_ends_well(started, monkeypatch, caplog):
    caplog.set_level(logging.INFO)

    def stopped(*_):
        raise launcher.stopping.Stopped("gan", 30, 100)

    monkeypatch.setattr(launcher.benchmark, "run", stopped)
    started(FaithfulnessConfig())
    assert "step 30 of 100 saved" in caplog.records[-1].getMessage()

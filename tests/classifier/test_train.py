"""The whole training on an easy problem; resume; stop."""

import jax
import numpy as np
import pytest

from jaxstyle import checkpoints, run_log, workdir
from jaxstyle.classifier import train
from tests.classifier import synthetic


class _Killed(Exception):
    pass


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    root = tmp_path_factory.mktemp("classifier") / "whole"
    config = synthetic.prepared(root)
    return config, root, train.run(config, root)


def test_learns_an_easy_problem(trained):
    config, root, result = trained
    for split, count in (("train", 96), ("val", 32), ("test", 32)):
        numbers = result[split]
        assert numbers["n"] == count
        assert numbers["auc"] > 0.95
        assert numbers["auc_low"] <= numbers["auc"] <= numbers["auc_high"]
        assert 0 <= numbers["expected_calibration_error"] < 0.5
        assert numbers["accuracy"] > 0.8
    assert result["steps"] == 5 * 3
    assert 1 <= result["best_epoch"] <= result["epochs"] == 5
    assert workdir.result(config, root, "classifier") == result
    assert workdir.is_complete(config, root, "classifier")


def test_metrics_are_logged(trained):
    config, root, _ = trained
    lines = run_log.read_metrics(
        workdir.stage(config, root, "classifier").metrics
    )
    assert [line["step"] for line in lines] == [3, 6, 9, 12, 15]
    assert [line["epoch"] for line in lines] == [1, 2, 3, 4, 5]


def test_resume_is_uninterrupted(trained, monkeypatch):
    config, whole, result = trained
    root = whole.with_name("killed")
    synthetic.prepared(root)
    save = checkpoints.Checkpoints.save
    judge = train.state_lib.after_epoch

    def save_at_once(self, *args):
        save(self, *args)
        self._manager.wait_until_finished()

    def die(best, params, auc, loss, epoch):
        if epoch == 3:
            raise _Killed
        return judge(best, params, auc, loss, epoch)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints.Checkpoints, "save", save_at_once)
        patch.setattr(train.state_lib, "after_epoch", die)
        with pytest.raises(_Killed):
            train.run(config, root)
    assert not workdir.is_complete(config, root, "classifier")

    assert train.run(config, root) == result
    for a, b in zip(
        jax.tree.leaves(train.load(config, whole)[1]),
        jax.tree.leaves(train.load(config, root)[1]),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)
    logs = [
        workdir.stage(config, path, "classifier").metrics.read_text()
        for path in (whole, root)
    ]
    assert logs[0] == logs[1]


def test_a_finished_training_is_not_trained_again(trained, monkeypatch):
    config, root, result = trained
    monkeypatch.setattr(
        train.state_lib, "after_epoch", lambda *_: pytest.fail("trained")
    )
    assert train.run(config, root) == result


def test_stops_when_validation_stops_rising(trained, monkeypatch):
    _, whole, _ = trained
    root = whole.with_name("patience")
    config = synthetic.prepared(root, patience=1, epochs=6)
    aucs = iter([0.6, 0.7, 0.7])
    monkeypatch.setattr(train.statistics, "mean_auc", lambda *_: next(aucs))
    monkeypatch.setattr(train.statistics, "prediction_summary", lambda *_: {})
    monkeypatch.setattr(train.step_lib, "balanced_loss", lambda *_: 1.0)
    result = train.run(config, root)
    assert (result["epochs"], result["best_epoch"]) == (3, 2)


def test_loading_before_training_says_what_to_run(tmp_path):
    config = synthetic.prepared(tmp_path / "run")
    with pytest.raises(workdir.WorkdirError, match=r"launch\.train_classifier"):
        train.load(config, tmp_path / "run")

"""One generator and encoder for all classifiers of a seed."""

import dataclasses

import numpy as np
import pytest

from jaxstyle import workdir
from jaxstyle.config import ConfigError
from jaxstyle.data import pipeline, prepare
from jaxstyle.faithfulness import planting, sharing
from jaxstyle.faithfulness.planting import CLASS

RESULTS = {
    "gan": {"kimg": 3.0},
    "encoder": {"test": {"psnr": 20.0, "gap": 0.25}, "steps": 8},
}


def _done(config, root, name, result=None):
    stage = workdir.begin(config, root, name)
    stage.exported.mkdir(exist_ok=True)
    (stage.exported / "weights").write_text(f"{name} of {root.name}")
    workdir.finish(stage, result or {}, 5.0)


@pytest.fixture
def runs(planted, tmp_path):
    """(config, root) of the blob's run, and of the class's, which is done."""
    config, path, _ = planted
    pairs = [
        (planting.target_config(config, 3, path, name), tmp_path / name)
        for name in ("blob", CLASS)
    ]
    for mine, root in pairs:
        _done(mine, root, "data")
    for name in sharing.STAGES:
        _done(*pairs[1], name, RESULTS[name])
    return pairs


def test_both_are_copied(runs):
    mine, theirs = runs
    assert not sharing.is_adopted(*mine)
    sharing.adopt(*mine, *theirs)
    assert sharing.is_adopted(*mine)
    for name in sharing.STAGES:
        exported = workdir.stage(*mine, name).exported
        assert (exported / "weights").read_text() == f"{name} of class"
        told = workdir.result(*mine, name)
        assert told["copied_from"] == str(theirs[1])
    assert workdir.result(*mine, "gan")["kimg"] == 3
    # How E's images look to the other run's f is not told of this one's.
    encoder = workdir.result(*mine, "encoder")
    assert encoder["test"] == {"psnr": 20} and encoder["steps"] == 8
    assert workdir.result(*theirs, "encoder") == RESULTS["encoder"]


def test_what_is_there_is_not_copied_again(runs, monkeypatch):
    mine, theirs = runs
    copied = []
    copytree = sharing.shutil.copytree

    def dying(source, *rest, **more):
        copied.append(source.parent.name)
        if len(copied) == 2:
            raise KeyboardInterrupt
        copytree(source, *rest, **more)

    monkeypatch.setattr(sharing.shutil, "copytree", dying)
    with pytest.raises(KeyboardInterrupt):
        sharing.adopt(*mine, *theirs)
    assert not sharing.is_adopted(*mine)
    for _ in range(2):
        sharing.adopt(*mine, *theirs)
    assert copied == ["gan", "encoder", "encoder"]
    assert sharing.is_adopted(*mine)


def test_what_is_not_trained_cannot_be_shared(runs):
    mine, theirs = runs
    (theirs[1] / "encoder" / "complete.json").unlink()
    with pytest.raises(workdir.WorkdirError, match="encoder is not complete"):
        sharing.adopt(*mine, *theirs)


@pytest.mark.parametrize(
    ("section", "change"),
    [
        (None, {"seed": 4}),
        (None, {"name": "other"}),
        ("gan", {"r1_gamma": 7.0}),
        ("gan", {"classes": 2}),
        ("encoder", {"kimg": 9.0}),
        ("data", {"channels": 3}),
        ("data", {"path": "other.npz"}),
    ],
)
def test_only_the_labels_meaning_may_differ(runs, section, change):
    mine, theirs = runs
    config = (
        dataclasses.replace(mine[0], **change)
        if section is None
        else (
            dataclasses.replace(
                mine[0],
                **{
                    section: dataclasses.replace(
                        getattr(mine[0], section), **change
                    )
                },
            )
        )
    )
    with pytest.raises(ConfigError, match="can be shared only by runs"):
        sharing.adopt(config, mine[1], *theirs)
    assert not (mine[1] / "gan").exists()


def test_a_conditional_generator_is_never_shared(runs):
    configs = [
        dataclasses.replace(
            config, gan=dataclasses.replace(config.gan, classes=2)
        )
        for config, _ in runs
    ]
    (_, mine), (_, theirs) = runs
    with pytest.raises(ConfigError, match=r"gan\.classes = 0"):
        sharing.adopt(configs[0], mine, configs[1], theirs)


def test_trainings_of_such_runs_see_the_same_images(planted, tmp_path):
    """In the same order; labels alone differ, and nobody trains on these."""
    config, path, _ = planted
    drawn = []
    for target in ("blob", CLASS):
        mine = planting.target_config(config, 3, path, target)
        prepare.run(mine, tmp_path / target)
        batches = pipeline.training_batches(
            mine, tmp_path / target, "train", 16, mine.seed
        )
        drawn.append([next(batches) for _ in range(4)])
    for ours, theirs in zip(*drawn, strict=True):
        np.testing.assert_array_equal(ours["image"], theirs["image"])
        np.testing.assert_array_equal(ours["label"], theirs["label"])
    targets = [[batch["class"] for batch in batches] for batches in drawn]
    assert np.any(np.asarray(targets[0]) != np.asarray(targets[1]))

"""A black box's student, and the ways that it proposes."""

import csv
import dataclasses
import shutil

import numpy as np
import pytest
from PIL import Image

from jaxstyle import predictors, workdir
from jaxstyle.classifier import train as classifier_train
from jaxstyle.data import builders, pipeline, prepare
from jaxstyle.evaluation import statistics
from jaxstyle.explain import direction, nearest, render, student
from tests import made_run


def _f(config, root):
    return predictors.load(config, root)


@pytest.fixture(scope="module")
def parts(made, tmp_path_factory):
    """(config, root, the student's config and parameters)."""
    config, whole = made
    root = made_run.copied(
        *(whole, tmp_path_factory.mktemp("taught") / "run"),
        *("data", "gan", "encoder", "direction"),
    )
    return config, root, *student.taught(config, root, _f(config, root))


def _index(config, root):
    path = prepare.prepared(config, root) / builders.INDEX
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_it_learns_f_s_decisions_and_not_the_truth(parts):
    config, root, mine, _ = parts
    rows = _index(mine, workdir.student(root))
    truth = _index(config, root)
    seen = 0
    for name in ("train", "val", "test"):
        split = pipeline.open_split(config, root, name)
        images = split.images(range(len(split)))
        decided = made_run.colour(images / 2 + 0.5) >= config.target.level
        labels = [int(row["label"]) for row in rows if row["split"] == name]
        assert labels == decided.astype(int).tolist()
        seen += len(labels)
    assert seen == len(rows) == len(truth)
    assert [r["label"] for r in rows] != [r["label"] for r in truth]
    for row, other in zip(rows, truth, strict=True):
        assert row | {"label": ""} == other | {"label": ""}


def test_it_says_what_f_says(parts):
    """Of the images that it was taught: there are too few for others."""
    config, root, mine, found = parts
    split = pipeline.open_split(config, root, "train")
    images = split.images(range(len(split)))
    logits = np.asarray(predictors.network(mine)(found, images))
    decided = made_run.colour(images / 2 + 0.5) >= config.target.level
    assert statistics.roc_auc(logits, decided.astype(int)) > 0.8


def test_it_is_taught_once(parts, monkeypatch):
    config, root, mine, found = parts
    monkeypatch.setattr(
        classifier_train, "run", lambda *_: pytest.fail("trained again")
    )
    again, parameters = student.taught(config, root, _f(config, root))
    assert again == mine
    np.testing.assert_array_equal(
        parameters["temperature"], found["temperature"]
    )


def test_another_f_is_refused(parts):
    """Under the same address, as a file that was trained again is."""
    config, root, *_ = parts

    class Another:
        def predict(self, images):
            return 1 - made_run.colour(images)[:, None]

    with pytest.raises(predictors.PredictorError, match="another model"):
        student.taught(config, root, Another())


def test_another_question_is_taught_anew(parts, tmp_path, monkeypatch):
    """The answers to the one before are moved aside, and not refused."""
    config, root, _, _ = parts
    folder = workdir.student(tmp_path)
    shutil.copytree(workdir.student(root), folder, symlinks=True)
    other = dataclasses.replace(
        config, target=dataclasses.replace(config.target, threshold=0.3)
    )
    taught = []

    def trained(config, root, mine, where, relabelled):
        taught.append(where.exists())
        return {"test": {"auc": 1.0}}

    monkeypatch.setattr(student.beside, "trained", trained)
    monkeypatch.setattr(student.predictors, "parameters", lambda *_: None)
    for settings in (config, other):
        student.taught(settings, tmp_path, _f(config, root))
    assert taught == [True, False]
    assert folder.with_name("student.previous-1").exists()


def test_f_itself_judges_the_ways_that_it_proposes(parts):
    config, root, _, _ = parts
    config = dataclasses.replace(
        config, walk=dataclasses.replace(config.walk, along="nearest", limit=8)
    )
    render.run(config, root)
    stage = workdir.stage(config, root, "render")
    with stage.summary.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 8
    with stage.manifest.open(newline="") as file:
        frames = list(csv.DictReader(file))
    for frame in frames:
        with Image.open(stage.path / frame["file"]) as file:
            image = np.asarray(file, np.float32)[None] / 255
        told = float(frame["predictor_probability"])
        assert told == pytest.approx(made_run.colour(image)[0], abs=1e-4)


def test_the_built_in_f_has_no_student(made, monkeypatch):
    config = dataclasses.replace(
        made[0], predictor=dataclasses.replace(made[0].predictor)
    )
    config.predictor.kind = "checkpoint"
    monkeypatch.setattr(
        student, "taught", lambda *_: pytest.fail("a student was taught")
    )
    asked = []
    monkeypatch.setattr(
        predictors, "parameters", lambda *_: asked.append("f") or {}
    )
    monkeypatch.setattr(nearest, "Nearest", lambda *given: given)
    given = nearest.load(config, made[1], None, direction.Direction, None)
    assert given[3] is config and asked == ["f"]

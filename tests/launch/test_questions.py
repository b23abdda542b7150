"""Each question from the images to the page, on the same generator."""

import csv
import dataclasses
import html
import re

import numpy as np
import pytest

from jaxstyle import config as config_lib
from jaxstyle import pipeline, predictors, workdir
from jaxstyle.config import (
    Config,
    DirectionConfig,
    PredictorConfig,
    TargetConfig,
)
from jaxstyle.data import pipeline as data_pipeline
from tests.launch import stripes

GRADES = ("none", "faint", "mild", "clear", "strong")
EACH = 24


def contrast(images):
    """f of a value: how much brighter even rows are, in grey levels."""
    rows = images.mean(axis=(2, 3)) * 255
    return rows[:, ::2].mean(axis=1) - rows[:, 1::2].mean(axis=1)


def _save(folder):
    """Grey 8 px images with stripes of five grades; their path."""
    random = np.random.default_rng(0)
    labels = np.arange(5 * EACH) % 5
    images = random.integers(0, 60, (len(labels), 8, 8))
    images[:, ::2] += 45 * labels[:, None, None]
    path = folder / "grades.npz"
    np.savez(path, image=images.astype(np.uint8), label=labels)
    return path


@pytest.fixture(scope="module")
def grades(tmp_path_factory):
    """The config of the ordinal question, whose run is whole, and its root."""
    folder = tmp_path_factory.mktemp("questions")
    config = stripes.config("npz", _save(folder), "w")
    config.data.class_names = GRADES
    config.classifier.epochs = config.classifier.patience = 40
    config.target = TargetConfig(kind="grade", column=2)
    config = config_lib.validated(config)
    pipeline.run(config, folder / "run")
    return config, folder / "run"


def _images(config: Config, root):
    with workdir.stage(config, root, "render").summary.open(newline="") as file:
        return list(csv.DictReader(file))


def _page(root):
    text = (root / "report" / "index.html").read_text("utf-8")
    return html.unescape(re.sub(r"<[^>]*>", "", text))


def test_the_classifier_learns_five_grades(grades):
    config, root = grades
    told = workdir.result(config, root, "classifier")["test"]
    assert told["auc"] > 0.85
    f = predictors.load(config, root)
    images = data_pipeline.open_split(config, root, "test").images(range(10))
    p = f.predict(images / 2 + 0.5)
    assert p.shape == (10, 5)
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(
        predictors.probability(f, images, config),
        p[:, 2:].sum(axis=1),
        rtol=1e-5,
    )


def test_an_ordinal_target(grades):
    config, root = grades
    numbers = workdir.result(config, root, "evaluation")
    assert numbers["predictor.auc"] > 0.9
    split = data_pipeline.open_split(config, root, "test")
    rows = _images(config, root)
    assert [row["target"] for row in rows] == [
        str(int(label >= 2)) for label in split.labels
    ]
    assert all(row["grad_cam"] for row in rows)
    page = _page(root)
    assert "gives each image a probability of “mild or higher”" in page
    assert "f’s probability of “mild or higher” on each frame" in page
    assert "from “below mild” towards “mild or higher”" in page
    assert "true label: below mild" in page


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (
            TargetConfig(kind="pair", column=4, against=0),
            ["tells “strong” from “none”", "given it is that or “none”"],
        ),
        (
            TargetConfig(kind="class", column=4, threshold=0.3),
            ["a probability of “strong”", "“not strong” towards “strong”"],
        ),
    ],
)
def test_another_question_keeps_what_is_trained(
    grades, target, words, monkeypatch
):
    config, root = grades
    config = dataclasses.replace(config, target=target)
    for name in ("data", "classifier", "gan", "encoder"):
        monkeypatch.setitem(
            pipeline._RUN, name, lambda *_: pytest.fail("ran again")
        )
    pipeline.run(config, root)
    split = data_pipeline.open_split(config, root, "test")
    asked = np.isfinite(target.truth(split.classes))
    rows = _images(config, root)
    assert asked.all() == (target.kind == "class")
    assert {row["image_id"] for row in rows} == {
        split.ids[n] for n in np.flatnonzero(asked)
    }
    page = _page(root)
    for text in words:
        assert text in page


def test_a_value(grades):
    config, root = grades
    data = dataclasses.replace(
        config.data,
        class_names=("pale", "striped"),
        positive_labels=(2, 3, 4),
    )
    config = dataclasses.replace(
        config,
        data=data,
        predictor=PredictorConfig(
            kind="callable", address=f"{__name__}:contrast"
        ),
        direction=DirectionConfig(
            method="least_squares", samples=32, bootstraps=0
        ),
        target=TargetConfig(
            kind="value", threshold=70.0, scale=40.0, unit="levels"
        ),
    )
    root = root.with_name("value")
    pipeline.run(config, root)
    page = _page(root)
    assert "from 70.00 levels on it counts as “striped”" in page
    assert "f’s value, in levels, on each frame" in page
    assert "0.73 at 40 levels above" in page
    split = data_pipeline.open_split(config, root, "test")
    exact = contrast(split.images(range(len(split))) / 2 + 0.5)
    for row, value in zip(_images(config, root), exact, strict=True):
        p = float(row["predictor_original"])
        found = 70 + 40 * np.log(p / (1 - p))
        assert found == pytest.approx(value, abs=0.1)
        assert row["decision"] == str(int(value >= 70))

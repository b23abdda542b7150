"""The second classifier's run, and what it says of a rendered one."""

import csv
import dataclasses
import shutil
import types

import jax
import numpy as np
import pytest
from PIL import Image

from jaxstyle import predictors, workdir
from jaxstyle.classifier import train as classifier_train
from jaxstyle.config import (
    ConfigError,
    DataConfig,
    PredictorConfig,
    TargetConfig,
)
from jaxstyle.data import linked, pipeline
from jaxstyle.faithfulness import second_opinion
from tests.report import fake_run

STAGE = "second_opinion"


@pytest.fixture(scope="module")
def asked(rendered, tmp_path_factory):
    """(config, root, result); root has data and walks, and nothing else."""
    config, whole = rendered
    root = tmp_path_factory.mktemp("asked") / "run"
    for name in ("data", "render"):
        shutil.copytree(whole / name, root / name)
    return config, root, second_opinion.run(config, root)


@pytest.fixture(scope="module")
def own(asked):
    """(config, root) of the second classifier."""
    config, root, _ = asked
    return second_opinion.second(config), workdir.second_classifier(root)


@pytest.fixture(scope="module")
def alike(asked, own, rendered, tmp_path_factory):
    """(config, root, result) with a second classifier much like f.

    f of this run knows no labels, so that one which learns them is no judge.
    """
    config, trained, _ = asked
    root = tmp_path_factory.mktemp("alike") / "run"
    shutil.copytree(trained, root, symlinks=True)
    _, params, temperature = classifier_train.load(*rendered)
    random = np.random.default_rng(3)
    params = jax.tree.map(
        lambda x: x + random.normal(0, 0.05, x.shape).astype("f4"), params
    )
    folder = root / own[1].relative_to(trained)
    stage = workdir.stage(own[0], folder, "classifier")
    shutil.rmtree(stage.exported)
    classifier_train.export(stage, params, temperature)
    return config, root, second_opinion.run(config, root)


def _table(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def _answers(rows, *names, who="second"):
    return np.array([[float(row[f"{who}_{n}"]) for n in names] for row in rows])


# --- from a rendered run to its numbers


def test_it_is_asked_about_the_saved_files(asked, own):
    config, root, _ = asked
    stage = workdir.stage(config, root, "render")
    f = predictors.load(*own)
    told = _table(root / STAGE / "opinions.csv")
    rows = _table(stage.summary)
    assert [one["image_id"] for one in told] == [r["image_id"] for r in rows]
    assert 0 < sum(row["flipped"] == "1" for row in rows) < len(rows)
    for one, row in zip(told, rows, strict=True):
        files = {"original": row["original"]}
        if row["flip_frame"]:
            frames = sorted(
                (stage.path / "frames" / row["image_id"]).glob("[0-9]*")
            )
            end = frames[-1] if row["asked"] == "1" else frames[0]
            files["reconstruction"] = row["reconstruction"]
            files["flip"] = frames[int(row["flip_frame"])]
            files["end"] = end
        for name in ("original", "reconstruction", "flip", "end"):
            cell = one[f"second_{name}"]
            assert bool(cell) == bool(one[f"f_{name}"]) == (name in files)
            if cell:
                with Image.open(stage.path / files[name]) as file:
                    image = np.asarray(file, np.float32)[None] / 255
                expected = f.predict(image)[0, 0]
                assert float(cell) == pytest.approx(expected, abs=2e-6)
        assert one["f_original"] == row["predictor_original"]


def test_the_numbers_follow_from_the_table(alike):
    config, root, result = alike
    rows = _table(root / STAGE / "opinions.csv")
    images = _table(root / "render" / "images.csv")
    decided = np.array([row["decision"] == "1" for row in images])
    agrees = (_answers(rows, "original")[:, 0] >= 0.5) == decided
    assert result["agrees"] == pytest.approx(agrees.mean())
    assert result["images"] == len(rows)
    flipped = np.array([row["status"] == "flipped" for row in rows])
    flips = [row for row in rows if row["second_flip"]]
    names = ("reconstruction", "flip", "end")
    p = _answers(flips, *names)
    same = (p[:, 0] >= 0.5) == decided[flipped]
    assert result["flipped"] == len(p) == flipped.sum()
    assert result["compared"] == same.sum() > 0
    assert result["left_out"] == (~same).sum()
    # It is not f itself.
    assert np.abs(p - _answers(flips, *names, who="f")).max() > 0.01
    turned = (p >= 0.5) != (p[:, :1] >= 0.5)
    for n, name in ((1, "flip.share"), (2, "end.share")):
        assert result[name] == pytest.approx(turned[same, n].mean())
    towards = np.where(decided[flipped], -1, 1) * (p[:, 2] - p[:, 0])
    assert result["end.change"] == pytest.approx(towards[same].mean(), abs=2e-6)
    # f itself goes where it is asked to.
    assert result["f.end.change"] > 0
    assert workdir.result(config, root, STAGE) == result


def test_it_learnt_the_true_labels_under_another_seed(asked, own):
    config, root, result = asked
    assert own[0].seed != config.seed
    for name in ("train", "val", "test"):
        theirs = pipeline.open_split(config, root, name)
        mine = pipeline.open_split(*own, name)
        assert mine.ids == theirs.ids
        np.testing.assert_array_equal(mine.labels, theirs.labels)
        np.testing.assert_array_equal(
            mine.images(range(len(mine))), theirs.images(range(len(mine)))
        )
    told = workdir.result(*own, "classifier")
    assert result["classifier"] == {
        **{key: told["test"][key] for key in ("auc", "auc_low", "auc_high")},
        "epochs": config.classifier.epochs,
    }


def test_its_first_weights_are_not_those_of_f(known):
    config, _ = known
    kernels = [
        classifier_train.state_lib.create(one, 1).params["params"]["trunk"][
            "stem"
        ]["kernel"]
        for one in (config, second_opinion.second(config))
    ]
    assert not np.isclose(*kernels).any()


def test_it_is_trained_once(asked, tmp_path, monkeypatch):
    config, trained, result = asked
    root = tmp_path / "run"
    shutil.copytree(trained, root, symlinks=True)
    monkeypatch.setattr(
        classifier_train, "run", lambda *_: pytest.fail("again")
    )
    assert second_opinion.run(config, root) == result
    # A stage that was begun under another config is another one's.
    assert not list(root.glob(f"{STAGE}.previous-*"))
    # Done anew, with the same classifier.
    changed = dataclasses.replace(config.evaluation, bootstraps=9)
    config = dataclasses.replace(config, evaluation=changed)
    again = second_opinion.run(config, root)
    assert again["classifier"] == result["classifier"]
    assert list(root.glob(f"{STAGE}.previous-*"))


def test_what_walks_depend_on_outdates_it(asked):
    config, root, _ = asked
    assert workdir.is_complete(config, root, STAGE)
    for section, change in (
        ("walk", {"refinements": 2}),
        ("classifier", {"epochs": 9}),
        ("evaluation", {"bootstraps": 9}),
        ("target", {"threshold": 0.4}),
    ):
        changed = dataclasses.replace(getattr(config, section), **change)
        other = dataclasses.replace(config, **{section: changed})
        assert not workdir.is_complete(other, root, STAGE)


# --- the linked data


def test_linked_data_move_with_the_run(known, tmp_path):
    config, root = known
    shutil.copytree(root / "data", tmp_path / "run" / "data")
    other = second_opinion.second(config)
    folder = tmp_path / "run" / "beside" / "it"
    linked.link(config, tmp_path / "run", other, folder)
    # Stopped half-way, it goes on.
    (folder / "data" / "complete.json").unlink()
    linked.link(config, tmp_path / "run", other, folder)
    (tmp_path / "run").rename(tmp_path / "moved")
    split = pipeline.open_split(other, tmp_path / "moved/beside/it", "val")
    expected = pipeline.open_split(config, root, "val")
    np.testing.assert_array_equal(split.images([1]), expected.images([1]))
    links = (tmp_path / "moved/beside/it/data/dataset").iterdir()
    assert all(link.is_symlink() for link in links)
    assert not workdir.is_complete(config, folder, "data")


# --- questions


class Shades:
    """How dark, middling and bright an image is: three classes."""

    def predict(self, images):
        red = images[..., 0].mean(axis=(1, 2))[:, None]
        return np.concatenate([1 - red, red / 4, red * 0.75], axis=1)


GRADES = ("none", "some", "much")


@pytest.mark.parametrize(
    "names, target, answer",
    [
        (GRADES, {"kind": "grade", "column": 1}, lambda red: red),
        (GRADES, {"kind": "class", "column": 2}, lambda red: red * 0.75),
        (
            GRADES,
            {"kind": "pair", "column": 2, "against": 1, "threshold": 0.7},
            lambda red: np.full(len(red), 0.75),
        ),
        (("pale", "dark"), {"column": 1}, lambda red: 1 - red),
    ],
)
def test_it_answers_the_question_of_a_black_box(
    names, target, answer, tmp_path, monkeypatch
):
    """Walks of any f; of a finding the built-in network has one answer."""
    config = dataclasses.replace(
        fake_run.config(),
        data=DataConfig(class_names=names),
        target=TargetConfig(**target),
        predictor=PredictorConfig(kind="callable", address="no.such:f"),
    )
    fake_run.make(tmp_path, config)
    learnt = {"auc": 0.9}
    monkeypatch.setattr(second_opinion, "_train", lambda *_: learnt)
    monkeypatch.setattr(predictors, "load", lambda *_: Shades())
    folder = tmp_path / "render"
    ids = [row["image_id"] for row in _table(folder / "images.csv")]
    split = types.SimpleNamespace(ids=ids, groups=["a", *ids[1:]])
    monkeypatch.setattr(pipeline, "open_split", lambda *_: split)
    result = second_opinion.run(config, tmp_path)
    assert result["classifier"] == learnt and result["images"] == 9
    images = [
        np.asarray(Image.open(folder / row["original"])) / 255
        for row in _table(folder / "images.csv")
    ]
    expected = answer(np.stack(images)[..., 0].mean(axis=(1, 2)))
    rows = _table(tmp_path / STAGE / "opinions.csv")
    found = _answers(rows, "original")[:, 0]
    np.testing.assert_allclose(found, expected, atol=2e-6)
    decided = [row["decision"] == "1" for row in _table(folder / "images.csv")]
    level = target.get("threshold", 0.5)
    assert result["agrees"] == np.mean((expected >= level) == decided)


def test_the_second_classifier_is_built_in_whatever_f_is(known):
    config = dataclasses.replace(
        known[0],
        predictor=PredictorConfig(kind="onnx", address="f.onnx", batch_size=5),
        target=TargetConfig(column=3, threshold=0.2),
    )
    other = second_opinion.second(config)
    assert other.predictor == PredictorConfig(batch_size=5)
    assert other.target == TargetConfig(threshold=0.2)
    changed = {"seed", "predictor", "target"}
    for item in dataclasses.fields(config):
        same = getattr(config, item.name) == getattr(other, item.name)
        assert same == (item.name not in changed), item.name


# --- refusals


def test_a_value_has_no_second_opinion(known, tmp_path):
    config = dataclasses.replace(
        known[0],
        predictor=PredictorConfig(kind="callable", address="a:b"),
        target=TargetConfig(kind="value", threshold=3.0),
    )
    with pytest.raises(ConfigError, match=r"target\.kind = 'value': the sec"):
        second_opinion.run(config, tmp_path)
    assert not (tmp_path / STAGE).exists()


def test_other_images_are_refused(known, tmp_path):
    config, _ = known
    walk = dataclasses.replace(config.walk, images="folder")
    config = dataclasses.replace(config, walk=walk)
    with pytest.raises(ConfigError, match=r"walk\.images = 'folder': .*empty"):
        second_opinion.run(config, tmp_path)


def test_walks_that_are_not_rendered_are_named(known):
    config, root = known
    with pytest.raises(workdir.WorkdirError, match=r"launch\.render"):
        second_opinion.run(config, root)
    assert not (root / STAGE).exists()


def test_it_is_one_process_s_work(asked, monkeypatch):
    config, root, _ = asked
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    with pytest.raises(RuntimeError, match="second opinion is one process's"):
        second_opinion.run(config, root)

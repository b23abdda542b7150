"""The comparison of directions, on the small run that works."""

import csv
import dataclasses
import json
import shutil
import types

import numpy as np
import pytest
from PIL import Image

from jaxstyle import predictors, workdir
from jaxstyle.config import ConfigError
from jaxstyle.data import pipeline
from jaxstyle.encoder import train as encoder_train
from jaxstyle.evaluation import features, statistics
from jaxstyle.explain import (
    compare,
    compare_walks,
    nearest,
    render,
    search,
)
from tests import made_run
from tests.explain import rendering

METHODS = compare_walks.METHODS
LIMIT = 9


class Killed(Exception):
    pass


def _fresh(whole, tmp_path):
    root = tmp_path / "run"
    for name in ("data", "gan", "encoder", "direction"):
        shutil.copytree(whole / name, root / name)
    return root


@pytest.fixture(scope="module")
def compared(made, tmp_path_factory):
    """(config, root, result)."""
    config, whole = made
    config = dataclasses.replace(
        config, walk=dataclasses.replace(config.walk, limit=LIMIT)
    )
    root = _fresh(whole, tmp_path_factory.mktemp("compared"))
    with pytest.MonkeyPatch.context() as patch:
        # Whom the black box would teach knows it already.
        patch.setattr(nearest.student, "taught", lambda *_: (config, 5.0))
        patch.setattr(nearest.predictors, "network", lambda _: made_run.logit)
        yield config, root, compare.run(config, root)


def _folder(config, root):
    return workdir.stage(config, root, "compare_directions").path


def _numbers(config, root, method):
    path = _folder(config, root) / "methods" / f"{method}.json"
    return json.loads(path.read_text())


def test_the_walks_are_those_of_the_renderer(compared, tmp_path):
    """Same direction, same images: the renderer's table says the same."""
    config, root, _ = compared
    render.run(config, root)
    table = workdir.stage(config, root, "render").summary
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    walks = _numbers(config, root, "logistic")["walks"]
    assert len(walks) == len(rows) == LIMIT
    for walk, row in zip(walks, rows, strict=True):
        assert walk["id"] == row["image_id"]
        assert walk["status"] == row["status"]
        assert walk["flipped"] == (row["flipped"] == "1")
        if walk["flipped"]:
            assert walk["flip_lambda"] == pytest.approx(
                abs(float(row["flip_lambda"])), rel=1e-4
            )


def test_every_method_is_measured(compared):
    config, root, result = compared
    assert result["images"] == LIMIT
    assert result == json.loads(
        (_folder(config, root) / "result.json").read_text()
    )
    statuses = (search.FLIPPED, search.NO_FLIP, search.NOT_EXPLAINED)
    unexplained = set()
    split = pipeline.open_split(config, root, "test")
    patients = dict(zip(split.ids, split.groups, strict=True))
    for method in METHODS:
        told, walks = result[method], _numbers(config, root, method)["walks"]
        flipped = [walk for walk in walks if walk["flipped"]]
        assert sum(told[name] for name in statuses) == LIMIT
        assert told[search.FLIPPED] == len(flipped)
        assert told["flip_rate"] == pytest.approx(len(flipped) / LIMIT)
        assert told["fidelity"]["n"] == LIMIT
        assert {"spearman", "r2", "auc_vs_predictor"} <= set(told["fidelity"])
        for name in ("flip_lambda", "proximity", "off_target"):
            values = [walk[name] for walk in flipped]
            assert told[name] == pytest.approx(np.mean(values))
            if len({patients[walk["id"]] for walk in flipped}) == 1:
                assert f"{name}_low" not in told
                continue
            assert told[f"{name}_low"] <= told[name] <= told[f"{name}_high"]
        # Which reconstructions f judges differently is E's doing.
        unexplained.add(told[search.NOT_EXPLAINED])
    assert len(unexplained) == 1


def test_means_over_the_images_that_all_flip(compared):
    config, root, result = compared
    walks = {m: _numbers(config, root, m)["walks"] for m in METHODS}
    common = [
        n for n in range(LIMIT) if all(walks[m][n]["flipped"] for m in METHODS)
    ]
    assert result["flipped_by_all"] == len(common) > 0
    for method in METHODS:
        for name in ("flip_lambda", "proximity", "off_target"):
            values = [walks[method][n][name] for n in common]
            assert result[method][f"{name}_common"] == pytest.approx(
                np.mean(values)
            )


def test_a_summary_without_a_common_flip():
    def measured(*flipped):
        return {
            "fidelity": {},
            "walks": [
                {"id": str(n), "flipped": yes, "status": search.NO_FLIP}
                | (dict.fromkeys(compare._MEASURES, 2.0) if yes else {})
                for n, yes in enumerate(flipped)
            ],
        }

    config = made_run.settings("unused.npz")
    told = compare.summary(
        config,
        {"a": measured(True, False), "b": measured(False, False)},
        ["p", "q"],
    )
    assert told["flipped_by_all"] == 0
    assert told["a"]["flip_rate"] == 0.5 and told["a"]["proximity"] == 2
    assert told["b"]["flip_rate"] == 0 and "proximity" not in told["b"]
    assert not any("common" in key for key in (*told["a"], *told["b"]))


def test_intervals_are_over_patients():
    walks = [
        {"id": str(n), "flipped": n < 4, "status": search.NO_FLIP}
        | dict.fromkeys(compare._MEASURES, float(n))
        for n in range(8)
    ]
    config = made_run.settings("unused.npz")
    widths = []
    for groups in ("abcdefgh", "aaaabbbb"):
        measured = {"a": {"fidelity": {}, "walks": walks}}
        told = compare.summary(config, measured, list(groups))["a"]
        assert told["flip_rate"] == 0.5 and told["proximity"] == 1.5
        widths.append(told["flip_rate_high"] - told["flip_rate_low"])
    assert widths[0] < widths[1] == 1
    # All that flip are of one patient then.
    assert "proximity_low" not in told


def test_patients_are_those_of_the_images_asked_about(
    compared, tmp_path, monkeypatch
):
    # Where a pair of classes is asked about, others of the split are not.
    config, whole, _ = compared
    asked = types.SimpleNamespace(groups=[f"asked {n}" for n in range(20)])
    told, files = [], compare.compare_files.Files
    monkeypatch.setattr(compare.pipeline, "open_asked", lambda *_: asked)
    monkeypatch.setattr(compare, "_measure", lambda *_: None)
    monkeypatch.setattr(files, "draw", lambda *_: None)
    monkeypatch.setattr(
        files, "numbers", lambda _, method: _numbers(config, whole, method)
    )
    monkeypatch.setattr(
        compare, "summary", lambda *all_: told.append(all_[2]) or {}
    )
    compare.run(config, _fresh(whole, tmp_path))
    assert told == [asked.groups[:LIMIT]]


def test_changes_are_measured_on_the_frames(compared):
    """Proximity and feature change again, from the frames in the picture."""
    config, root, _ = compared
    see = features.networks(config, root)[features.DEFAULT]
    split = pipeline.open_split(config, root, "train")
    seen = see(split.images(np.arange(len(split))))
    pairs = np.linalg.norm(seen[:, None] - seen[None], axis=-1)
    unit = pairs.sum() / (len(seen) * (len(seen) - 1))
    checked = 0
    for method in ("logistic", "mlp"):
        path = _folder(config, root) / "methods" / f"{method}.npz"
        walks = {w["id"]: w for w in _numbers(config, root, method)["walks"]}
        with np.load(path) as arrays:
            for n in range(4):
                walk = walks[str(arrays[f"{n}/image_id"])]
                frames, k = arrays[f"{n}/frames"], arrays[f"{n}/flip_frame"]
                judged = arrays[f"{n}/judged"]
                np.testing.assert_allclose(
                    judged, made_run.colour(frames / 2 + 0.5), atol=1e-5
                )
                if k < 0:
                    continue
                recon = _reconstruction(config, root, walk["id"])
                nearest = np.abs(frames - recon).mean(axis=(1, 2, 3)).argmin()
                change = np.abs(frames[k] - frames[nearest]).mean() / 2
                assert walk["proximity"] == pytest.approx(change, rel=1e-4)
                apart = np.linalg.norm(
                    see(frames[k][None]) - see(frames[nearest][None])
                )
                # The unit is the mean over 64 of these pairs.
                assert walk["off_target"] == pytest.approx(
                    apart / unit, rel=0.2
                )
                checked += 1
    assert checked >= 3


def _reconstruction(config, root, image_id):
    split = pipeline.open_split(config, root, config.walk.split)
    codec = encoder_train.load(config, root)
    image = split.images([split.ids.index(image_id)])
    return codec.decode(codec.encode(image))[0]


def test_the_pictures_show_both_decisions(compared):
    config, root, _ = compared
    with Image.open(_folder(config, root) / "comparison.png") as picture:
        # Four images, six methods, each with a strip of tiles.
        assert picture.height > 4 * len(METHODS) * 96
        assert picture.width > 96 * (search.frame_count(config) + 1)
    decided = np.array([True, True, False, True, False, False])
    np.testing.assert_array_equal(
        compare_walks._first_of_each(decided), [0, 1, 2, 4]
    )
    np.testing.assert_array_equal(
        compare_walks._first_of_each(decided[:2]), [0, 1]
    )


def test_fidelity_is_that_of_the_stage(compared):
    """The whole test split gives the direction's own numbers."""
    config, root, result = compared
    predictor = predictors.load(config, root)
    split = pipeline.open_split(config, root, "test")
    images = split.images(np.arange(LIMIT))
    codec = encoder_train.load(config, root)
    judged = predictors.probability(predictor, images, config)
    direction = compare_walks.stage.files.load(config, root)
    latent = direction.logits(codec.encode(images))
    expected = statistics.spearman(latent, predictors.logit(judged))
    assert result["logistic"]["fidelity"]["spearman"] == expected


def test_a_killed_comparison_goes_on(compared, tmp_path, monkeypatch):
    """What was measured is not measured again, and all comes out the same."""
    config, whole, result = compared
    root = _fresh(whole, tmp_path)
    call, seen = compare_walks.Comparison.__call__, []

    def dying(self, method, tell):
        if method == "svm":
            raise Killed
        return call(self, method, tell)

    def counted(self, method, tell):
        seen.append(method)
        return call(self, method, tell)

    monkeypatch.setattr(compare_walks.Comparison, "__call__", dying)
    with pytest.raises(Killed):
        compare.run(config, root)
    assert not workdir.is_complete(config, root, "compare_directions")
    monkeypatch.setattr(compare_walks.Comparison, "__call__", counted)
    assert compare.run(config, root) == result
    assert seen == list(METHODS[2:])
    picture = "comparison.png"
    assert (_folder(config, root) / picture).read_bytes() == (
        _folder(config, whole) / picture
    ).read_bytes()
    # Once more: nothing is loaded, all is read.
    monkeypatch.setattr(
        compare_walks, "Comparison", lambda *_: pytest.fail("measured")
    )
    assert compare.run(config, root) == result


def test_progress_counts_all_walks(compared, tmp_path, monkeypatch):
    config, whole, _ = compared
    root = _fresh(whole, tmp_path)
    told = []

    class Progress:
        def __init__(self, task, total, unit, done):
            told.append((total, done))

        def update(self, done, note):
            told.append((done, note))

    def measured(self, method, tell):
        tell(4), tell(9)
        numbers = _numbers(config, whole, method)
        return numbers, []

    monkeypatch.setattr(compare.run_log, "Progress", Progress)
    monkeypatch.setattr(compare_walks.Comparison, "__call__", measured)
    monkeypatch.setattr(compare.compare_files.Files, "draw", lambda *_: None)
    compare.run(config, root)
    assert told[0] == (len(METHODS) * LIMIT, 0)
    assert [done for done, _ in told[1:]] == [
        LIMIT * n + walked for n in range(len(METHODS)) for walked in (4, 9)
    ]
    assert told[-1][1] == METHODS[-1]


def test_methods_of_two_models_are_not_compared(compared, tmp_path):
    """What was measured before f was replaced stays; nothing is added."""
    config, whole, *_ = compared
    root = tmp_path / "run"
    shutil.copytree(whole, root, symlinks=True)
    rendering.record_another_model(_folder(config, root))
    with pytest.raises(predictors.PredictorError, match="another model"):
        compare.run(config, root)


def test_only_splits_are_compared(compared, tmp_path):
    config, root, _ = compared
    config = dataclasses.replace(
        config, walk=dataclasses.replace(config.walk, images=str(tmp_path))
    )
    with pytest.raises(ConfigError, match=r"walk\.images = .*split"):
        compare.run(config, root)


def test_what_is_missing_is_told(compared, tmp_path):
    config, whole, _ = compared
    root = _fresh(whole, tmp_path)
    shutil.rmtree(root / "encoder")
    with pytest.raises(workdir.WorkdirError, match=r"launch\.train_encoder"):
        compare.run(config, root)

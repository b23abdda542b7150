"""The run's numbers, each again from what the stages saved."""

import csv
import dataclasses
import json
import math
import shutil

import numpy as np
import pytest
from PIL import Image
from skimage import metrics

from jaxstyle import workdir
from jaxstyle.data import pipeline
from jaxstyle.encoder import train as encoder_train
from jaxstyle.evaluation import (
    distribution,
    evaluate,
    features,
    identity,
    pictures,
    realism,
    statistics,
)
from jaxstyle.evaluation.record import Record
from jaxstyle.explain import render
from jaxstyle.report import numbers as report_numbers
from tests import made_run

AT_THE_FLIP = {
    "walk.proximity",
    "walk.proximity_features",
    "walk.proximity_ssim",
    "walk.sparsity",
}
WITHOUT_INTERVAL = {
    "gan.fid_features",
    "gan.precision",
    "gan.recall",
    "gan.nearest_train_distance",
}
KEYS = {
    "predictor.auc",
    "latent.auc_vs_predictor",
    "latent.auc_vs_truth",
    "latent.spearman",
    "reconstruction.psnr",
    "reconstruction.ssim",
    "reconstruction.gap",
    "reconstruction.agreement",
    "walk.flip_rate",
    "walk.monotonicity",
    "walk.cout",
    "walk.cout_reconstruction",
    "walk.identity",
    "walk.fid",
    "walk.sfid",
    "walk.fid_ratio",
    *AT_THE_FLIP,
    *WITHOUT_INTERVAL,
}
# A direction's stage may have measured it, or not; of the other, too few
# images flip.
OPTIONAL = {"latent.r2", "walk.fid_flipped"}


@pytest.fixture(scope="module")
def evaluated(made):
    """(config, root, result)."""
    config, root = made
    few = dataclasses.replace(config.evaluation, frechet_images=4)
    config = dataclasses.replace(config, evaluation=few)
    render.run(config, root)
    return config, root, evaluate.run(config, root)


@pytest.fixture(scope="module")
def rows(evaluated):
    """images.csv."""
    _, root, _ = evaluated
    with (root / "render" / "images.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def shown(evaluated, rows):
    """Originals, reconstructions and counterfactuals, [3, N, R, R, 3]."""
    _, root, _ = evaluated
    folder = root / "render"

    def levels(file):
        return np.asarray(Image.open(folder / file)).astype(np.float64)

    def answer(row):
        frames = sorted((folder / "frames" / row["image_id"]).glob("??.png"))
        farthest = len(frames) - 1 if row["asked"] == "1" else 0
        return frames[int(row["flip_frame"] or farthest)]

    return np.stack(
        [
            [levels(row["original"]) for row in rows],
            [levels(row["reconstruction"]) for row in rows],
            [levels(answer(row)) for row in rows],
        ]
    )


def test_exactly_these_numbers(evaluated):
    config, root, result = evaluated
    assert set(result) - OPTIONAL == KEYS
    file = json.loads((root / "evaluation" / "result.json").read_text())
    assert file == result == workdir.result(config, root, "evaluation")
    for name, value in result.items():
        assert type(value) is float and math.isfinite(value), name


def test_the_predictor_s_auc(evaluated):
    config, _, result = evaluated
    with np.load(config.data.path) as data:
        test = data["split"] == "test"
        f = made_run.colour(data["image"][test].astype(np.float32))
        label = data["label"][test]
    pairs = [
        1.0 if a > b else 0.5 if a == b else 0.0
        for a in f[label == 1]
        for b in f[label == 0]
    ]
    np.testing.assert_allclose(result["predictor.auc"], np.mean(pairs))


def test_what_other_stages_measured_is_passed_on(evaluated):
    config, root, result = evaluated
    latent = workdir.result(config, root, "direction")["test"]
    for name in ("auc_vs_predictor", "auc_vs_truth", "spearman"):
        assert result[f"latent.{name}"] == latent[name]


def _ssim(a, b):
    return [
        metrics.structural_similarity(
            x, y, win_size=3, data_range=255, channel_axis=-1
        )
        for x, y in zip(a, b, strict=True)
    ]


def test_reconstructions_are_those_that_were_saved(evaluated, rows, shown):
    _, _, result = evaluated
    original, again, _ = shown
    error = np.mean(np.square(original - again), axis=(1, 2, 3))
    psnr = 10 * np.log10(255**2 / error)
    ssim = _ssim(original, again)
    gap = [
        abs(made_run.colour(a[None] / 255) - made_run.colour(b[None] / 255))
        for a, b in zip(original, again, strict=True)
    ]
    agree = [
        row["status"] != "reconstruction judged differently" for row in rows
    ]
    for name, values in (
        *(("psnr", psnr), ("ssim", ssim)),
        *(("gap", gap), ("agreement", agree)),
    ):
        # f was asked about the original before it was stored.
        np.testing.assert_allclose(
            result[f"reconstruction.{name}"], np.mean(values), atol=1e-4
        )


def test_the_walks_numbers(evaluated, rows):
    _, _, result = evaluated
    flipped = [int(row["flipped"]) for row in rows]
    assert 0 < np.mean(flipped) <= 1
    np.testing.assert_allclose(result["walk.flip_rate"], np.mean(flipped))
    assert 0.5 < result["walk.monotonicity"] <= 1


def test_the_change_at_the_flip(evaluated, rows, shown):
    _, _, result = evaluated
    original, again, moved = shown
    flipped = np.array([row["flipped"] == "1" for row in rows])
    change = np.abs(moved - again)[flipped] / 255
    np.testing.assert_allclose(
        result["walk.proximity"], change.mean(), atol=1e-6
    )
    limit = np.percentile(
        np.abs(original - again).sum(axis=-1).reshape(len(rows), -1), 95, axis=1
    )
    beyond = np.abs(moved - again).sum(axis=-1) > limit[:, None, None]
    np.testing.assert_allclose(result["walk.sparsity"], beyond[flipped].mean())
    ssim = _ssim(again[flipped], moved[flipped])
    np.testing.assert_allclose(
        result["walk.proximity_ssim"], np.mean(ssim), rtol=1e-4
    )
    assert 0 < result["walk.proximity_features"] < 2


def test_cout_by_brute_force(evaluated, rows, shown):
    """Portion by portion; rounding decides between equal differences."""
    config, _, result = evaluated
    steps = config.evaluation.cout_steps
    original, again, moved = shown / 255
    counts = np.rint(np.linspace(0, 64, steps + 1)).astype(int)
    found = {"walk.cout": [], "walk.cout_reconstruction": []}
    for n, row in enumerate(rows):
        sign = 1 if row["asked"] == "1" else -1
        for name, query in zip(found, (original[n], again[n]), strict=True):
            apart = np.abs(moved[n] - query).sum(axis=-1).ravel()
            order = np.argsort(-apart, kind="stable")
            frame, curve = query.reshape(-1, 3).copy(), []
            for count in counts:
                frame[order[:count]] = moved[n].reshape(-1, 3)[order[:count]]
                p = made_run.colour(frame.reshape(1, 8, 8, 3))[0]
                curve.append(sign * (2 * p - 1))
            area = sum(
                (curve[k] + curve[k + 1]) / 2 * (counts[k + 1] - counts[k]) / 64
                for k in range(steps)
            )
            if row["status"] == "reconstruction judged differently":
                area = sign * (2 * float(row["predictor_original"]) - 1)
            found[name].append(area)
    for name, values in found.items():
        np.testing.assert_allclose(result[name], np.mean(values), atol=2e-4)


def test_identity_by_brute_force(evaluated, rows, shown):
    config, root, result = evaluated
    network = features.networks(config, root)["random_conv"]
    original, _, moved = (network(x / 127.5 - 1) for x in shown)
    spread = original.std(axis=0)
    kept = spread > 0
    hits = [
        np.argmin([np.linalg.norm(((x - y) / spread)[kept]) for y in original])
        == n
        and rows[n]["status"] != "reconstruction judged differently"
        for n, x in enumerate(moved)
    ]
    np.testing.assert_allclose(result["walk.identity"], np.mean(hits))


def test_frechet_distances_are_of_saved_pictures(evaluated, rows, shown):
    config, root, result = evaluated
    network = features.networks(config, root)["random_conv"]
    seen = pictures.Pictures(*(network(x / 127.5 - 1) for x in shown))
    asked = np.array([int(row["asked"]) for row in rows])
    every = np.ones(len(rows), bool)
    split = pipeline.open_split(config, root, "test")
    of = dict(zip(split.ids, split.groups, strict=True))
    patients = np.array([of[row["image_id"]] for row in rows])
    samples = [
        realism.draw("x", asked, every, patients, 4, (config.seed, number))
        for number in range(realism._DRAWS)
    ]
    comparison = realism.Comparison(seen, samples[0].weights)
    means = {
        name: np.mean(
            [getattr(comparison, name)(s.rows, s.groups) for s in samples]
        )
        for name in ("fid", "sfid", "reconstruction_sfid")
    }
    for name in ("fid", "sfid"):
        np.testing.assert_allclose(
            result[f"walk.{name}"], means[name], rtol=1e-3
        )
    np.testing.assert_allclose(
        result["walk.fid_ratio"],
        means["sfid"] / means["reconstruction_sfid"],
        rtol=1e-3,
    )


def test_the_generator_s_numbers(evaluated):
    """On every training image and 24 new ones, by the network named."""
    config, root, result = evaluated
    split = pipeline.open_split(config, root, "train")
    codec = encoder_train.load(config, root)
    network = features.networks(config, root)["random_conv"]
    real = network(split.images(range(len(split))))
    made = np.clip(codec.decode(codec.sample_codes(24, config.seed + 1)), -1, 1)
    generated = network(made)
    np.testing.assert_allclose(
        result["gan.fid_features"],
        distribution.frechet_distance(real, generated),
        rtol=1e-3,
    )
    distances = np.linalg.norm(generated[:, None] - real[None], axis=-1)
    nearest = distances.min(axis=1).mean()
    np.testing.assert_allclose(
        result["gan.nearest_train_distance"], nearest, rtol=1e-3
    )


def test_details_hold_intervals_and_each_network(evaluated):
    _, root, result = evaluated
    details = json.loads((root / "evaluation" / "details.json").read_text())
    # f is a black box: there is no classifier to take features from.
    assert set(details["feature_networks"]) == {"random_conv"}
    numbers = details["feature_networks"]["random_conv"]
    assert set(numbers) == {
        *("fid", "kid", "precision", "recall", "nearest_train_distance")
    }
    assert numbers["fid"] == result["gan.fid_features"]
    assert set(details["intervals"]) - OPTIONAL >= (
        KEYS - WITHOUT_INTERVAL - {"latent.spearman"}
    )
    for name, (low, high) in details["intervals"].items():
        assert low <= result[name] <= high, name
    counterfactuals = details["counterfactuals"]
    assert counterfactuals["identity_chance"] == 1 / made_run.TEST
    assert {"all"} <= set(counterfactuals["frechet"]) <= {"all", "flipped"}
    numbers = counterfactuals["frechet"]["all"]["random_conv"]
    assert numbers["fid"] == result["walk.fid"]


def test_intervals_are_over_patients(evaluated, rows):
    """Of whom there are two images each in the made data."""
    config, root, _ = evaluated
    details = json.loads((root / "evaluation" / "details.json").read_text())
    split = pipeline.open_split(config, root, "test")
    patients = dict(zip(split.ids, split.groups, strict=True))
    assert len(set(patients.values())) == made_run.TEST / 2
    gaps = np.array([float(row["reconstruction_gap"]) for row in rows])
    settings = {
        "resamples": config.evaluation.bootstraps,
        "seed": config.seed,
    }
    expected, by_image = (
        statistics.bootstrap_interval(np.mean, gaps, groups=groups, **settings)
        for groups in ([patients[row["image_id"]] for row in rows], None)
    )
    found = details["intervals"]["reconstruction.gap"]
    np.testing.assert_allclose(found, expected, atol=2e-6)
    assert np.abs(np.subtract(found, by_image)).max() > 1e-4


def test_every_number_has_a_meaning(evaluated):
    _, _, result = evaluated
    assert set(result) <= set(report_numbers.MEANINGS)


def test_numbers_of_the_direction_are_passed_on(evaluated, tmp_path):
    """Whichever its stage has measured, with their intervals."""
    config, _, _ = evaluated
    stage = workdir.stage(config, tmp_path, "direction")
    stage.path.mkdir()
    record = Record(config)
    test = {"n": 9, "spearman": 0.5, "r2": 0.25, "r2_low": 0.1, "r2_high": 0.3}
    workdir.finish(stage, {"test": test}, 0.0)
    evaluate._latent(config, tmp_path, record)
    assert record.values == {"latent.spearman": 0.5, "latent.r2": 0.25}
    assert record.intervals == {"latent.r2": (0.1, 0.3)}


def test_too_few_images_have_no_frechet_distance(evaluated, tmp_path, caplog):
    config, whole, result = evaluated
    root = tmp_path / "run"
    _copied(whole, root)
    many = dataclasses.replace(config.evaluation, frechet_images=9)
    few = evaluate.run(dataclasses.replace(config, evaluation=many), root)
    distances = {"walk.fid", "walk.fid_flipped", "walk.sfid", "walk.fid_ratio"}
    assert set(few) == set(result) - distances
    assert "walk.sfid, walk.fid_ratio not measured" in caplog.text


def _copied(whole, root, **changed):
    """The run so far, with the same change to each row of images.csv."""
    for name in ("data", "gan", "encoder", "direction", "render"):
        shutil.copytree(whole / name, root / name)
    path = root / "render" / "images.csv"
    with path.open(newline="") as file:
        rows = [row | changed for row in csv.DictReader(file)]
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return rows


def test_what_is_undefined_is_left_out(evaluated, tmp_path, caplog):
    """Without a flip there is no distance to it, and no number is made up."""
    config, whole, _ = evaluated
    never = {"flipped": "0", "flip_frame": "", "flip_lambda": ""}
    _copied(whole, tmp_path / "run", **never)
    result = evaluate.run(config, tmp_path / "run")
    assert set(result) - OPTIONAL == KEYS - AT_THE_FLIP
    assert result["walk.flip_rate"] == 0
    assert "walk.proximity is not defined" in caplog.text


def test_what_is_not_explained_fails_everywhere(
    evaluated, tmp_path, monkeypatch
):
    """Even where the own image is found again."""
    config, whole, _ = evaluated
    monkeypatch.setattr(
        identity, "retrieved", lambda features: np.ones(made_run.TEST)
    )
    failed = {
        **{"flipped": "0", "flip_frame": "", "flip_lambda": ""},
        "status": "reconstruction judged differently",
    }
    rows = _copied(whole, tmp_path / "run", **failed)
    result = evaluate.run(config, tmp_path / "run")
    for name in ("walk.flip_rate", "walk.identity", "reconstruction.agreement"):
        assert result[name] == 0, name
    stays = [
        (1 if row["asked"] == "1" else -1)
        * (2 * float(row["predictor_original"]) - 1)
        for row in rows
    ]
    for name in ("walk.cout", "walk.cout_reconstruction"):
        np.testing.assert_allclose(result[name], np.mean(stays))


def test_what_is_missing_is_told(made, tmp_path):
    config, whole = made
    root = tmp_path / "run"
    for name in ("data", "gan", "encoder", "direction"):
        shutil.copytree(whole / name, root / name)
    with pytest.raises(workdir.WorkdirError, match=r"launch\.render"):
        evaluate.run(config, root)

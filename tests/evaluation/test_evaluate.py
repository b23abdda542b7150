"""The run's numbers, each again from what the stages saved."""

import csv
import json
import math
import shutil

import numpy as np
import pytest

from jaxstyle import workdir
from jaxstyle.data import pipeline
from jaxstyle.encoder import train as encoder_train
from jaxstyle.evaluation import distribution, evaluate, features
from jaxstyle.explain import render
from tests import made_run

KEYS = {
    "predictor.auc",
    "latent.auc_vs_predictor",
    "latent.auc_vs_truth",
    "latent.spearman",
    "reconstruction.psnr",
    "reconstruction.ssim",
    "reconstruction.gap",
    "walk.flip_rate",
    "walk.monotonicity",
    "walk.proximity",
    "gan.fid_features",
    "gan.precision",
    "gan.recall",
    "gan.nearest_train_distance",
}


@pytest.fixture(scope="module")
def evaluated(made):
    """(config, root, result)."""
    config, root = made
    render.run(config, root)
    return config, root, evaluate.run(config, root)


def test_exactly_these_numbers(evaluated):
    config, root, result = evaluated
    assert set(result) == KEYS
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
    again = workdir.result(config, root, "encoder")["test"]
    for name in ("psnr", "ssim", "gap"):
        np.testing.assert_allclose(
            result[f"reconstruction.{name}"], again[name], rtol=1e-4
        )


def test_the_walks_numbers(evaluated):
    _, root, result = evaluated
    with (root / "render" / "images.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    flipped = [int(row["flipped"]) for row in rows]
    np.testing.assert_allclose(result["walk.flip_rate"], np.mean(flipped))
    assert 0 < result["walk.proximity"] < 0.5
    assert 0.5 < result["walk.monotonicity"] <= 1


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
    assert set(details["intervals"]) == {
        "predictor.auc",
        "latent.auc_vs_predictor",
        "latent.auc_vs_truth",
        "walk.flip_rate",
        "walk.monotonicity",
        "walk.proximity",
    }
    for name, (low, high) in details["intervals"].items():
        assert low <= result[name] <= high, name


def test_what_is_undefined_is_left_out(evaluated, tmp_path, caplog):
    """Without a flip there is no distance to it, and no number is made up."""
    config, whole, _ = evaluated
    root = tmp_path / "run"
    for name in ("data", "gan", "encoder", "direction", "render"):
        shutil.copytree(whole / name, root / name)
    path = root / "render" / "images.csv"
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row |= {"flipped": "0", "flip_frame": "", "flip_lambda": ""}
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    result = evaluate.run(config, root)
    assert set(result) == KEYS - {"walk.proximity"}
    assert result["walk.flip_rate"] == 0
    assert "walk.proximity is not defined" in caplog.text


def test_what_is_missing_is_told(made, tmp_path):
    config, whole = made
    root = tmp_path / "run"
    for name in ("data", "gan", "encoder", "direction"):
        shutil.copytree(whole / name, root / name)
    with pytest.raises(workdir.WorkdirError, match=r"launch\.render"):
        evaluate.run(config, root)

"""A classifier trained in PyTorch, as an ONNX file, explained end to end."""

import csv
import hashlib
import shutil

import numpy as np
import onnxruntime
import pytest
from PIL import Image

from configs import ihc
from jaxstyle import predictors
from jaxstyle.config import PredictorConfig, TargetConfig
from tests.launch.started import CONFIG, REPOSITORY, launch

MODEL = REPOSITORY / "tests" / "predictors" / "pytorch_classifier.onnx"
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# What does not depend on f, and who is who in it.
KEPT = ("data", "gan", "encoder")


@pytest.fixture(scope="module")
def explained(root, outputs, tmp_path_factory):
    """The run folder of f, on the generator that is there already."""
    mine = tmp_path_factory.mktemp("pytorch") / "run"
    for name in KEPT:
        shutil.copytree(root / name, mine / name)
    for salt in root.glob("salt"):
        shutil.copy(salt, mine)
    status, said, _ = launch(
        "pipeline",
        mine,
        f"--config={CONFIG}",
        "--config.predictor.kind=onnx",
        f"--config.predictor.address={MODEL}",
        "--config.predictor.onnx_scores=logits",
        f"--config.predictor.onnx_mean={MEAN}",
        f"--config.predictor.onnx_std={STD}",
        "--config.target.column=1",
    )
    assert status == 0, said
    assert said.count("complete and unchanged, skipped") == len(KEPT)
    auc = [line for line in said.splitlines() if "predictor.auc " in line]
    assert float(auc[-1].split()[-1]) > 0.95
    return mine


def _table(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def _asked(files):
    """The file's own probability of class 1 on saved pictures, in NumPy."""
    pixels = np.stack([np.asarray(Image.open(file)) for file in files])
    shown = (pixels / 255 - MEAN) / STD
    session = onnxruntime.InferenceSession(
        MODEL, providers=["CPUExecutionProvider"]
    )
    shown = shown.transpose(0, 3, 1, 2).astype(np.float32)
    (logits,) = session.run(["logits"], {"image": shown})
    negative, positive = logits.astype(np.float64).T
    return 1 / (1 + np.exp(negative - positive))


def test_every_probability_is_the_files_own(explained):
    folder = explained / "render"
    frames = _table(folder / "manifest.csv")
    assert len(frames) > 50
    told = np.array([float(row["predictor_probability"]) for row in frames])
    asked = _asked([folder / row["file"] for row in frames])
    np.testing.assert_allclose(told, asked, rtol=0, atol=1e-5)
    images = _table(folder / "images.csv")
    told = [float(row["predictor_original"]) for row in images]
    asked = _asked([folder / row["original"] for row in images])
    np.testing.assert_allclose(told, asked, rtol=0, atol=1e-5)
    # The other column would be far from it.
    assert np.abs(asked - 0.5).max() > 0.3
    assert [row["decision"] for row in images] == [
        str(int(p >= 0.5)) for p in asked
    ]


def test_the_page_names_the_very_file(explained):
    page = (explained / "report" / "index.html").read_text("utf-8")
    assert hashlib.sha256(MODEL.read_bytes()).hexdigest() in page
    assert f"f is the onnx {MODEL}" in page


def test_there_is_no_grad_cam(explained):
    images = _table(explained / "render" / "images.csv")
    assert len(images) == 6
    assert not any(row["grad_cam"] for row in images)
    assert not list(explained.rglob("grad_cam*"))
    assert not (explained / "classifier").exists()


@pytest.mark.filterwarnings("default")
def test_a_new_export_answers_as_pytorch_does(tmp_path):
    """Trained, exported and asked anew, where PyTorch is installed."""
    why = "to export anew, `pip install torch onnxscript` (4 GB)"
    for name in ("torch", "onnxscript"):
        pytest.importorskip(name, reason=why)
    from tests.predictors import pytorch_classifier

    model = pytorch_classifier.train(epochs=1)
    path = tmp_path / "new.onnx"
    pytorch_classifier.export(model, path)
    config = ihc.get_config("tiny")
    config.predictor = PredictorConfig(
        kind="onnx",
        address=str(path),
        onnx_scores="logits",
        onnx_mean=MEAN,
        onnx_std=STD,
    )
    config.target = TargetConfig(column=1)
    pixels, labels = pytorch_classifier.images("test")
    own = pytorch_classifier.probabilities(model, pixels)
    f = predictors.load(config, tmp_path)
    np.testing.assert_allclose(f.predict(pixels), own, rtol=0, atol=1e-5)
    found = predictors.probability(f, pixels * 2 - 1, config)
    np.testing.assert_allclose(found, own[:, 1], rtol=0, atol=1e-5)
    assert np.mean((own[:, 1] >= 0.5) == labels) > 0.7

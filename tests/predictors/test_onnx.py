"""ONNX files against NumPy, and files that do not fit."""

import hashlib
import sys

import numpy as np
import pytest
from onnx import TensorProto, helper

from jaxstyle import predictors
from jaxstyle.config import Config, DataConfig, PredictorConfig, TargetConfig
from jaxstyle.predictors.onnx_file import OnnxPredictor
from tests.predictors import onnx_models
from tests.predictors.onnx_models import linear, sigmoid, softmax


def _config(path, channels=3, column=0, **settings):
    return Config(
        target=TargetConfig(column=column),
        data=DataConfig(resolution=8, channels=channels),
        predictor=PredictorConfig(kind="onnx", address=str(path), **settings),
    )


def _images(count=5, channels=3, side=8):
    generator = np.random.default_rng(3)
    shape = (count, side, side, channels)
    return generator.uniform(0, 1, shape).astype(np.float32)


def _predicted(path, images, **settings):
    config = _config(path, channels=images.shape[-1], **settings)
    return np.asarray(OnnxPredictor(config).predict(images))


def _fails(path, match, images=None, **settings):
    images = _images() if images is None else images
    with pytest.raises(predictors.PredictorError, match=match) as told:
        _predicted(path, images, **settings)
    return str(told.value)


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
@pytest.mark.parametrize(
    ("activation", "scores", "reference"),
    [
        ("Softmax", "probabilities", softmax),
        ("Sigmoid", "probabilities", sigmoid),
        ("", "logits", softmax),
        ("", "sigmoid", sigmoid),
    ],
)
def test_scores_of_every_kind(tmp_path, layout, activation, scores, reference):
    path = tmp_path / "f.onnx"
    onnx_models.save_linear(path, layout, activation)
    images = _images()
    actual = _predicted(path, images, onnx_layout=layout, onnx_scores=scores)
    seen = images if layout == "nhwc" else np.moveaxis(images, -1, 1)
    assert actual.dtype == np.float32
    np.testing.assert_allclose(actual, reference(linear(seen)), rtol=1e-5)


def test_a_convolution_of_normalised_images(tmp_path):
    path, images = tmp_path / "f.onnx", _images()
    random = np.random.default_rng(5)
    kernel = random.normal(size=(4, 3, 3, 3)).astype(np.float32)
    _save_convolution(path, kernel)
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    actual = _predicted(
        path, images, onnx_scores="sigmoid", onnx_mean=mean, onnx_std=std
    )
    x = (images.astype(np.float64) - mean) / std
    x = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    out = np.zeros((5, 8, 8, 4))
    for row in range(3):
        for column in range(3):
            seen = x[:, row : row + 8, column : column + 8]
            out += np.einsum("nhwc,oc->nhwo", seen, kernel[:, :, row, column])
    expected = sigmoid(np.maximum(out, 0).mean(axis=(1, 2)))
    np.testing.assert_allclose(actual, expected, rtol=1e-4)
    assert np.ptp(expected) > 0.01


def _save_convolution(path, kernel):
    nodes = [
        helper.make_node("Conv", ["x", "kernel"], ["y"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["y"], ["positive"]),
        helper.make_node("GlobalAveragePool", ["positive"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["logits"]),
    ]
    # Any size of images.
    onnx_models.save(
        path,
        nodes,
        {"kernel": kernel},
        inputs={"x": ("N", 3, "H", "W")},
        outputs={"logits": ("N", 4)},
    )


@pytest.mark.parametrize(
    ("scaling", "reference"),
    [
        ({"onnx_range": (-1.0, 1.0)}, lambda x: 2 * x - 1),
        ({"onnx_range": (1.0, 0.0)}, lambda x: 1 - x),
        (
            {"onnx_mean": (0.25,), "onnx_std": (0.5,)},
            lambda x: (x - 0.25) / 0.5,
        ),
        (
            {
                "onnx_range": (0.0, 255.0),
                "onnx_mean": (123.7, 116.8, 103.9),
                "onnx_std": (58.0, 57.0, 56.0),
            },
            lambda x: (
                (255 * x - np.array([123.7, 116.8, 103.9]))
                / np.array([58.0, 57.0, 56.0])
            ),
        ),
    ],
)
def test_black_and_white_become_what_the_file_wants(
    tmp_path, scaling, reference
):
    path, images = tmp_path / "f.onnx", _images()
    onnx_models.save_linear(path, "nhwc")
    actual = _predicted(
        path, images, onnx_layout="nhwc", onnx_scores="sigmoid", **scaling
    )
    expected = sigmoid(linear(reference(images.astype(np.float64))))
    np.testing.assert_allclose(actual, expected, rtol=1e-4)


@pytest.mark.parametrize("count", [1, 4, 6])
def test_a_fixed_number_of_images(tmp_path, count):
    path, images = tmp_path / "f.onnx", _images(count)
    onnx_models.save_linear(path, "nhwc", "Softmax", batch=4)
    actual = _predicted(path, images, onnx_layout="nhwc")
    np.testing.assert_allclose(actual, softmax(linear(images)), rtol=1e-5)


def test_half_precision(tmp_path):
    path, images = tmp_path / "f.onnx", _images()
    cast = helper.make_node("Cast", ["h"], ["x"], to=TensorProto.FLOAT)
    mean = helper.make_node("ReduceMean", ["x"], ["p"], axes=[1, 2, 3])
    mean.attribute.append(helper.make_attribute("keepdims", 0))
    onnx_models.save(
        path,
        [cast, mean],
        {},
        inputs={"h": onnx_models.image_shape("nchw")},
        outputs={"p": ("N",)},
        type_=TensorProto.FLOAT16,
    )
    actual = _predicted(path, images)
    assert actual.shape == (5,)
    expected = images.mean(axis=(1, 2, 3))
    np.testing.assert_allclose(actual, expected, rtol=1e-3)
    config = _config(path)
    p = predictors.probability(OnnxPredictor(config), images * 2 - 1, config)
    np.testing.assert_allclose(p, expected, rtol=1e-3)


@pytest.mark.parametrize(
    ("layout", "shape", "told"),
    [
        ("nhwc", (5, 8, 8, 3), r"\[5, 8, 8, 3\]"),
        ("nchw", (5, 8, 8, 1), r"\[5, 1, 8, 8\]"),
        ("nchw", (5, 16, 16, 3), r"\[5, 3, 16, 16\]"),
    ],
)
def test_images_that_do_not_fit_are_told(tmp_path, layout, shape, told):
    path = tmp_path / "f.onnx"
    onnx_models.save_linear(path, "nchw")
    message = _fails(
        path, told, images=np.zeros(shape, np.float32), onnx_layout=layout
    )
    assert str(path) in message and "['N', 3, 8, 8]" in message


def test_an_input_of_another_rank_is_told(tmp_path):
    path = tmp_path / "f.onnx"
    node = helper.make_node("Softmax", ["x"], ["p"])
    onnx_models.save(
        path, [node], {}, inputs={"x": ("N", 192)}, outputs={"p": ("N", 192)}
    )
    assert str(path) in _fails(path, r"shape \['N', 192\].*\[5, 3, 8, 8\]")


def test_what_fails_inside_the_file_is_told(tmp_path):
    path = tmp_path / "f.onnx"
    matrix = np.zeros((192, 2), np.float32)
    onnx_models.save(
        path,
        [
            helper.make_node("Flatten", ["x"], ["flat"]),
            helper.make_node("MatMul", ["flat", "matrix"], ["y"]),
        ],
        {"matrix": matrix},
        inputs={"x": ("N", 3, "H", "W")},
        outputs={"y": ("N", 2)},
    )
    told = _fails(path, r"\[5, 3, 16, 16\]", images=_images(side=16))
    assert str(path) in told and "['N', 3, 'H', 'W']" in told


def test_grey_images_have_one_mean(tmp_path):
    path = tmp_path / "f.onnx"
    onnx_models.save_linear(path, "nchw")
    _fails(
        path, "1 channel: give", _images(channels=1), onnx_std=(1.0, 1.0, 2.0)
    )


def _save_two(path):
    """Two inputs of which one is used, two outputs of which one judges."""
    nodes = [
        helper.make_node("GlobalAveragePool", ["x"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["p"]),
        helper.make_node("Add", ["unused", "unused"], ["other"]),
    ]
    onnx_models.save(
        path,
        nodes,
        {},
        inputs={"x": ("N", 3, 8, 8), "unused": (1,)},
        outputs={"other": (1,), "mean": ("N", 3, 1, 1), "p": ("N", 3)},
    )


def test_inputs_and_outputs_are_chosen_by_name(tmp_path):
    path = tmp_path / "f.onnx"
    _save_two(path)
    _fails(path, r"onnx_input = '': .*\['x', 'unused'\]")
    _fails(path, "onnx_input = 'y': ", onnx_input="y")
    _fails(path, r"onnx_output = '': .*\['other', 'm.*'\]", onnx_input="x")
    _fails(path, "'p'", onnx_input="x", onnx_output="q")
    # The other input is missing, then.
    told = _fails(path, "unused", onnx_input="x", onnx_output="p")
    assert str(path) in told


def test_one_output_of_several(tmp_path):
    path, images = tmp_path / "f.onnx", _images()
    nodes = [
        helper.make_node("GlobalAveragePool", ["x"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["p"]),
    ]
    onnx_models.save(
        path,
        nodes,
        {},
        inputs={"x": ("N", 3, 8, 8)},
        outputs={"mean": ("N", 3, 1, 1), "p": ("N", 3)},
    )
    actual = _predicted(path, images, onnx_output="p")
    np.testing.assert_allclose(actual, images.mean(axis=(1, 2)), rtol=1e-5)
    told = _fails(path, r"\[5, 3, 1, 1\]", onnx_output="mean")
    assert str(path) in told and "'mean'" in told


def test_scores_that_are_no_logits_are_told(tmp_path):
    path = tmp_path / "f.onnx"
    onnx_models.save_linear(path, "nchw", "Softmax")
    _fails(path, "no logits; use .*'probabilities'", onnx_scores="logits")
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["y"], axes=[1, 2, 3], keepdims=0)
    ]
    onnx_models.save(
        path, nodes, {}, inputs={"x": ("N", 3, 8, 8)}, outputs={"y": ("N",)}
    )
    _fails(path, "always 1; use .*'sigmoid'", onnx_scores="logits")


def test_logits_that_are_called_probabilities_are_told(tmp_path):
    path = tmp_path / "f.onnx"
    onnx_models.save_linear(path, "nchw")
    with pytest.raises(
        predictors.PredictorError, match=r"onnx predictor .*sigmoid or softmax"
    ):
        predictors.load(_config(path), tmp_path)


def test_an_input_that_is_not_of_floats_is_told(tmp_path):
    path = tmp_path / "f.onnx"
    nodes = [helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT)]
    shape = ("N", 3, 8, 8)
    onnx_models.save(
        *(path, nodes, {}, {"x": shape}, {"y": shape}),
        type_=TensorProto.UINT8,
    )
    assert str(path) in _fails(path, r"tensor\(uint8\)")


def test_a_file_that_cannot_be_used_is_told(tmp_path, monkeypatch):
    path = tmp_path / "f.onnx"
    assert str(path) in _fails(path, "is missing")
    path.write_bytes(b"no model")
    assert str(path) in _fails(path, "cannot be read as an ONNX model")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    _fails(path, "pip install onnxruntime")


def test_the_file_is_known_by_its_hash(tmp_path):
    path, config = tmp_path / "f.onnx", _config(tmp_path / "f.onnx")
    onnx_models.save_linear(path, "nchw", "Softmax")
    (tmp_path / "f.onnx.data").write_bytes(b"weights")
    (tmp_path / "g.onnx").write_bytes(b"another model")
    expected = {
        "f.onnx": hashlib.sha256(path.read_bytes()).hexdigest(),
        "f.onnx.data": hashlib.sha256(b"weights").hexdigest(),
    }
    predictor = predictors.load(config, tmp_path)
    assert predictors.identity(predictor, config)["files"] == expected


def test_a_file_that_was_replaced_is_asked_again(tmp_path):
    path = tmp_path / "f.onnx"
    config = _config(path, column=2, batch_size=3, onnx_layout="nhwc")
    images, told = _images(), []
    for seed in (0, 1):
        onnx_models.save_linear(path, "nhwc", "Softmax", seed=seed)
        for _ in range(2):
            predictor = predictors.load(config, tmp_path)
            p = predictors.probability(predictor, images * 2 - 1, config)
            expected = softmax(linear(images, seed))[:, 2]
            np.testing.assert_allclose(p, expected, rtol=1e-5)
        told.append(predictors.fingerprint(predictor, config))
    assert told[0] != told[1]

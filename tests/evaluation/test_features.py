"""Feature networks: their numbers, their names, their independence."""

import numpy as np
import pytest

from jaxstyle import workdir
from jaxstyle.classifier import state as state_lib
from jaxstyle.classifier import train
from jaxstyle.config import (
    ClassifierConfig,
    Config,
    DataConfig,
    PredictorConfig,
)
from jaxstyle.evaluation import features


def _config(side=16, channels=3, **predictor):
    return Config(
        data=DataConfig(resolution=side, channels=channels),
        classifier=ClassifierConfig(widths=(8,)),
        predictor=PredictorConfig(batch_size=4, **predictor),
    )


def _images(count, side=16, channels=3):
    generator = np.random.default_rng(0)
    shape = (count, side, side, channels)
    return generator.uniform(-1, 1, shape).astype(np.float32)


FUNCTION = {"kind": "callable", "address": "numpy:mean"}
FIRST_WEIGHTS = [0.3090145, -0.1331406, 0.3303462, 0.1540237]


def _slow(kernels, x):
    out = []
    for kernel in kernels:
        kernel = np.asarray(kernel, np.float64)
        side = x.shape[1]
        padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        x = sum(
            padded[:, dy : dy + side, dx : dx + side] @ kernel[dy, dx]
            for dy in range(3)
            for dx in range(3)
        )
        x = np.maximum(x, 0)
        out += [x.mean(axis=(1, 2)), x.std(axis=(1, 2))]
        x = (
            x[:, ::2, ::2]
            + x[:, 1::2, ::2]
            + x[:, ::2, 1::2]
            + x[:, 1::2, 1::2]
        ) / 4
    return np.concatenate(out, axis=1)


def test_random_features_are_the_network_s(tmp_path):
    found = features.networks(_config(**FUNCTION), tmp_path)
    assert list(found) == ["random_conv"]
    images = _images(7)
    actual = found["random_conv"](images)
    assert actual.shape == (7, 2 * (16 + 32)) and actual.dtype == np.float32
    kernels = features.random_kernels(16, 3)
    np.testing.assert_allclose(
        actual, _slow(kernels, images), rtol=1e-3, atol=1e-4
    )


def test_random_weights_never_change():
    kernels = features.random_kernels(16, 3)
    # Written down once: other machines and versions must agree.
    np.testing.assert_allclose(
        kernels[0][0, 0, 0, :4], FIRST_WEIGHTS, rtol=1e-5
    )
    assert np.var(kernels[1]) == pytest.approx(2 / (9 * 16), rel=0.1)


@pytest.mark.parametrize(
    "side, widths", [(8, [16]), (32, [16, 32, 64]), (128, [16, 32, 64, 64, 64])]
)
def test_one_kernel_a_scale(side, widths):
    kernels = features.random_kernels(side, 1)
    assert [kernel.shape[-1] for kernel in kernels] == widths


def test_brightness_and_contrast_count(tmp_path):
    run = features.networks(_config(**FUNCTION), tmp_path)["random_conv"]
    images = _images(4) * np.float32(0.5)
    for other in (images + np.float32(0.3), images * np.float32(0.5)):
        assert np.abs(run(images) - run(other)).mean() > 0.01


def test_penultimate_features_of_the_built_in_classifier(tmp_path):
    config = _config()
    # Not trained yet.
    assert set(features.networks(config, tmp_path)) == {"random_conv"}
    params = state_lib.create(config, 1).params
    stage = workdir.stage(config, tmp_path, "classifier")
    stage.path.mkdir(parents=True)
    train.export(stage, params, 1.0)
    workdir.finish(stage, {}, 0.0)

    found = features.networks(config, tmp_path)
    assert set(found) == {"random_conv", "classifier_penultimate"}
    images = _images(5)
    actual = found["classifier_penultimate"](images)
    assert actual.shape == (5, 8)
    network, params, _ = train.load(config, tmp_path)
    last = params["params"]["last"]
    logits = actual @ np.asarray(last["kernel"]) + np.asarray(last["bias"])
    np.testing.assert_allclose(
        logits, network.apply(params, images), rtol=1e-4, atol=1e-5
    )

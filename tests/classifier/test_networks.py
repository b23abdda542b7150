"""The classifier's parts fit together."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxstyle.classifier import networks
from jaxstyle.classifier.networks import Classifier
from jaxstyle.config import ClassifierConfig, Config, DataConfig


def test_logits_are_the_linear_layer_on_the_pooled_map():
    network = Classifier((8,), 1, classes=3)
    x = np.random.default_rng(0).uniform(-1, 1, (2, 8, 8, 1))
    x = x.astype(np.float32)
    params = jax.jit(network.init)(jax.random.key(0), x)
    activations = network.apply(params, x, method="features_map")
    features = network.apply(params, x, method="features")
    np.testing.assert_allclose(
        features, np.asarray(activations).mean(axis=(1, 2)), rtol=1e-5
    )
    last = params["params"]["last"]
    expected = np.asarray(features) @ np.asarray(last["kernel"])
    expected += np.asarray(last["bias"])
    np.testing.assert_allclose(
        network.apply(params, x), expected, rtol=1e-4, atol=1e-5
    )
    np.testing.assert_array_equal(
        network.apply(params, activations, method="head"),
        network.apply(params, x),
    )


@pytest.mark.parametrize(
    "side, channels, widths",
    [(32, 3, (16, 32, 64)), (256, 1, (16, 32, 64, 128, 256))],
)
def test_shapes_up_to_256_px(side, channels, widths):
    config = Config(
        data=DataConfig(resolution=side, channels=channels),
        classifier=ClassifierConfig(widths=widths, blocks=2),
    )
    network = networks.create(config)
    x = jax.ShapeDtypeStruct((4, side, side, channels), jnp.float32)
    logits, _ = jax.eval_shape(network.init_with_output, jax.random.key(0), x)
    assert logits.shape == (4, 1)

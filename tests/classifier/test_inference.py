"""Any number of images through one compiled batch."""

import numpy as np
import pytest

from jaxstyle.classifier import inference


def test_ragged_batches_are_whole_and_compile_once():
    traces = []

    def function(constant, x, y):
        traces.append(x.shape)
        return {"sum": x.sum(axis=1) * constant + y, "x": x}

    run = inference.batched(function, 4, batched_arguments=2)
    for count in (1, 3, 4, 5, 11):
        x = np.random.default_rng(count).normal(size=(count, 3))
        x = x.astype(np.float32)
        y = np.arange(count, dtype=np.float32)
        out = run(np.float32(2), x, y)
        np.testing.assert_allclose(
            out["sum"], 2 * x.sum(axis=1) + y, rtol=1e-5, atol=1e-5
        )
        np.testing.assert_array_equal(out["x"], x)
    # Four rows, on two devices, traced once.
    assert traces == [(2, 3)]


def test_no_images_are_refused():
    run = inference.batched(lambda _, x: x, 4)
    with pytest.raises(ValueError, match="no images"):
        run(None, np.zeros((0, 3), np.float32))


def test_sigmoid():
    logits = np.float32([-200, -1, 0, 2, 200])
    expected = 1 / (1 + np.exp(-np.clip(logits.astype(float) / 2, -99, 99)))
    actual = inference.sigmoid(logits, 2.0)
    np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=1e-30)
    assert actual.dtype == np.float32

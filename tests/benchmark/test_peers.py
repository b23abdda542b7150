"""The PyPI packages at the smallest sizes; skipped where torch is not."""

import functools

import numpy as np
import pytest

from jaxstyle.benchmark import comparison, peers, torch_subjects
from tests import reference
from tests.benchmark import tiny

needs = pytest.mark.skipif(
    any(peers.missing(name) for name in peers.NAMES),
    reason="; ".join(
        sorted({peers.missing(name) for name in peers.NAMES} - {""})
    ),
)
# PyTorch and what it imports warn of their own future.
pytestmark = pytest.mark.filterwarnings("ignore")


def test_what_is_missing_is_told_with_its_remedy():
    told = peers.missing("stylegan2-of-nobody")
    assert told.endswith("is not installed: pip install -e .[benchmark]")


@needs
@pytest.mark.parametrize("name", peers.NAMES)
def test_packages_train(name):
    subject = torch_subjects.make(name, tiny.SETTINGS, 16)
    assert subject.name.startswith(f"{name} ")
    for phase, call in subject.calls.items():
        subject.warm[phase]()
        call()


@needs
def test_steps_change_what_they_train_and_nothing_else():
    package = peers.load("stylegan2-torch")
    model = torch_subjects._Stylegan2Torch(package, tiny.SETTINGS, 16)
    for phase, trained in (("main", "gd"), ("r1", "d"), ("path_length", "g")):
        before = {side: _flat(model, side) for side in "gd"}
        getattr(model, phase)(8)
        for side in "gd":
            same = np.array_equal(before[side], _flat(model, side))
            assert same == (side not in trained), (phase, side)


def _flat(model, side):
    parameters = getattr(model, f"{side}_params")
    return np.concatenate([p.detach().numpy().ravel() for p in parameters])


@needs
def test_widths_are_ours():
    config = tiny.SETTINGS.config(16)
    ours = comparison.ours(config).parameters
    theirs = torch_subjects.make("stylegan2-torch", tiny.SETTINGS, 16)
    # Grey images instead of three colours: two channels less in each ToRGB
    # and in FromRGB, and one affine layer's biases less there.
    for network, count in theirs.parameters.items():
        assert count == pytest.approx(ours[network], rel=0.05)


@needs
def test_the_replaced_resampling_is_its_definition():
    import torch

    x = np.random.default_rng(0).standard_normal((2, 3, 4, 6))
    # Not symmetric, so that a missing turn shows.
    kernel = np.arange(16.0).reshape(4, 4)
    run = functools.partial(peers.upfirdn2d, kernel=torch.tensor(kernel))
    y = run(torch.tensor(x), up=2, down=1, pad=(2, 1)).numpy()
    wide = reference.insert_zeros(x.transpose(0, 2, 3, 1))
    padded = np.pad(wide, ((0, 0), (2, 1), (2, 1), (0, 0)))
    turned = kernel[::-1, ::-1, None, None]
    expected = [
        reference.correlate(padded[..., c : c + 1], turned) for c in range(3)
    ]
    expected = np.concatenate(expected, axis=3).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(y, expected)
    halved = run(torch.tensor(x), up=2, down=2, pad=(2, 1)).numpy()
    np.testing.assert_allclose(halved, expected[:, :, ::2, ::2])

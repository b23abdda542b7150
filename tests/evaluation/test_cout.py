"""COUT of hand-made classifiers, whose areas are known."""

import numpy as np
import pytest

from jaxstyle.config import Config, EvaluationConfig, PredictorConfig
from jaxstyle.evaluation import cout
from jaxstyle.explain import search
from tests.evaluation import saved


def _between(side):
    """Black to white, the first pixel in reading order changing most."""
    light = np.linspace(1, 0.5, side * side, dtype=np.float32)
    white = light.reshape(1, side, side, 1)
    return np.full_like(white, -1), white


def _replaced(images, query):
    """Share of pixels that are not the query's, [n]."""
    return (images != query).any(axis=-1).mean(axis=(1, 2))


def _score(judge, query, counterfactual, asked=1, steps=4, most=100):
    (score,) = cout.scores(
        judge, query, counterfactual, np.array([asked]), steps, most
    )
    return score


def test_an_f_that_rises_evenly_scores_0():
    query, counterfactual = _between(4)
    score = _score(lambda x: _replaced(x, query), query, counterfactual)
    assert score == pytest.approx(0, abs=1e-12)


def test_portions_that_do_not_divide_weigh_what_they_replace():
    query, counterfactual = _between(3)
    np.testing.assert_array_equal(cout.replaced_pixels(9, 4), [0, 2, 4, 7, 9])
    score = _score(lambda x: _replaced(x, query), query, counterfactual)
    assert score == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("steps", [1, 2, 4, 8])
def test_the_rule_is_the_trapezoid_s(steps):
    """Of t^2 it is 1/3 + 1/(6 S^2), where the true area is 1/3."""
    query, counterfactual = _between(4)
    score = _score(
        lambda x: _replaced(x, query) ** 2, query, counterfactual, steps=steps
    )
    assert score == pytest.approx(2 / 3 + 1 / (3 * steps**2) - 1)


@pytest.mark.parametrize("asked", [0, 1])
def test_an_f_that_turns_at_once_or_at_the_end(asked):
    """-1 before, 1 after; the portion at which it turns counts 0."""
    query, counterfactual = _between(4)

    def looks_at(y, x):
        def judge(images):
            turned = images[:, y, x, 0] > -1
            return (turned if asked else ~turned).astype(np.float32)

        return judge

    for pixel, expected in (((0, 0), 0.75), ((3, 3), -0.75)):
        score = _score(looks_at(*pixel), query, counterfactual, asked)
        assert score == pytest.approx(expected)


@pytest.mark.parametrize(("asked", "expected"), [(1, 0.4), (0, -0.4)])
def test_an_f_that_never_moves(asked, expected):
    query, counterfactual = _between(4)
    score = _score(lambda x: np.full(len(x), 0.7), query, counterfactual, asked)
    assert score == pytest.approx(expected)


def test_channels_are_added_up():
    """0.3 in each of three channels is more than 0.6 in one."""
    query = np.zeros((1, 1, 2, 3), np.float32)
    counterfactual = query.copy()
    counterfactual[0, 0, 0, 1] = 0.6
    counterfactual[0, 0, 1] = -0.3

    def second(images):
        return (images[:, 0, 1, 0] < 0).astype(np.float32)

    # -1, 1, 1 or -1, -1, 1 at shares 0, 1/2, 1.
    score = _score(second, query, counterfactual, steps=2)
    assert score == pytest.approx(0.5)


def test_many_images_in_small_calls():
    random = np.random.default_rng(0)
    query, counterfactual = random.uniform(-1, 1, (2, 5, 4, 4, 3)).astype("f4")
    asked = np.array([0, 1, 1, 0, 1])
    sizes = []

    def judge(images):
        sizes.append(len(images))
        return 1 / (1 + np.exp(-5 * images[:, :2].mean(axis=(1, 2, 3))))

    small = cout.scores(judge, query, counterfactual, asked, 6, 4)
    assert sizes == [4] * 8 + [3]
    alone = [
        _score(judge, query[n : n + 1], counterfactual[n : n + 1], one, 6)
        for n, one in enumerate(asked)
    ]
    np.testing.assert_allclose(small, alone)
    # f itself at both ends.
    ends = cout.scores(judge, query, counterfactual, asked, 1, 100)
    p = np.stack([judge(query), judge(counterfactual)]).astype(np.float64)
    mean = (2 * p - 1).mean(axis=0) * np.where(asked, 1, -1)
    np.testing.assert_allclose(ends, mean, rtol=1e-6)


class _Brightness:
    """f is the mean of an image in [0, 1]."""

    def __init__(self):
        self.shown = 0

    def predict(self, images):
        self.shown += len(images)
        return images.mean(axis=(1, 2, 3))[:, None]


def test_every_walk_is_scored_by_the_frame_that_answers_for_it(tmp_path):
    def grey(level):
        return np.full((2, 2, 3), level, np.uint8)

    frames = np.stack([grey(level) for level in (51, 102, 153, 204, 255)])
    original = grey(0)
    walks = [
        saved.walk(tmp_path, "a", original, frames, start=1, flip=3),
        saved.walk(
            *(tmp_path, "d", original, frames),
            start=1,
            status=search.NOT_EXPLAINED,
            judged=0.1,
        ),
        saved.walk(tmp_path, "b", original, frames, start=1),
        saved.walk(tmp_path, "c", original, frames, start=1, asked=0),
    ]
    config = Config(
        predictor=PredictorConfig(
            kind="callable", address="numpy:mean", batch_size=2
        ),
        evaluation=EvaluationConfig(cout_steps=4),
    )
    f = _Brightness()
    from_original, from_reconstruction = cout.measure(config, f, walks)
    # f rises evenly: the mean of both ends, from 0 or from 0.4.
    np.testing.assert_allclose(
        from_original, [0.8 - 1, 0.2 - 1, 1 - 1, 1 - 0.2], atol=1e-6
    )
    np.testing.assert_allclose(
        from_reconstruction, [1.2 - 1, 0.2 - 1, 1.4 - 1, 1 - 0.6], atol=1e-6
    )
    assert f.shown == 3 * 2 * 5

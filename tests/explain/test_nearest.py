"""Each image's own way to the nearest counterfactual."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

from jaxstyle import predictors, workdir
from jaxstyle.config import (
    ConfigError,
    NearestConfig,
    PredictorConfig,
    WalkConfig,
)
from jaxstyle.encoder import train as encoder_train
from jaxstyle.explain import direction as direction_lib
from jaxstyle.explain import nearest, search, walk
from tests import made_run

STEEP = 5.0


class Parts:
    """A search of the made run, and what it found."""

    def __init__(self, made):
        made_config, root = made
        self.config = dataclasses.replace(
            made_config, nearest=NearestConfig(steps=120, learning_rate=0.05)
        )
        self.codec = encoder_train.load(made_config, root)
        self.latent = direction_lib.load(made_config, root)
        self.codes = self.codec.sample_codes(6, seed=3)
        self.decided = self.f(self.codes) > 0
        self.search = nearest.Nearest(
            *(self.config, self.codec, self.latent),
            *(self.config, jnp.float32(STEEP)),
        )
        self.own = self.search(self.codes, self.decided)

    def f(self, codes):
        """f's logit above its decision, by hand."""
        images = np.clip(self.codec.decode(codes), -1, 1)
        red, _, blue = np.moveaxis(images.mean(axis=(1, 2)), -1, 0)
        level = predictors.logit(np.asarray(self.config.target.level))
        return STEEP * (red - blue) - level

    def at_the_end(self):
        offsets = self.own.offsets(self.codes, self.own.ends[:, None])
        return self.codes + offsets[:, 0]


@pytest.fixture(scope="module")
def parts(made):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nearest.predictors, "network", lambda _: made_run.logit)
        yield Parts(made)


def test_the_way_leads_to_a_sure_flip(parts):
    asked = np.where(parts.decided, -1, 1)
    assert 0 < parts.decided.sum() < len(parts.decided)
    np.testing.assert_array_equal(np.sign(parts.own.ends), asked)
    goals = np.abs(predictors.logit(np.asarray([0.1, 0.9])))
    after = asked * parts.f(parts.at_the_end())
    assert np.all(after >= np.where(asked > 0, goals[1], goals[0]) - 1e-3)


def test_margins_are_those_of_both_ends(parts):
    expected = [parts.f(parts.codes), parts.f(parts.at_the_end())]
    np.testing.assert_allclose(
        parts.own.margins, np.transpose(expected), atol=1e-3
    )


def test_it_changes_less_than_the_fitted_direction(parts):
    """Where both make f as sure."""
    wanted, asked = np.abs(parts.own.margins[:, 1]), np.sign(parts.own.ends)
    shares = np.tile(np.linspace(0, 40, 400), (len(asked), 1))
    offsets = parts.latent.offsets(parts.codes, asked[:, None] * shares)
    rows, fitted = [], []
    for n in range(len(asked)):
        moved = parts.codes[n] + offsets[n]
        sure = asked[n] * parts.f(moved) >= wanted[n]
        if sure.any():
            rows.append(n)
            fitted.append(moved[sure.argmax()])
    assert rows

    def changes(codes):
        before, after = (
            np.clip(parts.codec.decode(some), -1, 1)
            for some in (parts.codes[rows], codes)
        )
        return np.asarray(nearest.change(parts.config, before, after))

    assert np.all(changes(parts.at_the_end()[rows]) < changes(np.stack(fitted)))


def test_neighbours_and_padding_change_no_bit(parts):
    alone = parts.search(parts.codes[4:5], parts.decided[4:5])
    np.testing.assert_array_equal(alone.ways[0], parts.own.ways[4])
    np.testing.assert_array_equal(alone.ends[0], parts.own.ends[4])


def test_rows_of_w_plus_go_their_own_ways(parts):
    codes = np.repeat(parts.codes[:2], 4, axis=1)
    own = parts.search(codes, parts.decided[:2])
    assert own.ways.shape == codes.shape
    assert np.abs(own.ways - own.ways[:, :1]).max() > 0.01
    lengths = np.linalg.norm(own.ways, axis=2)
    np.testing.assert_allclose(np.mean(lengths**2, axis=1), 1, rtol=1e-5)


def test_change_by_definition(parts):
    random = np.random.default_rng(0)
    before, after = random.uniform(-1, 1, (2, 3, 8, 8, 3)).astype(np.float32)
    settings = NearestConfig(change_weight=2.0, smoothness_weight=0.5)
    config = dataclasses.replace(parts.config, nearest=settings)
    size = np.abs(after - before).mean(axis=3)
    across = np.abs(size[:, :, 1:] - size[:, :, :-1]).mean(axis=(1, 2))
    down = np.abs(size[:, 1:] - size[:, :-1]).mean(axis=(1, 2))
    expected = 2 * size.mean(axis=(1, 2)) + 0.5 * (across + down)
    np.testing.assert_allclose(
        nearest.change(config, before, after), expected, rtol=1e-5
    )


def test_walks_along_it_flip_the_saved_frames(parts):
    """The search asks f about frames of 8 bits, like any other's."""

    class Black:
        def predict(self, images):
            return made_run.colour(images)[:, None]

    f = Black()
    walker = walk.Walker(parts.config, parts.codec, parts.own, f)
    lambdas = search.find_walks(
        parts.config, parts.own, parts.codes, parts.decided, walker.judge
    )
    low, high = parts.own.trusted_range(parts.codes)
    slack = 1e-4 * np.abs(parts.own.ends)[:, None]
    assert np.all(lambdas >= low[:, None] - slack)
    assert np.all(lambdas <= high[:, None] + slack)
    judged = walker.judge(parts.codes, lambdas)
    found = search.verdicts(parts.config, lambdas, parts.decided, judged)
    assert found.status == [search.FLIPPED] * len(lambdas)


class Latent:
    """Of `Own` alone: a region that ends at 2 in every direction."""

    region = direction_lib.Region(np.zeros(3), np.eye(3), 2.0)

    def logits(self, codes):
        return codes.mean(axis=1)[:, 0]


def _own():
    ways = np.zeros((3, 2, 3), np.float32)
    ways[0, 0, 0] = np.sqrt(2)
    ways[1, :, 1] = 1
    margins = np.array([[-2.0, 4.0], [3.0, -1.0], [1.0, 1.0]])
    ends = np.array([1.5, -4.0, 0.0])
    return direction_lib.Own(Latent(), ways, ends, margins)


def test_steps_follow_f_between_both_ends():
    codes = np.zeros((3, 2, 3))
    steps = _own().steps_to(codes, special.expit(np.array([-2.0, 1.0, 3.0])))
    # From -2 to 4 within 1.5; from 3 to -1 within -4; and no way at all.
    expected = [[0, 0.75, 1.25], [-5, -2, 0], [0, 0, 0]]
    np.testing.assert_allclose(steps, expected, atol=1e-9)


def test_trust_ends_where_any_row_leaves_the_region():
    codes = np.zeros((3, 2, 3))
    codes[1, 0, 1] = 0.5
    low, high = _own().trusted_range(codes)
    # sqrt(2) a step, but looked for up to 1.5; 2 away from 0.5; nowhere.
    np.testing.assert_allclose(high, [np.sqrt(2), 1.5, 0])
    np.testing.assert_allclose(low, [-np.sqrt(2), -2, 0])


def test_latent_probabilities_are_those_of_the_moved_code():
    codes, lambdas = np.ones((3, 2, 3)), np.array([[0.0, 1.0]] * 3)
    along = _own().along(codes, lambdas)
    expected = [[1, 1 + np.sqrt(2) / 2], [1, 1], [1, 1]]
    np.testing.assert_allclose(along, special.expit(expected), rtol=1e-6)


def test_what_is_refused():
    with pytest.raises(ConfigError, match=r"walk.along.*'sideways'"):
        WalkConfig(along="sideways")
    with pytest.raises(ConfigError, match=r"nearest.steps"):
        NearestConfig(steps=0)
    with pytest.raises(ConfigError, match=r"nearest.change_weight"):
        NearestConfig(change_weight=0, smoothness_weight=0)


def test_renders_depend_on_the_search_only_if_it_is_asked_for(made):
    config = dataclasses.replace(made[0], predictor=PredictorConfig())
    other = dataclasses.replace(config, nearest=NearestConfig(steps=7))

    def known(along, settings):
        walks = dataclasses.replace(config.walk, along=along)
        whole = dataclasses.replace(settings, walk=walks)
        return workdir.stage(whole, made[1], "render").config

    assert known("direction", config) == known("direction", other)
    assert known("nearest", config) != known("nearest", other)

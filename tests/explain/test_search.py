"""The search against judges whose flips are known by algebra."""

import numpy as np
import pytest

from jaxstyle.config import Config, TargetConfig, WalkConfig
from jaxstyle.explain import search
from jaxstyle.explain.direction import Linear, Region

DIM = 3


def _direction(radius=10.0, scale=1.0):
    """Along the first axis, about the origin: latent logit = scale * x."""
    alpha = np.eye(DIM, dtype=np.float32)[0]
    region = Region(np.zeros(DIM), np.eye(DIM), radius)
    return Linear(alpha, scale * alpha.astype(np.float64), 0.0, region)


def _codes(x, y=0.0):
    """Codes [N, 1, D] at `x` along alpha and `y` across."""
    x = np.asarray(x, np.float32)
    codes = np.zeros((len(x), 1, DIM), np.float32)
    codes[:, 0, 0], codes[:, 0, 1] = x, y
    return codes


class Judge:
    """f as a function of the place along alpha; keeps what it was asked."""

    def __init__(self, f):
        self.f, self.asked = f, []

    def __call__(self, codes, lambdas):
        assert lambdas.dtype == np.float32
        self.asked.append(lambdas)
        return self.f(codes[:, :, 0] + lambdas).astype(np.float32)


def _step_at(place):
    """Positive from `place` on; `place` is a number or [N]."""
    place = np.reshape(place, (-1, 1))
    return lambda x: np.where(x >= place, 0.9, 0.1)


def _walk(config, direction, codes, decided, judge):
    """The lambdas and, from f's answers to them, the verdicts."""
    decided = np.asarray(decided)
    lambdas = search.find_walks(config, direction, codes, decided, judge)
    judged = judge(codes, lambdas)
    return lambdas, search.verdicts(config, lambdas, decided, judged)


def _check_frames(config, direction, codes, lambdas, verdicts):
    """What holds for every walk, whatever f says."""
    count = len(config.walk.targets) + 2
    assert lambdas.shape == (len(codes), count)
    assert lambdas.dtype == np.float32
    assert np.all(np.diff(lambdas, axis=1) > 0)
    rows = np.arange(len(codes))
    assert np.all(lambdas[rows, verdicts.reconstruction_frame] == 0)
    assert not np.any(np.signbit(lambdas) & (lambdas == 0))
    places = codes[:, 0].astype(np.float64)[:, None].repeat(count, 1)
    places[..., 0] += lambdas
    reach = np.linalg.norm(places, axis=-1)
    start = np.linalg.norm(codes[:, 0].astype(np.float64), axis=-1)
    allowed = np.maximum(direction.region.radius, start)[:, None]
    assert np.all(reach <= allowed * (1 + 1e-5))


def _bracket(config, rounds):
    """The width of the last bracket as a share of what was searched."""
    count = search.frame_count(config)
    return 1 / (count - 1) / count ** (rounds - 1)


def test_the_smallest_flip_both_ways():
    config, direction = Config(), _direction()
    x = np.array([-3.0, -1.0, 1.2, 2.5])
    flip_at = np.array([0.3, 2.0, -0.7, 2.49])
    decided = x >= flip_at
    judge, codes = Judge(_step_at(flip_at)), _codes(x)
    lambdas, verdicts = _walk(config, direction, codes, decided, judge)
    _check_frames(config, direction, codes, lambdas, verdicts)
    assert verdicts.status == [search.FLIPPED] * 4
    found = lambdas[np.arange(4), verdicts.flip_frame]
    # The ladder ends at latent probabilities of 0.99 and 0.01.
    end = np.log(0.99 / 0.01)
    reach = np.where(decided, x + end, end - x)
    width = reach * _bracket(config, 2 + config.walk.refinements)
    beyond = (found - (flip_at - x)) * np.where(decided, -1, 1)
    assert np.all(beyond >= -1e-6) and np.all(beyond <= width + 1e-6)
    # All rounds ask for as many frames, so that one program serves.
    assert {asked.shape for asked in judge.asked} == {lambdas.shape}
    assert len(judge.asked) == 2 + config.walk.refinements + 1


def test_more_rounds_find_it_more_sharply():
    direction, codes = _direction(), _codes(np.full(50, -1.0))
    flip_at = np.random.default_rng(0).uniform(-0.5, 4, 50)
    reach, errors = 1 + np.log(99), []
    for refinements in (0, 1, 2):
        config = Config(walk=WalkConfig(refinements=refinements))
        lambdas, verdicts = _walk(
            config,
            direction,
            codes,
            np.zeros(50, bool),
            Judge(_step_at(flip_at)),
        )
        found = lambdas[np.arange(50), verdicts.flip_frame]
        error = found - (flip_at + 1)
        # With the second of the first two rounds, each flip is refined once.
        width = reach * _bracket(config, 2 + refinements)
        assert np.all(error >= -1e-6) and np.all(error <= width + 1e-6)
        errors.append(error.mean())
    assert errors[0] > 5 * errors[1] > 25 * errors[2] > 0


def test_a_flip_beyond_the_ladder_is_found_up_to_the_limit():
    config, direction = Config(), _direction(radius=20.0)
    codes = _codes([-1.0, 1.0])
    judge = Judge(_step_at([15.0, -15.0]))
    lambdas, verdicts = _walk(config, direction, codes, [False, True], judge)
    _check_frames(config, direction, codes, lambdas, verdicts)
    assert verdicts.status == [search.FLIPPED] * 2
    found = lambdas[[0, 1], verdicts.flip_frame]
    searched = 20 - np.log(99)
    width = searched / search.frame_count(config) ** 3
    beyond = found * [1, -1] - 16
    assert np.all(beyond >= -1e-5) and np.all(beyond <= width + 1e-5)
    # The walk shows where it leads, too.
    np.testing.assert_allclose(lambdas[0, -1], 1.2 * found[0], rtol=1e-5)
    np.testing.assert_allclose(lambdas[1, 0], 1.2 * found[1], rtol=1e-5)


def test_no_flip_is_told_and_shown_up_to_the_limit():
    config, direction = Config(), _direction(radius=7.0)
    codes = _codes([-1.0, 1.0])
    judge = Judge(_step_at([7.5, -7.5]))
    lambdas, verdicts = _walk(config, direction, codes, [False, True], judge)
    _check_frames(config, direction, codes, lambdas, verdicts)
    assert verdicts.status == [search.NO_FLIP] * 2
    np.testing.assert_array_equal(verdicts.flip_frame, [-1, -1])
    np.testing.assert_allclose(lambdas[0, -1], 8, rtol=1e-6)
    np.testing.assert_allclose(lambdas[1, 0], -8, rtol=1e-6)


def test_a_flip_at_the_very_limit():
    config, direction = Config(), _direction(radius=7.0)
    codes = _codes([-1.0])
    judge = Judge(_step_at(7.0 - 1e-6))
    lambdas, verdicts = _walk(config, direction, codes, [False], judge)
    _check_frames(config, direction, codes, lambdas, verdicts)
    assert verdicts.status == [search.FLIPPED]
    assert verdicts.flip_frame[0] == lambdas.shape[1] - 1


def test_a_reconstruction_judged_differently_is_not_explained():
    config, direction = Config(), _direction()
    codes = _codes([1.0, -1.0])
    # f said otherwise of the images themselves.
    judge = Judge(_step_at(0.0))
    lambdas, verdicts = _walk(config, direction, codes, [False, True], judge)
    _check_frames(config, direction, codes, lambdas, verdicts)
    assert verdicts.status == [search.NOT_EXPLAINED] * 2
    np.testing.assert_array_equal(verdicts.flip_frame, [-1, -1])


def test_the_nearest_of_several_flips():
    config, direction = Config(), _direction()
    codes = _codes([-2.0])

    def twice(x):
        return np.where(((x > -1) & (x < 0)) | (x > 1), 0.9, 0.1)

    lambdas, verdicts = _walk(config, direction, codes, [False], Judge(twice))
    _check_frames(config, direction, codes, lambdas, verdicts)
    assert verdicts.status == [search.FLIPPED]
    assert 1 <= lambdas[0, verdicts.flip_frame[0]] < 1.01


def test_a_flip_on_the_other_side_is_none():
    """f is asked for the finding and gives it only on the way back."""
    config, direction = Config(), _direction()
    codes = _codes([-1.0])
    lambdas, verdicts = _walk(
        config,
        direction,
        codes,
        [False],
        Judge(lambda x: np.where(x < -2, 0.9, 0.1)),
    )
    _check_frames(config, direction, codes, lambdas, verdicts)
    assert lambdas[0, 0] < -1.1  # a flipped frame is on show
    assert verdicts.status == [search.NO_FLIP]


def test_a_code_beyond_the_ladder_s_end():
    """All latent probabilities are behind; f still flips farther on."""
    config, direction = Config(), _direction(radius=20.0)
    codes = _codes([6.0, 6.0, -6.0])
    decided = np.array([False, False, True])
    judge = Judge(_step_at([8.0, 50.0, -8.0]))
    lambdas, verdicts = _walk(config, direction, codes, decided, judge)
    _check_frames(config, direction, codes, lambdas, verdicts)
    assert verdicts.status == [search.FLIPPED, search.NO_FLIP, search.FLIPPED]
    assert abs(lambdas[0, verdicts.flip_frame[0]] - 2) < 0.01
    assert abs(lambdas[2, verdicts.flip_frame[2]] + 2) < 0.01
    # Every frame lies on the side that is asked for.
    assert lambdas[0, 0] == 0 and lambdas[1, 0] == 0 and lambdas[2, -1] == 0
    np.testing.assert_allclose(lambdas[1, -1], 14, rtol=1e-6)


def test_a_code_on_the_far_side_of_the_radius():
    """It may not move outwards; the frames show the way back."""
    config, direction = Config(), _direction(radius=2.0)
    codes = _codes([3.0, -3.0])
    judge = Judge(lambda x: np.where(np.abs(x) > 4, 0.9, 0.1))
    lambdas, verdicts = _walk(config, direction, codes, [False, True], judge)
    _check_frames(config, direction, codes, lambdas, verdicts)
    assert verdicts.status == [search.NO_FLIP, search.NOT_EXPLAINED]
    assert lambdas[0, -1] == 0 and lambdas[1, 0] == 0
    assert -6 <= lambdas[0, 0] < -1 and 1 < lambdas[1, -1] <= 6


def test_a_code_that_may_not_move_at_all():
    config, direction = Config(), _direction(radius=2.0)
    codes = _codes([0.0], y=5.0)
    lambdas, verdicts = _walk(
        config, direction, codes, [False], Judge(_step_at(1.0))
    )
    np.testing.assert_array_equal(lambdas, np.zeros_like(lambdas))
    assert verdicts.status == [search.NO_FLIP]


def test_f_s_own_threshold_decides():
    config = Config(target=TargetConfig(threshold=0.8))
    direction, codes = _direction(), _codes([-1.0])
    judge = Judge(lambda x: 1 / (1 + np.exp(-x)))
    lambdas, verdicts = _walk(config, direction, codes, [False], judge)
    expected = np.log(0.8 / 0.2) + 1
    assert 0 <= lambdas[0, verdicts.flip_frame[0]] - expected < 0.01


def test_verdicts_follow_the_frames_that_are_shown():
    """f may waver: what the last answers say counts, not what it once said."""
    config = Config()
    lambdas = np.array([[-1, -0.5, 0, 0.5, 1, 2]] * 4, np.float32)
    judged = np.array(
        [
            [0.1, 0.1, 0.1, 0.4, 0.6, 0.9],  # not at the bracket's end, 0.5
            [0.6, 0.9, 0.4, 0.6, 0.6, 0.6],  # the positive side is asked for
            [0.9, 0.9, 0.4, 0.4, 0.4, 0.4],  # only the other side flips
            [0.2, 0.2, 0.6, 0.9, 0.9, 0.9],  # no longer explained
        ],
        np.float32,
    )
    verdicts = search.verdicts(config, lambdas, np.zeros(4, bool), judged)
    np.testing.assert_array_equal(verdicts.reconstruction_frame, [2] * 4)
    np.testing.assert_array_equal(verdicts.flip_frame, [4, 3, -1, -1])
    assert verdicts.status == [
        search.FLIPPED,
        search.FLIPPED,
        search.NO_FLIP,
        search.NOT_EXPLAINED,
    ]
    # The mirror image: the opposite decision, asked for the other side.
    mirrored = search.verdicts(
        config, -lambdas[:, ::-1], np.ones(4, bool), 1 - judged[:, ::-1]
    )
    np.testing.assert_array_equal(mirrored.reconstruction_frame, [3] * 4)
    np.testing.assert_array_equal(mirrored.flip_frame, [1, 2, -1, -1])
    assert mirrored.status == verdicts.status


def test_a_probability_at_the_threshold_counts_as_the_finding():
    # float32(0.7) < 0.7, yet a predictor that answers 0.7 means 0.7.
    config = Config(target=TargetConfig(threshold=0.7))
    lambdas = np.array([[0, 1]], np.float32)
    judged = np.array([[0.2, 0.7]], np.float32)
    verdicts = search.verdicts(config, lambdas, np.array([False]), judged)
    assert verdicts.flip_frame[0] == 1


@pytest.mark.parametrize("seed", range(40))
def test_any_ladder_any_limit_any_f(seed):
    """Random ladders, radii, codes and (wavy) predictors."""
    random = np.random.default_rng(seed)
    targets = np.sort(random.uniform(0.001, 0.999, random.integers(2, 12)))
    config = Config(
        walk=WalkConfig(
            targets=tuple(targets.tolist()),
            refinements=int(random.integers(0, 4)),
        ),
        target=TargetConfig(threshold=float(random.uniform(0.1, 0.9))),
    )
    direction = _direction(
        radius=float(10 ** random.uniform(-1, 2)),
        scale=float(10 ** random.uniform(-1.5, 1.5)),
    )
    count = 24
    spread = direction.region.radius * random.uniform(0.1, 2)
    codes = _codes(random.normal(0, spread, count), random.normal(0, spread))
    slopes = random.uniform(-1, 3, (count, 1)) / spread
    waves = random.uniform(0, 3, (count, 1)) * (seed % 2)

    def f(x):
        logit = slopes * x * 3 + waves * np.sin(9 * x / spread)
        return 1 / (1 + np.exp(-logit))

    decided = random.uniform(size=count) < 0.5
    judge = Judge(f)
    lambdas, verdicts = _walk(config, direction, codes, decided, judge)
    _check_frames(config, direction, codes, lambdas, verdicts)

    judged = judge(codes, lambdas)
    flipped = (judged >= np.float32(config.target.level)) != (decided[:, None])
    asked = np.where(decided[:, None], -lambdas, lambdas)
    for n in range(count):
        flips = sorted(asked[n, flipped[n] & (asked[n] > 0)])
        if flipped[n, verdicts.reconstruction_frame[n]]:
            expected, frame = search.NOT_EXPLAINED, None
        elif flips:
            expected, frame = search.FLIPPED, flips[0]
        else:
            expected, frame = search.NO_FLIP, None
        assert verdicts.status[n] == expected
        if frame is None:
            assert verdicts.flip_frame[n] == -1
        else:
            assert asked[n, verdicts.flip_frame[n]] == frame
        # What the search met on its way is never left out of the walk.
        seen = np.concatenate([a[n] for a in judge.asked])
        answers = np.concatenate(
            [f(codes[:, :, 0] + a)[n] for a in judge.asked]
        ).astype(np.float32)
        hits = (answers >= np.float32(config.target.level)) != (decided[n])
        ahead = (-seen if decided[n] else seen) > 0
        if expected == search.NO_FLIP:
            assert not np.any(hits & ahead)

"""The badge: each level, and the reason that is given."""

import dataclasses

import pytest

from jaxstyle import workdir
from jaxstyle.config import TargetConfig
from jaxstyle.report import records, trust
from jaxstyle.report.question import Question
from tests.report import fake_run

ASKED = Question.of(fake_run.config())
VALUE = Question(
    TargetConfig(kind="value", threshold=10, scale=2, unit="mm"), ("a", "b")
)


@pytest.fixture(scope="module")
def walk(tmp_path_factory):
    root = tmp_path_factory.mktemp("run")
    settings = fake_run.config()
    fake_run.make(root, settings, images=1)
    (found,) = records.read_walks(workdir.stage(settings, root, "render"))
    assert found.flipped
    return found


def test_a_steady_flip_from_a_true_reconstruction_is_trusted(walk):
    alike = dataclasses.replace(
        walk, predictor_original=walk.predictor_reconstruction + 0.0999
    )
    assert trust.judge(alike, ASKED).level == trust.TRUSTED
    assert "it moves by 0.10" in trust.judge(alike, ASKED).reason


def test_a_gap_asks_for_care(walk):
    apart = dataclasses.replace(
        walk, predictor_original=walk.predictor_reconstruction + 0.1001
    )
    level, reason = trust.judge(apart, ASKED)
    assert level == trust.CAREFUL
    assert "moves by 0.10 merely because the image is rebuilt" in reason


def test_wavering_asks_for_care(walk):
    """Ranks 1 to 9 with the ends exchanged: 1 - 6 * 2 * 64 / 720 = -1 / 15."""
    swapped = list(walk.frames)
    for one, other in ((0, -1), (-1, 0)):
        swapped[one] = dataclasses.replace(
            walk.frames[one], predictor=walk.frames[other].predictor
        )
    wavering = dataclasses.replace(
        walk,
        frames=tuple(swapped),
        predictor_original=walk.predictor_reconstruction,
    )
    level, reason = trust.judge(wavering, ASKED)
    assert level == trust.CAREFUL
    assert "(rank correlation -0.07)" in reason


def test_what_did_not_flip_is_not_explained(walk):
    failed = dataclasses.replace(
        walk, flipped=False, flip_frame=None, status="why"
    )
    assert trust.judge(failed, ASKED) == (trust.UNEXPLAINED, "why")


def test_of_a_value_the_gap_is_told_in_its_unit(walk):
    apart = dataclasses.replace(
        walk, predictor_original=0.5, predictor_reconstruction=0.9
    )
    # 10 + 2 ln 9
    _, reason = trust.judge(apart, VALUE)
    assert "f moves from 10.000 mm to 14.394 mm merely because" in reason

import functools

import pytest

from jaxstyle.benchmark import comparison, documented, machine, timing
from jaxstyle.benchmark.settings import Settings
from jaxstyle.benchmark.subjects import Subject
from tests.benchmark import tiny


def test_sides_take_turns_and_their_first_calls_do_not_count():
    clock = tiny.Clock()
    sides = {
        "a": clock.work("a", 50, 1, 2, 4),
        "b": clock.work("b", 70, 3, 3, 3),
    }
    seconds = timing.interleaved(sides, 3, limit=99, clock=clock)
    # Once to warm up, then three rounds, the second of them backwards.
    assert clock.done == ["a", "b", "a", "b", "b", "a", "a", "b"]
    assert seconds == {"a": [1, 2, 4], "b": [3, 3, 3]}


def test_no_round_begins_after_the_limit_but_the_first():
    clock = tiny.Clock()
    seconds = timing.interleaved(
        {"a": clock.work("a", 0, 5, 5, 5)}, 9, limit=10, clock=clock
    )
    assert seconds == {"a": [5, 5]}
    seconds = timing.interleaved(
        {"a": clock.work("a", 0, 50)}, 9, limit=1, clock=clock
    )
    assert seconds == {"a": [50]}


def test_a_cheaper_call_warms_a_side_up():
    clock = tiny.Clock()
    seconds = timing.interleaved(
        {"a": clock.work("a", 2), "b": clock.work("b", 9, 6)},
        1,
        limit=99,
        warm={"a": clock.work("a, little", 1)},
        clock=clock,
    )
    assert clock.done == ["a, little", "b", "a", "b"]
    assert seconds == {"a": [2], "b": [6]}


def test_ratio_is_of_the_pairs_of_each_round():
    # 10, 2 and 3 times; the ratio of the medians would be 3 / 2.
    ratio = timing.ratio([1, 2, 4], [10, 4, 12])
    assert ratio == {"median": 3, "min": 2, "max": 10}
    with pytest.raises(ValueError, match="shorter"):
        timing.ratio([1, 2], [1])


def test_speed_is_images_by_the_median_second():
    assert timing.speed(16, [4, 1, 2]) == {
        "images_per_second": 8,
        "seconds": [4, 1, 2],
    }


def _subject(name, clock, *seconds, warm=None):
    return Subject(
        name=name,
        parameters={"generator": 3, "discriminator": 2},
        calls={"main": clock.work(name, *seconds)},
        images={"main": 12},
        warm={"main": warm} if warm else {},
    )


def test_comparison_tells_speeds_and_how_much_faster_ours_is(monkeypatch):
    clock = tiny.Clock()
    monkeypatch.setattr(
        timing,
        "interleaved",
        functools.partial(timing.interleaved, clock=clock),
    )
    subjects = [
        _subject("ours", clock, 90, 1, 2),
        _subject("theirs", clock, 6, 6, warm=clock.work("little", 1)),
    ]
    ours, theirs = comparison.compare(subjects, "main", Settings(rounds=2))
    assert clock.done[:2] == ["ours", "little"]
    assert ours["images_per_second"] == 12 / 1.5
    assert theirs["images_per_second"] == 2
    assert theirs["ours_is_faster"] == {"median": 4.5, "min": 3, "max": 6}
    assert "ours_is_faster" not in ours
    assert theirs["parameters"] == {"generator": 3, "discriminator": 2}


def test_the_documented_figures_are_held_against_their_best():
    compared = documented.compared("main", 32, 12.0)
    assert compared is not None
    assert compared["ratio"] == [12 / 11, 12 / 10]
    # 12 / 11 is less than 1.2: 12 / 10 does not count.
    assert not compared["reached"]
    assert documented.compared("main", 32, 13.2)["reached"]
    assert not compared["same_run"]
    assert documented.compared("r1", 128, 1.0) is None


def test_documented_figures_need_their_sizes_and_their_machine(monkeypatch):
    monkeypatch.setattr(machine, "cores", lambda: 2)
    assert documented.comparable(Settings(resolutions=(32,)))
    assert not documented.comparable(Settings(batch=8))
    monkeypatch.setattr(machine, "cores", lambda: 8)
    assert not documented.comparable(Settings())

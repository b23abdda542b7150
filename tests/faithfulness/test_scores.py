"""Scores of maps whose answer is known."""

import itertools

import numpy as np
import pytest

from jaxstyle.faithfulness import scores

MASK = np.zeros((8, 8), np.bool_)
MASK[2:4, 2:5] = True


def _map(*places):
    """Rising values at these places, the last the highest."""
    heat = np.zeros((8, 8))
    for value, place in enumerate(places, 1):
        heat[place] = value
    return heat


def test_iou_of_equal_and_of_disjoint_regions():
    assert scores.iou(MASK.astype(float), MASK) == 1
    assert scores.iou(~MASK * 1.0, MASK) == 0


def test_iou_takes_as_many_pixels_as_the_mask_has():
    heat = np.arange(64.0).reshape(8, 8) / 1000 + 1
    heat[2, 2:5] += 1  # Three of the six; then the last three of all.
    assert scores.iou(heat, MASK) == pytest.approx(3 / (6 + 6 - 3))
    # Whatever their scale.
    assert scores.iou(heat**3 * 7, MASK) == pytest.approx(3 / 9)


def test_iou_of_a_map_with_fewer_pixels_than_the_mask():
    heat = _map((2, 2), (2, 3), (7, 7))
    assert scores.iou(heat, MASK) == pytest.approx(2 / (3 + 6 - 2))


def test_ties_count_by_their_share():
    """The mean of the hits over all ways to break the tie."""
    heat = np.zeros((8, 8))
    tied = [(0, 0), (2, 2), (2, 3), (5, 5)]
    sure = [(2, 4), (3, 2), (3, 3), (7, 7)]
    for place in tied:
        heat[place] = 1
    for place in sure:
        heat[place] = 2
    hits = [
        sum(MASK[place] for place in (*sure, *some))
        for some in itertools.combinations(tied, 2)
    ]
    hit = np.mean(hits)
    assert scores.iou(heat, MASK) == pytest.approx(hit / (12 - hit))
    # A map turned upside down scores the same under a mask that is, too.
    flipped = scores.iou(heat[::-1, ::-1], MASK[::-1, ::-1])
    assert flipped == pytest.approx(scores.iou(heat, MASK))


def test_an_even_map_is_chance():
    even = np.full((8, 8), 0.3)
    assert scores.enrichment(even, MASK) == pytest.approx(1)
    expected = 6 * 6 / 64
    assert scores.iou(even, MASK) == pytest.approx(expected / (12 - expected))
    # Its maximum is everywhere.
    assert scores.pointing(even, MASK, 1, 0) == pytest.approx(6 / 64)


def test_the_most_enrichment_is_the_area_over_the_mask():
    assert scores.enrichment(MASK * 0.2, MASK) == pytest.approx(64 / 6)
    assert scores.enrichment(~MASK * 0.2, MASK) == 0
    heat = MASK * 1.0 + ~MASK * 0.5  # 6 of 6 + 29
    assert scores.enrichment(heat, MASK) == pytest.approx(6 / 35 * 64 / 6)


@pytest.mark.parametrize(
    ("place", "tolerance", "hit"),
    [
        ((2, 2), 0, 1),
        ((1, 2), 0, 0),
        ((1, 2), 1, 1),
        ((1, 1), 1, 0),  # A diagonal step is farther than 1.
        ((1, 1), 1.5, 1),
        ((7, 7), 1, 0),
    ],
)
def test_the_pointing_game_and_its_tolerance(place, tolerance, hit):
    heat = np.full((8, 8), 0.1)
    heat[place] = 2
    assert scores.pointing(heat, MASK, 0, tolerance) == hit


def test_pointing_is_smoothed_first():
    """A patch beats a single pixel that is a little higher."""
    heat = MASK * 1.0
    heat[6, 6] = 1.2
    assert scores.pointing(heat, MASK, 0, 0) == 0
    assert scores.pointing(heat, MASK, 1, 0) == 1


def test_equal_maxima_share():
    heat = _map()
    heat[2, 2] = heat[7, 7] = 1
    assert scores.pointing(heat, MASK, 0, 0) == 0.5


def test_nothing_shown_scores_nothing():
    nothing = np.zeros((8, 8))
    assert scores.iou(nothing, MASK) == 0
    assert scores.enrichment(nothing, MASK) == 0
    assert scores.pointing(nothing, MASK, 1, 1) == 0


@pytest.mark.parametrize(
    ("heat", "mask", "said"),
    [
        (np.ones((8, 7)), MASK, r"a map \(8, 7\) and a mask \(8, 8\)"),
        (np.ones((8, 8)), MASK & False, "0 pixels"),
        (-np.ones((8, 8)), MASK, "below 0"),
        (np.full((8, 8), np.nan), MASK, "no numbers"),
    ],
)
def test_what_cannot_be_scored_is_refused(heat, mask, said):
    for score in (scores.iou, scores.enrichment):
        with pytest.raises(ValueError, match=said):
            score(heat, mask)
    with pytest.raises(ValueError, match=said):
        scores.pointing(heat, mask, 1, 1)

"""How alike two explanations are."""

import numpy as np
import pytest
from scipy import stats
from skimage import metrics

from jaxstyle.explain import search
from jaxstyle.faithfulness import (
    sanity_similarity,
)
from jaxstyle.faithfulness.sanity_walks import ONE_WAY, Explanation


def _noise(seed, count=3, side=16):
    return np.random.default_rng(seed).uniform(0.1, 1, (count, side, side))


def test_similarities_by_other_hands():
    a, b = _noise(0), _noise(1) + 0.5 * _noise(0)
    found = sanity_similarity.of_maps(a, b)
    for n in range(3):
        expected = stats.spearmanr(a[n].ravel(), b[n].ravel()).statistic
        assert found["spearman"][n] == pytest.approx(expected)
        expected = metrics.structural_similarity(
            a[n] / a[n].max(), b[n] / b[n].max(), win_size=7, data_range=1.0
        )
        assert found["ssim"][n] == pytest.approx(expected)
    assert (np.abs(found["ssim"]) < 0.9).all()


def test_similarities_do_not_know_a_map_s_scale():
    maps = _noise(2)
    found = sanity_similarity.of_maps(maps, maps * [[[3.0]], [[0.1]], [[1.0]]])
    np.testing.assert_allclose(found["spearman"], 1)
    np.testing.assert_allclose(found["ssim"], 1)
    # Ranks are those of the pixels.
    found = sanity_similarity.of_maps(maps, 1.2 - maps)
    np.testing.assert_allclose(found["spearman"], -1)
    assert (found["ssim"] < 0).all()


def _explanation(statuses, maps, heat=None, judged=None, one_way=False):
    count = len(statuses)
    judged = np.full(count, 0.7) if judged is None else np.asarray(judged)
    heat = np.ones_like(maps) if heat is None else heat
    nothing = np.zeros((1, 16, 16, 1))
    tangents = np.zeros((count, 4))
    tangents[:, 0] = 1
    return Explanation(
        *(judged, np.asarray(statuses), maps, heat, tangents, judged, 1.0),
        *(np.array([0]), nothing, nothing, nothing),
    )


PATIENTS = np.arange(5)
FLIP, NONE, APART = search.FLIPPED, search.NO_FLIP, search.NOT_EXPLAINED


def test_only_what_both_explain_is_compared(known):
    config, _ = known
    maps, others = _noise(3, 5), _noise(4, 5)
    others[1] = maps[1]
    heat = _noise(5, 5)
    gone = heat.copy()
    gone[:2] = 0
    first = _explanation(
        [FLIP, FLIP, FLIP, NONE, APART], maps, heat, [0.1, 0.2, 0.7, 0.8, 0.9]
    )
    second = _explanation(
        [NONE, FLIP, APART, FLIP, FLIP], others, gone, [0.9, 0.8, 0.7, 0.6, 0.1]
    )
    told = sanity_similarity.compared(config, first, second, PATIENTS)
    assert told["explained"] == pytest.approx(1 / 3)
    assert told["explained_low"] <= 1 / 3 <= told["explained_high"]
    assert told["compared"] == 1
    assert told["spearman"] == pytest.approx(1)
    assert told["ssim"] == pytest.approx(1)
    # One image does not tell how others vary.
    assert "ssim_low" not in told and "spearman_high" not in told
    assert told["decides_for"] == 0.8 and told["decides_both_ways"]
    assert told["answers"] == pytest.approx(-1)
    assert told["grad_cam"]["explained"] == pytest.approx(0.6)
    assert told["grad_cam"]["compared"] == 3
    assert told["grad_cam"]["spearman"] == pytest.approx(1)


def test_intervals_are_over_patients(known):
    config, _ = known
    first = _explanation([FLIP] * 8, _noise(3, 8))
    second = _explanation([FLIP] * 4 + [NONE] * 4, _noise(4, 8))
    widths = []
    for patients in ("abcdefgh", "aaaabbbb"):
        groups = np.asarray(list(patients))
        told = sanity_similarity.compared(config, first, second, groups)
        assert told["explained"] == 0.5
        widths.append(told["explained_high"] - told["explained_low"])
    assert widths[0] < widths[1] == 1
    # All that are compared are of one patient.
    assert told["compared"] == 4 and "ssim_low" not in told
    assert "ssim_low" in told["grad_cam"]
    told = sanity_similarity.alone(config, second, groups)
    assert told["explained_high"] - told["explained_low"] == 1


def test_where_nothing_flips_there_is_nothing_to_compare(known):
    config, _ = known
    first = _explanation([FLIP, FLIP], _noise(0, 2))
    second = _explanation([ONE_WAY, ONE_WAY], np.zeros((2, 16, 16)))
    told = sanity_similarity.compared(config, first, second, PATIENTS[:2])
    assert told["explained"] == told["explained_high"] == 0
    assert not told["decides_both_ways"] and told["compared"] == 0
    assert "spearman" not in told and "ssim" not in told
    found = sanity_similarity.of_directions(
        *(config, None, first, second, None, PATIENTS[:2])
    )
    assert found == {}


def test_f_alone(known):
    """Other images' maps are compared, each with another one's."""
    config, _ = known
    maps = np.repeat(_noise(0, 1), 4, axis=0)
    maps[3] = 0
    found = _explanation([FLIP, FLIP, FLIP, NONE], maps, _noise(1, 4))
    told = sanity_similarity.alone(config, found, PATIENTS[:4])
    assert told["explained"] == 0.75 and told["grad_cam"]["explained"] == 1
    assert told["other_images"]["spearman"] == pytest.approx(1)
    assert abs(told["other_images"]["grad_cam"]["spearman"]) < 0.3
    lonely = _explanation([FLIP, NONE], _noise(0, 2), np.zeros((2, 16, 16)))
    told = sanity_similarity.alone(config, lonely, PATIENTS[:2])
    assert told["other_images"] == {"grad_cam": {}}

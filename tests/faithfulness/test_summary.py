"""The benchmark's summary of records whose answer is known."""

import numpy as np
import pytest

from jaxstyle.explain import search
from jaxstyle.faithfulness import summary
from jaxstyle.faithfulness.explanations import METHODS
from jaxstyle.faithfulness.planting import CLASS
from tests.faithfulness.made_records import config, record, row, scores

OTHERS = METHODS[1:]


def _run(target, ious, others=0.1, foreign=0.5, seed=0, **more):
    """An image for each IoU; enrichments are ten times as large."""
    (other,) = {"marker": ["blob"], "blob": ["marker"]}[target]
    rows = [
        row(
            n,
            enrichment={target: 10 * iou, other: foreign},
            iou=iou,
            pointing=float(iou > 0.3),
            others={
                "enrichment": {target: 10 * others, other: foreign},
                "iou": others,
            },
            status=search.FLIPPED if iou else search.NO_FLIP,
        )
        for n, iou in enumerate(ious)
    ]
    return record(target, rows, seed=seed, **more)


def _summary(*records, **changes):
    return summary.summarised(config(**changes), records)["summary"]


def test_means_are_over_all_images():
    told = _summary(
        _run("marker", [0.2, 0.4]), _run("blob", [0.6, 0.8, 1.0, 0.0])
    )
    mine = told["methods"]["counterfactual"]
    assert mine["iou"]["mean"] == pytest.approx(0.5)
    assert mine["iou"]["n"] == 6
    assert mine["pointing"]["mean"] == pytest.approx(4 / 6)
    assert mine["enrichment"]["mean"] == pytest.approx(5)
    assert mine["iou"]["low"] < 0.5 < mine["iou"]["high"]
    for method in OTHERS:
        assert told["methods"][method]["iou"]["mean"] == pytest.approx(0.1)
    assert told["explained"]["mean"] == pytest.approx(5 / 6)


def test_images_are_drawn_again_within_their_run():
    """Two runs that differ, each of one value: nothing varies."""
    told = _summary(
        _run("marker", [0.2] * 3, others=0.1),
        _run("blob", [0.8] * 3, others=0.3),
    )
    mine = told["methods"]["counterfactual"]
    iou, ratio = mine["iou"], mine["iou_to_grad_cam"]
    assert iou["low"] == iou["mean"] == iou["high"] == pytest.approx(0.5)
    for name in ("low", "ratio", "high"):
        assert ratio[name] == pytest.approx(2.5)


def test_the_ratio_to_grad_cam_is_that_of_the_means():
    told = _summary(_run("marker", [0.1, 0.5], others=0.1))
    ratio = told["methods"]["counterfactual"]["iou_to_grad_cam"]
    assert ratio["ratio"] == pytest.approx(3)
    assert ratio["low"] == pytest.approx(1)
    assert ratio["high"] == pytest.approx(5)
    assert "iou_to_grad_cam" not in told["methods"]["grad_cam"]
    equal = told["methods"]["occlusion"]["iou_to_grad_cam"]
    assert equal["ratio"] == equal["low"] == equal["high"] == pytest.approx(1)


def test_a_ratio_to_nothing_is_none():
    told = _summary(_run("marker", [0.1, 0.5], others=0.0))
    ratio = told["methods"]["counterfactual"]["iou_to_grad_cam"]
    assert ratio == {"ratio": None, "low": None, "high": None}
    # Both find nothing: neither is better.
    ratio = told["methods"]["occlusion"]["iou_to_grad_cam"]
    assert ratio["ratio"] == 1


def test_found_counts_runs():
    told = _summary(
        _run("marker", [0.8] * 5),
        _run("marker", [0.1] * 5, seed=1),
        _run("blob", [0.7] * 5),
        _run("blob", [0.6] * 5, seed=1),
    )
    found = told["methods"]["counterfactual"]["found"]
    assert (found["mean"], found["n"]) == (0.75, 4)
    assert found["low"] < 0.75 <= found["high"]
    assert told["methods"]["grad_cam"]["found"]["mean"] == 0
    kinds = told["kinds"]
    assert list(kinds) == ["marker", "blob", "texture"]
    assert kinds["marker"]["runs"] == 2
    assert kinds["marker"]["methods"]["counterfactual"]["found"] == 1
    assert kinds["blob"]["methods"]["counterfactual"]["found"] == 2
    assert kinds["blob"]["methods"]["counterfactual"]["iou"]["mean"] == (
        pytest.approx(0.65)
    )
    # None was trained for it.
    assert kinds["texture"]["runs"] == 0
    assert kinds["texture"]["methods"]["grad_cam"]["iou"]["mean"] is None
    assert kinds["texture"]["explained"]["n"] == 0


def test_specific_counts_pairs_that_f_ignores():
    reacts = {"blob": {"change": 0.3, "n": 4}}
    # The class's classifier has no scores of its own.
    own = [scores(enrichment={"marker": 0.3, "blob": 3.0})] * 2
    of_class = record(
        CLASS,
        [
            {
                "id": str(n),
                "f": 0.5,
                "status": search.FLIPPED,
                "methods": dict.fromkeys(METHODS, one),
            }
            for n, one in enumerate(own)
        ],
    )
    told = _summary(
        _run("marker", [0.8] * 3, foreign=3.0, reactions=reacts),
        _run("blob", [0.8] * 3, foreign=0.5),
        of_class,
    )
    # marker-blob: f reacts; blob-marker, class-marker right, class-blob not.
    specific = told["methods"]["counterfactual"]["specific"]
    assert specific["n"] == 3
    assert specific["mean"] == pytest.approx(2 / 3)
    (pair,) = told["f_reacts"]
    assert (pair["target"], pair["kind"]) == ("marker", "blob")
    assert pair["change"] == 0.3 and pair["enrichment"] == pytest.approx(3)
    # It is no kind's: neither found nor explained counts it.
    assert told["methods"]["counterfactual"]["found"]["n"] == 2
    assert told["explained"]["n"] == 6


def test_what_has_not_been_learnt_is_told_and_left_out():
    told = _summary(
        _run("marker", [0.8] * 3),
        record("blob", [], learnt=False, seed=2),
    )
    assert told["runs"] == 2
    assert told["not_learnt"] == [
        {"seed": 2, "target": "blob", "accuracy": 0.6}
    ]
    assert told["methods"]["counterfactual"]["found"]["n"] == 1
    assert told["kinds"]["blob"]["runs"] == 0


def test_where_nothing_was_learnt_there_are_no_numbers():
    told = _summary(record("marker", [], learnt=False))
    for numbers in told["methods"].values():
        for name in ("found", "specific", "iou", "pointing", "enrichment"):
            assert numbers[name]["mean"] is None
    assert told["methods"]["occlusion"]["iou_to_grad_cam"]["ratio"] is None
    assert told["explained"]["mean"] is None
    headline = summary.headline(told)
    assert headline["not_learnt"] == 1
    assert headline["counterfactual.iou"] is None


def test_the_headline_is_of_the_means():
    told = _summary(_run("marker", [0.2, 0.4]))
    headline = summary.headline(told)
    assert headline["explained"] == 1
    assert headline["not_learnt"] == headline["f_reacts"] == 0
    for method in METHODS:
        for name in ("found", "specific", "iou", "pointing", "enrichment"):
            expected = told["methods"][method][name]["mean"]
            assert headline[f"{method}.{name}"] == expected


def test_intervals_come_again():
    records = [_run("marker", np.linspace(0.1, 0.9, 9).tolist())]
    assert summary.summarised(config(), records) == summary.summarised(
        config(), records
    )

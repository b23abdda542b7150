"""Scores of images, f's reactions, and the record of a run."""

import dataclasses

import numpy as np
import pytest

from jaxstyle import workdir
from jaxstyle.config.faithfulness import KINDS, ScoresConfig
from jaxstyle.data import pipeline, prepare
from jaxstyle.explain import search
from jaxstyle.faithfulness import measure, planting
from jaxstyle.faithfulness.explanations import METHODS, Explanations
from jaxstyle.faithfulness.planting import CLASS
from tests.faithfulness import small

SCORES = ScoresConfig()


def _mask(rows, columns, side=8):
    mask = np.zeros((side, side), np.bool_)
    mask[rows, columns] = True
    return mask


WHERE = {
    "marker": _mask(slice(0, 4), slice(0, 4)),
    "blob": _mask(slice(2, 6), slice(0, 4)),
    "texture": _mask(slice(6, 8), slice(6, 8)),
    "blur": _mask(slice(0, 2), slice(0, 2)),
    "brightness": np.zeros((8, 8), np.bool_),
}
HEAT = np.random.default_rng(0).uniform(0, 1, (8, 8))


def _enriched(mask):
    return HEAT[mask].sum() / HEAT.sum() / mask.mean()


def test_the_own_mask_counts_whole_and_of_others_the_rest():
    told = measure.image_scores(
        HEAT, WHERE, {"marker", "blob"}, "marker", SCORES
    )
    assert told["enrichment"] == pytest.approx(
        {
            "marker": _enriched(WHERE["marker"]),
            "blob": _enriched(_mask(slice(4, 6), slice(0, 4))),
        }
    )
    # The blur's place is inside of the marker, the brightness nowhere.
    assert told["control"] == pytest.approx(
        {"texture": _enriched(WHERE["texture"])}
    )
    sixteenth = np.sort(HEAT.ravel())[-16]
    strongest = sixteenth <= HEAT
    hits = (strongest & WHERE["marker"]).sum()
    assert told["iou"] == pytest.approx(hits / (32 - hits))
    assert told["pointing"] in (0, 1)


def test_for_the_class_nothing_is_to_be_found():
    told = measure.image_scores(HEAT, WHERE, {"marker"}, CLASS, SCORES)
    assert set(told) == {"enrichment", "control"}
    assert told["enrichment"] == pytest.approx(
        {"marker": _enriched(WHERE["marker"])}
    )
    # Every kind's mask is whole.
    for kind in ("blob", "texture", "blur"):
        assert told["control"][kind] == pytest.approx(_enriched(WHERE[kind]))


@pytest.mark.parametrize(("side", "hit"), [(32, 0), (64, 1)])
def test_lengths_are_told_for_32_pixels(side, hit):
    """A maximum two pixels from the mask is near at 64 px."""
    heat = np.zeros((side, side))
    heat[10, 10] = 1
    mask = _mask(slice(10, 14), slice(12, 16), side)
    told = measure.image_scores(heat, {"blob": mask}, {"blob"}, "blob", SCORES)
    assert told["pointing"] == hit


def test_images_that_count():
    rows = [{"target": t, "decision": d} for t in "01" for d in "01"]
    counted = [measure.counts(row, "blob") for row in rows]
    assert counted == [False, False, False, True]
    assert all(measure.counts(row, CLASS) for row in rows)


# --- f on the planted images


class Mean:
    """f is the mean of the image."""

    def predict(self, images):
        assert images.min() >= 0
        return images.mean(axis=(1, 2, 3))[:, None]


@pytest.fixture(scope="module")
def prepared(planted, tmp_path_factory):
    """(benchmark's config, the blob's config, its root, the data)."""
    config, path, data = planted
    mine = planting.target_config(config, 3, path, "blob")
    root = tmp_path_factory.mktemp("measured") / "blob"
    prepare.run(mine, root)
    _classifier(mine, root, 0.95)
    return config, mine, root, data


def _classifier(mine, root, accuracy):
    stage = workdir.begin(mine, root, "classifier")
    test = {"accuracy": accuracy, "auc": 0.5 + accuracy / 2}
    workdir.finish(stage, {"test": test}, 0.0)


def test_reactions_are_what_is_taken_out(prepared, monkeypatch):
    _, mine, root, data = prepared
    monkeypatch.setattr(measure.predictors, "load", lambda *_: Mean())
    told = measure.reactions(mine, root, data)
    rows = data.rows(pipeline.open_split(mine, root, "test").ids)
    with np.load(mine.data.path) as file:
        images = file["image"]
    assert set(told) == set(KINDS)
    for place, kind in enumerate(KINDS):
        having = [n for n in rows if data.present[n, place]]
        changes = [
            abs(data.without(n, kind).mean() - images[n].mean()) / 255
            for n in having
        ]
        assert told[kind]["n"] == len(having) > 0
        assert told[kind]["change"] == pytest.approx(np.mean(changes), abs=1e-6)
    # A band of brightness changes the mean more than a fine texture.
    assert told["brightness"]["change"] > 10 * told["texture"]["change"] > 0


def test_a_kind_that_is_nowhere_has_no_reaction(prepared, monkeypatch):
    _, mine, root, data = prepared
    monkeypatch.setattr(measure.predictors, "load", lambda *_: Mean())
    present = data.present.copy()
    present[:, KINDS.index("blob")] = False
    told = measure.reactions(
        mine, root, dataclasses.replace(data, present=present)
    )
    assert set(told) == set(KINDS) - {"blob"}


@pytest.mark.parametrize(("accuracy", "learnt"), [(0.9, True), (0.899, False)])
def test_what_counts_as_learnt(planted, tmp_path, accuracy, learnt):
    config, path, _ = planted
    mine = planting.target_config(config, 3, path, "blob")
    stage = workdir.begin(mine, tmp_path, "data")
    workdir.finish(stage, {}, 0.0)
    _classifier(mine, tmp_path, accuracy)
    assert measure.learnt(config, mine, tmp_path) is learnt


# --- the record


def _found(data, numbers):
    """Explanations of these images that show the blob's place, and no other.

    Of the second image nothing flips, and nothing is shown.
    """
    count, place = len(numbers), KINDS.index("blob")
    maps = data.places[numbers, place].astype(np.float64)
    maps[1] = 0
    pictures = np.zeros((count, small.SIDE, small.SIDE, 1), np.float32)
    return Explanations(
        [data.ids[n] for n in numbers],
        np.linspace(0.6, 0.9, count),
        [search.FLIPPED, search.NO_FLIP, *[search.FLIPPED] * (count - 2)],
        pictures,
        pictures,
        pictures,
        dict.fromkeys(METHODS, maps),
    )


@pytest.fixture
def explained(prepared, monkeypatch):
    """Runs with constructed explanations; what images were asked for."""
    _, _, _, data = prepared
    place, asked = KINDS.index("blob"), []
    # Backwards, so that an order that is taken for granted shows.
    numbers = np.flatnonzero(data.present[:, place])[::-1][:5]

    def explanations(mine, root, scores, wanted):
        asked.append(wanted)
        return _found(data, numbers)

    monkeypatch.setattr(measure.predictors, "load", lambda *_: Mean())
    monkeypatch.setattr(measure.explanations_lib, "explained", explanations)
    return numbers, asked


def test_a_run_is_scored(prepared, explained):
    config, mine, root, data = prepared
    numbers, asked = explained
    told = measure.run(config, mine, root, "blob", data)
    assert (told["seed"], told["target"], told["learnt"]) == (3, "blob", True)
    assert (told["accuracy"], told["auc"]) == (0.95, 0.975)
    assert set(told["reactions"]) == set(KINDS)
    assert [row["id"] for row in told["images"]] == [
        data.ids[n] for n in numbers
    ]
    for place, (number, row) in enumerate(
        zip(numbers, told["images"], strict=True)
    ):
        shown = float(place != 1)
        mask = data.places[number, KINDS.index("blob")]
        there = set(np.asarray(KINDS)[data.present[number]])
        for method in METHODS:
            one = row["methods"][method]
            assert one["iou"] == one["pointing"] == shown
            assert one["enrichment"]["blob"] == pytest.approx(
                shown / mask.mean()
            )
            others = {**one["enrichment"], **one["control"]}
            assert set(one["enrichment"]) <= there
            assert not set(one["control"]) & there
            del others["blob"]
            # What is not in the blob's place is not shown at all.
            assert others and not any(others.values())
    assert told["images"][1]["status"] == search.NO_FLIP
    assert told["images"][0]["f"] == pytest.approx(0.6)
    (wanted,) = asked
    assert wanted({"target": "1", "decision": "1"})
    assert not wanted({"target": "1", "decision": "0"})


def test_the_first_images_are_kept_for_the_sheet(prepared, explained):
    config, mine, root, data = prepared
    numbers, _ = explained
    measure.run(config, mine, root, "blob", data)
    with np.load(root / "faithfulness" / "shown.npz") as file:
        shown = dict(file)
    masks = data.places[numbers[:3], KINDS.index("blob")]
    np.testing.assert_array_equal(shown["mask"], masks)
    np.testing.assert_array_equal(shown["flipped"], [True, False, True])
    for method in METHODS:
        assert shown[f"map_{method}"].shape == masks.shape
    # For the class all that was planted is shown, for it shall not be found.
    measure.run(config, mine, root, CLASS, data)
    with np.load(root / "faithfulness" / "shown.npz") as file:
        planted = file["mask"]
    for mask, number in zip(planted, numbers, strict=False):
        there = data.places[number][data.present[number]]
        np.testing.assert_array_equal(mask, there.any(axis=0))


def test_an_f_that_has_not_learnt_is_not_explained(prepared, explained):
    config, mine, root, data = prepared
    _, asked = explained
    measure.run(config, mine, root, "blob", data)
    strict = dataclasses.replace(config, least_accuracy=0.96)
    told = measure.run(strict, mine, root, "blob", data)
    assert len(asked) == 1
    assert not told["learnt"] and told["images"] == []
    assert set(told["reactions"]) == set(KINDS)
    # What was shown under other settings is no more.
    assert not (root / "faithfulness" / "shown.npz").exists()


def test_a_record_is_read_under_its_own_settings_only(prepared, explained):
    config, mine, root, data = prepared
    told = measure.run(config, mine, root, "blob", data)
    assert measure.read(config, mine, root, "blob") == told
    changed = [
        dataclasses.replace(config, least_accuracy=0.5),
        dataclasses.replace(config, scores=ScoresConfig(tolerance=2.0)),
        small.config(config.run.data.path, blob=0.9),
    ]
    for other in changed:
        assert measure.read(other, mine, root, "blob") is None
    assert measure.read(config, mine, root, "marker") is None
    longer = dataclasses.replace(mine, walk=dataclasses.replace(mine.walk))
    longer.walk.limit = 7
    assert measure.read(config, longer, root, "blob") is None
    # Those that choose among runs, or judge them, change no record.
    other = dataclasses.replace(config, seeds=(5,), found_enrichment=3.0)
    assert measure.read(other, mine, root, "blob") == told
    assert measure.read(config, mine, root / "none", "blob") is None

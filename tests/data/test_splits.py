from collections import Counter, defaultdict

import numpy as np
import pytest

from jaxstyle.config import DataConfig
from jaxstyle.data import splits

FRACTIONS = (0.7, 0.1, 0.2)


def _hospital(patients: int = 300) -> tuple[list[int], list[str]]:
    """One to five images a patient; a quarter of the patients are ill."""
    random = np.random.default_rng(0)
    labels, groups = [], []
    for patient in range(patients):
        for _ in range(random.integers(1, 6)):
            labels.append(int(patient % 4 == 0))
            groups.append(f"p{patient}")
    return labels, groups


def test_no_patient_is_split():
    labels, groups = _hospital()
    names = splits.assign(labels, groups, FRACTIONS, seed=0)
    seen = defaultdict(set)
    for name, group in zip(names, groups, strict=True):
        seen[group].add(name)
    assert max(len(names) for names in seen.values()) == 1
    assert not splits.shared_patients(names, groups)


def test_each_label_is_shared_out_by_the_fractions():
    labels, groups = _hospital()
    names = splits.assign(labels, groups, FRACTIONS, seed=0)
    for label in (0, 1):
        mine = [n for n, la in zip(names, labels, strict=True) if la == label]
        counts = Counter(mine)
        shares = [counts[name] / len(mine) for name in splits.NAMES]
        np.testing.assert_allclose(shares, FRACTIONS, atol=0.03)


def test_few_patients_still_reach_every_split():
    labels = [0, 1] * 5
    groups = [str(i) for i in range(10)]
    names = splits.assign(labels, groups, (0.4, 0.3, 0.3), seed=0)
    assert Counter(names) == {"train": 4, "val": 3, "test": 3}


def test_the_seed_decides():
    labels, groups = _hospital()
    first = splits.assign(labels, groups, FRACTIONS, seed=0)
    assert first == splits.assign(labels, groups, FRACTIONS, seed=0)
    assert first != splits.assign(labels, groups, FRACTIONS, seed=1)


GOOD = (
    ["train", "train", "val", "val", "test", "test"],
    [0, 1, 0, 1, 0, 1],
    ["a", "a", "b", "b", "c", "c"],
)


def test_good_splits_have_no_problems():
    assert splits.problems(*GOOD, DataConfig()) == []


@pytest.mark.parametrize(
    ("place", "change", "expected"),
    [
        (2, {5: "a"}, ["patient 'a' is in more than one split: train, test"]),
        (1, {1: 0}, ["split 'train' has no image of 'positive' (a label in "]),
        (1, {2: 1}, ["split 'val' has no image of 'negative' (a label not in"]),
        (
            0,
            {2: "test", 3: "test"},
            ["split 'val' has no image;"],
        ),
    ],
)
def test_problems_are_told(place, change, expected):
    columns = [list(column) for column in GOOD]
    for row, value in change.items():
        columns[place][row] = value
    found = splits.problems(*columns, DataConfig())
    assert len(found) == len(expected)
    for text, start in zip(found, expected, strict=True):
        assert text.startswith(start)


def test_each_of_several_classes_is_needed_to_train():
    data = DataConfig(class_names=("a", "b", "c"))
    names = ["train", "train", "train", "val", "test"]
    groups = ["v", "w", "x", "y", "z"]
    assert splits.problems(names, [0, 1, 2, 1, 0], groups, data) == []
    (found,) = splits.problems(names, [0, 1, 1, 2, 0], groups, data)
    assert found == "split 'train' has no image of 'c' (label 2)"


def test_a_label_without_a_name_is_told():
    data = DataConfig(class_names=("a", "b", "c"))
    names = ["train", "train", "train", "val", "test"]
    found = splits.problems(names, [0, 1, 2, 3, -1], list("vwxyz"), data)
    assert found == [
        "labels [-1, 3] have no name: data.class_names has 3, of the labels "
        "0 to 2"
    ]

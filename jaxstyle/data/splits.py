"""Train, val and test: made by patient, and checked."""

import logging
from collections import defaultdict
from collections.abc import Collection, Sequence

import numpy as np

NAMES = ("train", "val", "test")
_WARNED = 10


def assign(
    labels: Sequence[int],
    groups: Sequence[str],
    fractions: tuple[float, float, float],
    seed: int,
) -> list[str]:
    """Splits images by patient, each label shared out alike if possible.

    Patients are taken label by label (a patient's label is the largest of
    its images), in random order. The first three go to one split each, so
    that none lacks the label; the others where most images are still
    missing. What a label leaves missing is carried over to the next one.

    Args:
      labels: one per image.
      groups: the patient of each image.
      fractions: shares of train, val and test.
      seed: decides the order of the patients.

    Returns:
      A name from `NAMES` for each image.
    """
    images = defaultdict(list)
    for position, group in enumerate(groups):
        images[group].append(position)
    strata = defaultdict(list)
    for group in sorted(images):
        strata[max(labels[i] for i in images[group])].append(group)
    random = np.random.default_rng(seed)
    out = [""] * len(labels)
    missing = np.zeros(3)
    for label in sorted(strata):
        patients = [
            strata[label][i] for i in random.permutation(len(strata[label]))
        ]
        count = sum(len(images[patient]) for patient in patients)
        missing += count * np.asarray(fractions)
        for place, patient in enumerate(patients):
            first = place < 3 <= len(patients)
            chosen = place if first else int(np.argmax(missing))
            missing[chosen] -= len(images[patient])
            for position in images[patient]:
                out[position] = NAMES[chosen]
    return out


def problems(
    splits: Sequence[str],
    labels: Sequence[int],
    groups: Sequence[str],
    positive_labels: Collection[int],
    allow_leakage: bool = False,
) -> list[str]:
    """Why these splits cannot be used: one line each, none if they can."""
    found = leaking_patients(splits, groups, allow_leakage)
    positive = defaultdict(list)
    for name, label in zip(splits, labels, strict=True):
        positive[name].append(label in positive_labels)
    for name in NAMES:
        if name not in positive:
            found.append(
                f"split {name!r} has no image; add patients, or say in the "
                "split column which image is in which split"
            )
        elif not any(positive[name]):
            found.append(
                f"split {name!r} has no image whose label is in "
                f"data.positive_labels = {tuple(positive_labels)}"
            )
        elif all(positive[name]):
            found.append(
                f"split {name!r} has only images whose label is in "
                f"data.positive_labels = {tuple(positive_labels)}"
            )
    return found


def leaking_patients(
    splits: Sequence[str], groups: Sequence[str], allowed: bool
) -> list[str]:
    """`shared_patients`, which are warnings where they are allowed."""
    found = shared_patients(splits, groups)
    if not allowed:
        return found
    for text in found[:_WARNED]:
        logging.warning("%s", text)
    return []


def shared_patients(splits: Sequence[str], groups: Sequence[str]) -> list[str]:
    """A line for each patient who is in more than one split."""
    seen = defaultdict(set)
    for name, group in zip(splits, groups, strict=True):
        seen[group].add(name)
    return [
        f"patient {group!r} is in more than one split: "
        + ", ".join(name for name in NAMES if name in seen[group])
        for group in sorted(seen)
        if len(seen[group]) > 1
    ]

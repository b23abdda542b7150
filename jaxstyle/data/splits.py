"""Train, val and test: made by patient, and checked."""

import logging
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from jaxstyle import config as config_lib

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
    data: config_lib.DataConfig,
) -> list[str]:
    """Why these splits cannot be used: one line each, none if they can."""
    found = leaking_patients(splits, groups, data.allow_leakage)
    named = len(data.class_names)
    unnamed = sorted({n for n in labels if not 0 <= n < named})
    if named > 2 and unnamed:
        found.append(
            f"labels {unnamed[:5]} have no name: data.class_names has "
            f"{named}, of the labels 0 to {named - 1}"
        )
    there = defaultdict(set)
    for name, class_ in zip(splits, data.classes_of(labels), strict=True):
        there[name].add(int(class_))
    for name in NAMES:
        if name not in there:
            found.append(
                f"split {name!r} has no image; add patients, or say in the "
                "split column which image is in which split"
            )
            continue
        found += [
            f"split {name!r} has no image of {data.class_names[class_]!r} "
            f"({_labels(class_, data)})"
            for class_ in range(named)
            if class_ not in there[name] and (named == 2 or name == "train")
        ]
    return found


def _labels(class_: int, data: config_lib.DataConfig) -> str:
    """Which labels make a class."""
    if len(data.class_names) > 2:
        return f"label {class_}"
    part = "in" if class_ else "not in"
    return f"a label {part} data.positive_labels = {data.positive_labels}"


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

"""Data sets of real images with known shortcuts in them.

One npz file a seed serves all classifiers. Each kind is in an image or not,
independently of the other kinds and of the class; the label tells of all of
them, a bit each, so that a classifier's `positive_labels` choose which one
it learns. What is planted where follows from the seed, the image's place in
its source and the kind alone.
"""

import dataclasses
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxstyle import config as config_lib
from jaxstyle import run_log, workdir
from jaxstyle.config.faithfulness import (
    KINDS,
    FaithfulnessConfig,
    PlantsConfig,
)
from jaxstyle.data import prepare, records
from jaxstyle.data.splits import NAMES
from jaxstyle.faithfulness.planters import PLANTERS

# The target of the classifier that learns the real class and no plant.
CLASS = "class"


@dataclasses.dataclass(frozen=True)
class Planted:
    """A planted data set, in the order of its file.

    Attributes:
      settings: what was planted, and how strongly.
      seed: of all draws.
      ids: names of the images, as in the source.
      sources: int [N], their places in the source.
      clean: uint8 [N, R, R, C], the images before.
      present: bool [N, K], of `KINDS`.
      places: bool [N, K, R, R], where each lies, or would if it were there;
        nowhere for a kind that is not planted at all.
    """

    settings: PlantsConfig
    seed: int
    ids: list[str]
    sources: np.ndarray
    clean: np.ndarray
    present: np.ndarray
    places: np.ndarray

    def rows(self, ids: Sequence[str]) -> np.ndarray:
        """Where these images are in the data set, int [n]."""
        place = {name: number for number, name in enumerate(self.ids)}
        return np.asarray([place[name] for name in ids], np.int64)

    def without(self, number: int, kind: str) -> np.ndarray:
        """Image `number` had one kind not been planted, uint8 [R, R, C]."""
        kinds = [
            name
            for name, there in zip(KINDS, self.present[number], strict=True)
            if there and name != kind
        ]
        source = int(self.sources[number])
        return plant(
            self.clean[number], kinds, self.settings, self.seed, source
        )


def target_config(
    config: FaithfulnessConfig, seed: int, path: Path, target: str
) -> config_lib.Config:
    """The pipeline's config of one seed and one classifier.

    Args:
      config: the benchmark's.
      seed: of the data set and of all trainings.
      path: the planted file.
      target: a kind, or `CLASS`.
    """
    names = (f"no {target}", target)
    if target == CLASS:
        names = config.run.data.class_names
    data = dataclasses.replace(
        config.run.data,
        source="npz",
        path=str(path.absolute()),
        # The planted images have pseudonyms already.
        pseudonyms=False,
        positive_labels=_codes(target),
        class_names=names,
        # What was asked of the images' own files.
        intensity_range=None,
        window=None,
        columns=(),
        skip_unreadable=False,
    )
    return config_lib.validated(
        dataclasses.replace(config.run, seed=seed, data=data)
    )


def write(config: FaithfulnessConfig, seed: int, path: Path) -> None:
    """Plants into the images of `config.run.data` and saves them.

    Raises:
      DataError: listing all that is wrong with the source.
    """
    run = dataclasses.replace(config.run, seed=seed)
    source = prepare.open_source(run, path.parent)
    chosen = _chosen(source.entries, config.plants, seed)
    progress = run_log.Progress("plant", len(chosen), "images")
    images, clean, present, places = [], [], [], []
    for number in chosen:
        before = records.to_stored(source.load(number).image, np.dtype("u1"))
        kinds = drawn(config.plants, seed, number)
        images.append(plant(before, kinds, config.plants, seed, number))
        clean.append(before)
        present.append([kind in kinds for kind in KINDS])
        places.append(whereabouts(before, config.plants, seed, number))
        progress.update(len(images))
    entries = [source.entries[number] for number in chosen]
    real = [entry.label in config.run.data.positive_labels for entry in entries]
    bits = np.column_stack([real, present]).astype(np.int32)
    path.parent.mkdir(parents=True, exist_ok=True)
    with workdir.replacing(path) as draft, draft.open("wb") as file:
        np.savez_compressed(
            file,
            image=np.stack(images),
            label=bits @ (1 << np.arange(bits.shape[1], dtype=np.int32)),
            split=[entry.split for entry in entries],
            patient=[entry.group for entry in entries],
            id=[entry.id for entry in entries],
            source=np.asarray(chosen),
            clean=np.stack(clean),
            present=np.asarray(present),
            places=np.stack(places),
        )
    workdir.write_json(_settings_path(path), _settings(config, seed))


def is_written(config: FaithfulnessConfig, seed: int, path: Path) -> bool:
    """Whether the file is there, whole.

    Raises:
      WorkdirError: if it was planted under other settings.
    """
    told = _settings_path(path)
    if not told.exists() or not path.exists():
        return False
    if workdir.read_json(told) != _settings(config, seed):
        raise workdir.WorkdirError(
            f"{path} was planted under other settings (`plants` or "
            "`run.data`): choose another --workdir"
        )
    return True


def load(config: FaithfulnessConfig, seed: int, path: Path) -> Planted:
    """The data set that `write` saved."""
    with np.load(path, allow_pickle=False) as file:
        return Planted(
            config.plants,
            seed,
            [str(name) for name in file["id"]],
            file["source"],
            file["clean"],
            file["present"],
            file["places"],
        )


def drawn(settings: PlantsConfig, seed: int, number: int) -> list[str]:
    """The kinds that are planted into image `number` of the source."""
    return [
        kind
        for kind in settings.kinds
        if _random(seed, number, f"whether {kind}").random()
        < settings.probability
    ]


def plant(
    image: np.ndarray,
    kinds: Iterable[str],
    settings: PlantsConfig,
    seed: int,
    number: int,
) -> np.ndarray:
    """Plants these kinds, in the order of `KINDS`.

    Args:
      image: uint8 [R, R, C].
      kinds: what is planted; a later one may lie over an earlier one.
      settings: how strong each is.
      seed: of the data set.
      number: of the image in its source.

    Returns:
      uint8 [R, R, C].
    """
    wanted = set(kinds)
    unit = records.from_stored(image)
    for kind in KINDS:
        if kind in wanted:
            unit, _ = _planted(unit, kind, settings, seed, number)
    return records.to_stored(unit, image.dtype)


def whereabouts(
    image: np.ndarray, settings: PlantsConfig, seed: int, number: int
) -> np.ndarray:
    """Where `plant` puts each of `settings.kinds`, bool [K, R, R].

    That does not depend on what the image shows.
    """
    unit = records.from_stored(image)
    places = np.zeros((len(KINDS), *image.shape[:2]), np.bool_)
    for kind in settings.kinds:
        _, mask = _planted(unit, kind, settings, seed, number)
        places[KINDS.index(kind)] = mask
    return places


def _planted(
    unit: np.ndarray,
    kind: str,
    settings: PlantsConfig,
    seed: int,
    number: int,
) -> tuple[np.ndarray, np.ndarray]:
    random = _random(seed, number, kind)
    return PLANTERS[kind](unit, random, getattr(settings, kind))


def _random(seed: int, number: int, name: str) -> np.random.Generator:
    return np.random.default_rng([seed, number, zlib.crc32(name.encode())])


def _codes(target: str) -> tuple[int, ...]:
    """The labels in which the target's bit is set; the class has bit 0."""
    bit = 0 if target == CLASS else 1 + KINDS.index(target)
    return tuple(
        code for code in range(2 ** (1 + len(KINDS))) if code >> bit & 1
    )


def _chosen(
    entries: Sequence[records.Entry], settings: PlantsConfig, seed: int
) -> list[int]:
    """Places in the source of at most so many images of each split."""
    chosen = []
    limits = (settings.train_images, settings.val_images, settings.test_images)
    for name, limit in zip(NAMES, limits, strict=True):
        there = [n for n, entry in enumerate(entries) if entry.split == name]
        order = _random(seed, 0, f"choice of {name}").permutation(len(there))
        kept = order[: limit or None]
        chosen += [there[place] for place in np.sort(kept)]
    return chosen


def _settings(config: FaithfulnessConfig, seed: int) -> dict[str, Any]:
    whole = config_lib.as_dict(config.run)
    plants = config_lib.digest(dataclasses.asdict(config.plants))
    return {
        "seed": seed,
        "plants": plants,
        "data": config_lib.digest(whole["data"]),
    }


def _settings_path(path: Path) -> Path:
    return path.with_suffix(".json")

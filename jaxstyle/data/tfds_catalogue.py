"""A source of images in a set of the TFDS catalogue, prepared beforehand.

TFDS needs TensorFlow to download and prepare a set, and none to read it.
`data.path` is the folder of one version, such as `tfds/patch_camelyon/2.0.0`.
"""

import logging
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from jaxstyle import config as config_lib
from jaxstyle import run_log
from jaxstyle.data import (
    formats,
    manifest,
    pseudonyms,
    records,
    samples,
    splits,
    tfds_prepared,
)
from jaxstyle.data.problems import DataError, told

# What TFDS calls them, and what they are here.
SPLITS = {"train": "train", "validation": "val", "test": "test"}
# Features that name an image; the first that there is counts.
NAMES = ("id", "name", "filename", "file_name")
# In some sets an image's name tells where it was cut from: the feature, and
# the part of it. These tiles are of ten slides, 01 to 10.
GROUPS = {"colorectal_histology": ("filename", r"CRC-Prim-HE-\d+")}

# Records whose labels are read at a time.
_BATCH = 256


def open_source(config: config_lib.Config) -> records.Source:
    """The images of the prepared set `config.data.path`, checked.

    Features: `image` of 8 bits, `label` (a class or an integer), perhaps one
    of `NAMES`, and those of a number or a word that `data.columns` names.
    The set's own splits count where it has all of `SPLITS`; else splits are
    made. TFDS knows of no patients: but for `GROUPS`, each image is its own.
    Labels are read here, images when they are asked for.

    Raises:
      DataError: listing all that is wrong; `load` tells which images cannot
        be decoded.
    """
    data, path = config.data, Path(config.data.path)
    builder = tfds_prepared.builder(path)
    wanted = _wanted(builder, data.columns, path)
    sources = tfds_prepared.sources(builder, tuple(SPLITS), path)
    values, found = _values(sources, wanted, path)
    if found:
        raise DataError(str(path), found)
    places = [
        (name, position)
        for name, source in sources.items()
        for position in range(len(source))
    ]
    entries = _entries(builder.name, places, values, config)
    found = splits.problems(
        [entry.split for entry in entries],
        [entry.label for entry in entries],
        [entry.group for entry in entries],
        data,
    )
    cells = {key: list(map(str, values[key])) for key in data.columns}
    found += pseudonyms.column_problems(cells, data)
    if found:
        raise DataError(str(path), found)

    def load(number: int) -> records.Sample:
        name, position = places[number]
        where = f"{path}: {name}, record {position}:"
        packed = formats.guarded(
            lambda _: sources[name][position]["image"], where
        )
        return samples.of_pixels(formats.decode(where, packed), data)

    return records.Source(
        *("tfds", np.dtype(np.uint8), entries, load, str(path)),
        names=_names(entries, values),
    )


def _wanted(builder: Any, columns: Sequence[str], path: Path) -> list[str]:
    """The features that are read besides the image.

    Raises:
      DataError: if some are missing, or of another kind.
    """
    features = builder.info.features
    found = [
        f"has no feature {name!r}; it has {', '.join(sorted(features))}"
        for name in ("image", "label", *columns)
        if name not in features
    ]
    if found:
        raise DataError(str(path), found)
    image = features["image"]
    if not isinstance(image, tfds.features.Image) or image.np_dtype != np.uint8:
        found.append("feature 'image' is no image of 8 bits")
    if _kind(features["label"]) not in ("b", "u", "i"):
        found.append("feature 'label' is no class and no integer")
    found += [
        f"feature {name!r} is no single number or word"
        for name in columns
        if _kind(features[name]) not in ("b", "u", "i", "f", "O")
    ]
    if found:
        raise DataError(str(path), found)
    group = GROUPS.get(builder.name, ("",))[0]
    words = [
        name
        for name in (*NAMES, group)
        if name in features and _kind(features[name]) == "O"
    ]
    return list(dict.fromkeys(("label", *words, *columns)))


def _kind(feature: Any) -> str:
    """NumPy's kind of a single value, "O" for words; "" of anything else."""
    if isinstance(feature, tfds.features.Text):
        return "O"
    kind = getattr(feature, "np_dtype", None)
    if not isinstance(kind, type | np.dtype) or feature.shape != ():
        return ""
    return np.dtype(kind).kind.replace("O", "")


def _values(
    sources: Mapping[str, Sequence[Any]], wanted: Sequence[str], path: Path
) -> tuple[dict[str, list[Any]], list[str]]:
    """The wanted features of all records, and labels that are none."""
    count = sum(map(len, sources.values()))
    progress = run_log.Progress("read labels", count, "images")
    values: dict[str, list[Any]] = {key: [] for key in wanted}
    found = []
    for name, source in sources.items():
        for start in range(0, len(source), _BATCH):
            some = range(start, min(start + _BATCH, len(source)))
            where = f"{name}, records {some[0]} to {some[-1]}:"
            with told(path, f"{where} cannot be read"):
                read: Any = source.__getitems__(list(some))  # type: ignore
                for record in read:
                    for key in wanted:
                        values[key].append(_value(record[key]))
            found += [
                f"{name}, record {position}: label is {label}"
                for position, label in zip(
                    some, values["label"][-len(some) :], strict=True
                )
                # TFDS has -1 for a class that is not known.
                if not 0 <= label < 2**31
            ]
            progress.update(len(values["label"]))
    return values, found


def _value(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode()
    return np.asarray(value).item()


def _entries(
    name: str,
    places: Sequence[tuple[str, int]],
    values: Mapping[str, Sequence[Any]],
    config: config_lib.Config,
) -> list[records.Entry]:
    labels = [int(label) for label in values["label"]]
    key = next((key for key in NAMES if key in values), "")
    ids = records.safe_ids(
        values[key] if key else [f"{of}-{at:06d}" for of, at in places]
    )
    groups = _groups(name, ids, values)
    chosen = [SPLITS[of] for of, _ in places]
    if set(chosen) != set(SPLITS.values()):
        if len(set(chosen)) > 1:
            logging.warning(
                "%s has not all of %s: all its images are split anew",
                *(config.data.path, ", ".join(SPLITS)),
            )
        chosen = splits.assign(
            labels, groups, config.data.split_fractions, config.seed
        )
    columns = {key: _column(values[key]) for key in config.data.columns}
    return [
        records.Entry(*row, {key: columns[key][number] for key in columns})
        for number, row in enumerate(
            zip(ids, labels, groups, chosen, strict=True)
        )
    ]


def _names(
    entries: Sequence[records.Entry], values: Mapping[str, Sequence[Any]]
) -> list[records.Name]:
    """What the set calls its images; a group of one image is no patient."""
    key = next((key for key in NAMES if key in values), "")
    given = values[key] if key else [""] * len(entries)
    return [
        records.Name(
            name, patient="" if entry.group == entry.id else entry.group
        )
        for name, entry in zip(given, entries, strict=True)
    ]


def _column(values: Sequence[Any]) -> Sequence[str | float | None]:
    if values and isinstance(values[0], str):
        return values
    return manifest.typed([str(float(value)) for value in values])


def _groups(
    name: str, ids: Sequence[str], values: Mapping[str, Sequence[Any]]
) -> list[str]:
    feature, pattern = GROUPS.get(name, ("", ""))
    if feature not in values:
        return list(ids)
    found = (re.search(pattern, text) for text in values[feature])
    return [
        match.group() if match else id_
        for match, id_ in zip(found, ids, strict=True)
    ]

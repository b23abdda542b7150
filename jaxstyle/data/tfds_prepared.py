"""Opens a folder that TFDS has prepared, without TensorFlow.

A set describes itself in two JSON files. TFDS imports the module of each
feature that they name, so they are looked through before it reads them.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds

from jaxstyle.data import manifest
from jaxstyle.data.problems import DataError, told

FORMAT = "array_record"

_INFO, _FEATURES = "dataset_info.json", "features.json"
_OWN = "tensorflow_datasets.core.features."


def builder(path: Path) -> Any:
    """TFDS's reader of the folder of one version of a set.

    Raises:
      DataError: if it is no such folder, is damaged, was prepared in another
        format than array_record, or names code that is not TFDS's own.
    """
    for name in (_INFO, _FEATURES):
        if not (path / name).is_file():
            text = (
                f"is no prepared TFDS set: {name} is missing; give the folder "
                "of one version, such as tfds/patch_camelyon/2.0.0"
            )
            raise DataError(str(path), [text])
    with told(path):
        info, features = (
            json.loads((path / name).read_text(encoding="utf-8"))
            for name in (_INFO, _FEATURES)
        )
        found = [*_code(info), *_code(features), *_format_problems(info)]
        if "type" in features:
            found.append(
                "was prepared by a TFDS that is too old; prepare it once more"
            )
    if found:
        raise DataError(str(path), found)
    with told(path):
        return tfds.builder_from_directory(path)


def sources(
    reader: Any, known: Sequence[str], path: Path
) -> dict[str, Sequence[dict[str, Any]]]:
    """The records of each split, by position; images stay bytes.

    Args:
      reader: of `builder`.
      known: the splits that there may be, in the order of the answer.
      path: the folder.

    Raises:
      DataError: if there are others, or if a file is missing.
    """
    found = [
        f"has a split {name!r}; known are {', '.join(known)}: take it out of "
        f"{_INFO}"
        for name in reader.info.splits
        if name not in known
    ]
    with told(path):
        found += [
            f"split {name!r}: {file} is no file in this folder"
            for name, split in reader.info.splits.items()
            for file in map(Path, split.filepaths)
            if not (file.is_file() and manifest.stays_inside(file, path))
        ]
    if found:
        raise DataError(str(path), found)
    decoders = {
        name: tfds.decode.SkipDecoding()
        for name, feature in reader.info.features.items()
        if isinstance(feature, tfds.features.Image)
    }
    with told(path):
        return {
            name: reader.as_data_source(split=name, decoders=decoders)
            for name in known
            if name in reader.info.splits
        }


def _code(values: Any) -> Iterator[str]:
    """What TFDS would import, or parse anew, of a description."""
    if isinstance(values, list):
        for value in values:
            yield from _code(value)
    if not isinstance(values, dict):
        return
    for key, value in values.items():
        if key in ("pythonClassName", "python_class_name"):
            if not str(value).startswith(_OWN):
                yield f"has a feature {value!r}, which is none of TFDS's own"
        elif key in ("jsonFeature", "json_feature"):
            yield f"has a feature that cannot be checked: {value}"
        yield from _code(value)


def _format_problems(info: Mapping[str, Any]) -> list[str]:
    found = info.get("fileFormat", "tfrecord")
    if found == FORMAT:
        return []
    return [
        f"was prepared as {found}; prepare it once more, in another folder, "
        f"with file_format='{FORMAT}', which can be read without TensorFlow"
    ]

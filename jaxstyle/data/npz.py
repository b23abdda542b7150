"""A source of images in one npz file of arrays."""

import itertools
import math
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from jaxstyle import config as config_lib
from jaxstyle.data import (
    geometry,
    manifest,
    pseudonyms,
    records,
    samples,
    splits,
)
from jaxstyle.data.problems import DataError

_KNOWN = ("image", "label", "split", "patient", "id", "name")
# Bytes of one array, unpacked.
MAX_BYTES = 2**34
# Images pack to a tenth, masks to a hundredth; zeros to a thousandth.
MAX_RATIO = 200
# So few bytes do no harm.
_SMALL = 2**24


def open_source(config: config_lib.Config) -> records.Source:
    """The arrays of `config.data.path`, checked.

    Keys: `image` [N, H, W] or [N, H, W, 1 or 3] of integers or floats,
    `label` [N] integers; optionally `split` [N] ("train", "val", "test";
    made by patient where missing), `patient` [N] and `id` or `name` [N],
    and those of numbers or words that `data.columns` names. Without
    `patient` each image is its own patient. The arrays are held in memory.

    Raises:
      DataError: listing all that is wrong.
    """
    path = Path(config.data.path)
    arrays = _read(path, config.data.columns)
    found = _shape_problems(arrays, config.data.columns)
    if found:
        raise DataError(str(path), found)
    try:
        entries, found = _entries(arrays, config)
    # NumPy keeps bytes that are no text until they are taken as such.
    except (ValueError, SystemError) as error:
        raise DataError(str(path), [f"holds damaged text ({error})"]) from error
    images = arrays["image"]
    found += _value_problems(images, config.data)
    if found:
        raise DataError(str(path), found)

    def load(number: int) -> records.Sample:
        pixels = images[number]
        if pixels.ndim == 2:
            pixels = pixels[..., None]
        return samples.of_pixels(pixels, config.data)

    dtype = records.stored_dtype([images.dtype])
    return records.Source(
        "npz", dtype, entries, load, str(path), names=_names(arrays)
    )


def names(path: Path) -> list[records.Name]:
    """What the file calls its images and patients.

    Raises:
      DataError: if it cannot be read.
    """
    return _names(_read(path, (), ("patient", "id", "name")))


def _names(arrays: dict[str, np.ndarray]) -> list[records.Name]:
    """One per row; none where there are no names."""
    called = _texts(arrays, "id") or _texts(arrays, "name")
    patients = _texts(arrays, "patient")
    if not called and not patients:
        return []
    rows = itertools.zip_longest(called or [], patients or [], fillvalue="")
    return [records.Name(image, "", patient) for image, patient in rows]


def _read(
    path: Path, carried: Sequence[str], known: Sequence[str] = _KNOWN
) -> dict[str, np.ndarray]:
    problem = "is not an npz file of plain arrays"
    if path.is_file() and not zipfile.is_zipfile(path):
        raise DataError(str(path), [problem])
    try:
        # Pickled arrays could run code.
        with np.load(path, allow_pickle=False) as file:
            there = [key for key in (*known, *carried) if key in file.files]
            for key in there:
                _check_member(file.zip, f"{key}.npy")
            return {key: file[key] for key in there}
    except FileNotFoundError:
        raise DataError(str(path), ["the file does not exist"]) from None
    # Damaged headers make it raise anything, TokenError included.
    except Exception as error:
        raise DataError(str(path), [f"{problem} ({error})"]) from error


def _check_member(file: zipfile.ZipFile, name: str) -> None:
    """Refuses what takes much more memory than it seems to.

    Raises:
      ValueError: naming the array.
    """
    if name not in file.namelist():
        raise ValueError(f"{name} is no array")
    told = file.getinfo(name)
    small = told.file_size <= MAX_RATIO * told.compress_size
    if told.file_size > MAX_BYTES or not (small or told.file_size < _SMALL):
        raise ValueError(
            f"{name} unpacks from {told.compress_size} to {told.file_size} "
            f"bytes, more than {MAX_BYTES} or {MAX_RATIO} times as much"
        )
    with file.open(name) as member:
        version = np.lib.format.read_magic(member)
        read = np.lib.format.read_array_header_1_0
        if version != (1, 0):
            read = np.lib.format.read_array_header_2_0
        shape, _, dtype = read(member)
        claimed = math.prod(shape) * dtype.itemsize
        # An array is made before its bytes are read.
        if not dtype.hasobject and claimed > told.file_size:
            raise ValueError(f"{name} claims {claimed} bytes and has fewer")


def _shape_problems(
    arrays: dict[str, np.ndarray], carried: Sequence[str]
) -> list[str]:
    found = [
        f"has no array {key!r}"
        for key in ("image", "label", *carried)
        if key not in arrays
    ]
    if found:
        return found
    image = arrays["image"]
    plain = image.ndim == 3 or (image.ndim == 4 and image.shape[-1] in (1, 3))
    if not plain or 0 in image.shape:
        found.append(
            f"image has shape {image.shape}; give [N, H, W] or "
            "[N, H, W, 1 or 3]"
        )
    if image.dtype.kind not in "buif":
        found.append(f"image has type {image.dtype}; give numbers")
    found += _label_problems(arrays["label"])
    found += [
        f"{key} has type {arrays[key].dtype}; give numbers or words"
        for key in carried
        if arrays[key].dtype.kind not in "buifUS"
    ]
    return found + [
        f"{key} has shape {array.shape} where image has {len(image)} rows"
        for key, array in arrays.items()
        if key != "image" and array.shape != (len(image),)
    ]


def _label_problems(labels: np.ndarray) -> list[str]:
    if labels.dtype.kind not in "bui":
        return [f"label has type {labels.dtype}; give integers"]
    limits = np.iinfo(np.int32)
    outside = (labels < limits.min) | (labels > limits.max)
    if outside.any():
        return [f"label has {labels[outside][0]}; give integers of 32 bits"]
    return []


def _entries(
    arrays: dict[str, np.ndarray], config: config_lib.Config
) -> tuple[list[records.Entry], list[str]]:
    labels = [int(label) for label in arrays["label"]]
    count = len(labels)
    names = _texts(arrays, "id") or _texts(arrays, "name")
    ids = records.safe_ids(names or [f"{i:06d}" for i in range(count)])
    groups = _texts(arrays, "patient") or ids
    given = _texts(arrays, "split")
    unknown = [
        f"row {row}: split is {name!r}; use train, val or test"
        for row, name in enumerate(given or [])
        if name not in splits.NAMES
    ]
    if unknown:
        return [], unknown
    chosen = given or splits.assign(
        labels, groups, config.data.split_fractions, config.seed
    )
    found = splits.problems(chosen, labels, groups, config.data)
    found += [
        f"row {row}: patient is empty; fill it in all rows, or leave the "
        "array out"
        for row, group in enumerate(groups)
        if not group
    ]
    columns = _columns(arrays, config.data.columns, count)
    cells = {name: _cells(arrays[name]) for name in config.data.columns}
    found += pseudonyms.column_problems(cells, config.data)
    rows = zip(ids, labels, groups, chosen, columns, strict=True)
    return [records.Entry(*row) for row in rows], found


def _columns(
    arrays: dict[str, np.ndarray], names: Sequence[str], count: int
) -> list[dict[str, str | float | None]]:
    values = {}
    for name in names:
        words = arrays[name].dtype.kind in "US"
        values[name] = (
            _texts(arrays, name)
            if words
            else manifest.typed([str(float(cell)) for cell in arrays[name]])
        )
    return [{name: values[name][i] for name in names} for i in range(count)]


def _cells(array: np.ndarray) -> list[str]:
    """As a table would have them: 20240131.0 is 20240131."""
    if array.dtype.kind == "f":
        return [f"{value:.15g}" for value in array]
    return _texts({"": array}, "") or []


def _texts(arrays: dict[str, np.ndarray], key: str) -> list[str] | None:
    if key not in arrays:
        return None
    return [
        value.decode() if isinstance(value, bytes) else str(value)
        for value in arrays[key].tolist()
    ]


def _value_problems(
    images: np.ndarray, data: config_lib.DataConfig
) -> list[str]:
    if images.dtype.kind != "f":
        return []
    found = []
    for row, image in enumerate(images):
        try:
            geometry.to_unit(image, data.intensity_range)
        except ValueError as error:
            found.append(f"row {row}: image {error}")
    return found

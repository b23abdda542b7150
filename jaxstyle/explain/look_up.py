"""Finds the file behind a pseudonym again, by hashing all names anew."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jaxstyle.config import Config
from jaxstyle.data import (
    manifest,
    npz,
    problems,
    pseudonyms,
    tfds_catalogue,
)
from jaxstyle.explain import sources


def run(config: Config, root: str | Path, wanted: str) -> dict[str, Any]:
    """What the pseudonym of an image or a patient stands for.

    Args:
      config: of the run; its data, walk.images and project.images are
        searched.
      root: its workdir, with the salt.
      wanted: the id; the number of a frame behind it counts for nothing.

    Returns:
      {"1": file or row, ...}: one of an image, all of a patient.

    Raises:
      DataError: if nothing there has this pseudonym.
      WorkdirError: if there is no salt.
    """
    known = pseudonyms.existing(root)
    stem = pseudonyms.stem(wanted)
    found = dict.fromkeys(
        told
        for names, told in _names(config)
        if any(name and known.of(name) == stem for name in names)
    )
    if not found:
        raise problems.DataError(
            config.data.path,
            [
                f"no image and no patient there, nor in walk.images and "
                f"project.images, has the id {wanted!r} under {root}"
            ],
        )
    return {str(n): told for n, told in enumerate(found, start=1)}


def _names(config: Config) -> Iterator[tuple[tuple[str, ...], str]]:
    """Names that have pseudonyms, each with what to tell of it."""
    path = Path(config.data.path)
    if config.data.source == "folder":
        for row in manifest.read(path, config.data.columns)[0]:
            names = (row.id or row.path, row.patient)
            yield names, str(path.parent / row.path)
    if config.data.source == "npz":
        for number, names in enumerate(npz.names(path)):
            yield (names.image, names.patient), f"row {number} of {path}"
    if config.data.source == "tfds":
        source = tfds_catalogue.open_source(config)
        for number, name in enumerate(source.names):
            yield (name.image, name.patient), f"image {number} of {path}"
    for place in (config.walk.images, config.project.images):
        if place:
            for name, file in sources.listed(Path(place)).items():
                yield (name,), str(file)

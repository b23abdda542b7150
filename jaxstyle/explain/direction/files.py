"""A direction on disk."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from jaxstyle import workdir
from jaxstyle.config import Config
from jaxstyle.explain.direction.curved import Curved
from jaxstyle.explain.direction.linear import Linear
from jaxstyle.explain.direction.protocol import Direction
from jaxstyle.explain.direction.region import Region
from jaxstyle.explain.direction.rows import ByRows
from jaxstyle.explain.direction.transport import Transported

_FILE = "direction.npz"
_REGION = "region_"
_KINDS: dict[str, Any] = {
    "linear": Linear,
    "by_rows": ByRows,
    "curved": Curved,
    "transported": Transported,
}


def save(directory: Path, direction: Direction) -> None:
    """Writes the direction into the stage's folder."""
    kinds = {each: name for name, each in _KINDS.items()}
    values = _fields(direction)
    region = _fields(values.pop("region"))
    np.savez(
        directory / _FILE,
        kind=kinds[type(direction)],
        **values,
        **{_REGION + name: value for name, value in region.items()},
    )


def load(config: Config, root: str | Path) -> Direction:
    """The direction of a finished fit."""
    path = workdir.stage(config, root, "direction").path / _FILE
    with np.load(path, allow_pickle=False) as file:
        values = {name: _plain(file[name]) for name in file.files}
    region = {
        name.removeprefix(_REGION): values.pop(name)
        for name in list(values)
        if name.startswith(_REGION)
    }
    kind = _KINDS[values.pop("kind")]
    return kind(**values, region=Region(**region))


def _fields(values: Any) -> dict[str, Any]:
    return {
        item.name: getattr(values, item.name)
        for item in dataclasses.fields(values)
        if item.init
    }


def _plain(array: np.ndarray) -> Any:
    """Numbers and words as they were saved."""
    return array if array.ndim else array.item()

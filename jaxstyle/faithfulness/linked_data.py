"""A run's prepared images once more, for a classifier beside the run."""

import csv
import os
from collections.abc import Callable
from pathlib import Path

from jaxstyle import workdir
from jaxstyle.config import Config
from jaxstyle.data import builders, prepare

Rows = list[dict[str, str]]


def link(
    config: Config,
    root: str | Path,
    other: Config,
    folder: Path,
    relabelled: Callable[[Rows], Rows] | None = None,
) -> None:
    """Makes the data of another workdir complete, without copying images.

    Args:
      config: the run's.
      root: its workdir.
      other: the new workdir's: `config`, or the same under another seed.
      folder: the new workdir; made if missing.
      relabelled: the new rows of the index, which has the labels; None
        keeps them.

    Raises:
      WorkdirError: if the data are not prepared.
    """
    if workdir.is_complete(other, folder, "data"):
        return
    theirs = prepare.prepared(config, root)
    stage = workdir.begin(other, folder, "data")
    mine = stage.path / theirs.name
    mine.mkdir(exist_ok=True)
    for item in theirs.iterdir():
        link = mine / item.name
        written = relabelled is not None and item.name == builders.INDEX
        if not written and not link.is_symlink():
            # Relative, so that the whole run may be moved.
            link.symlink_to(
                os.path.relpath(item.resolve(), mine.resolve()), item.is_dir()
            )
    if relabelled is not None:
        rows = relabelled(_read(theirs / builders.INDEX))
        _write(mine / builders.INDEX, rows)
    workdir.finish(stage, workdir.result(config, root, "data"), 0.0)


def _read(index: Path) -> Rows:
    with index.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _write(index: Path, rows: Rows) -> None:
    with index.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)

"""The first stage: any source of images becomes a TFDS dataset."""

import logging
import time
from collections import Counter
from pathlib import Path
from typing import Any

from jaxstyle import config as config_lib
from jaxstyle import workdir as workdir_lib
from jaxstyle.data import (
    builders,
    card,
    pseudonyms,
    records,
    refusals,
    splits,
)

_DATASET = "dataset"
# The dataset's card, beside it.
CARD, SHEET = "card.json", "card.png"


def run(config: config_lib.Config, workdir: str | Path) -> dict[str, Any]:
    """Writes the config's images to WORKDIR/data, with their card.

    Returns:
      Counts of images by split, class and label, of patients by split, what
      the images are, how their intensities were mapped, and warnings.

    Raises:
      DataError: listing every problem of the source, each with row and
        file; then no dataset is left behind.
    """
    start = time.monotonic()
    stage = workdir_lib.begin(config, workdir, "data")
    source = open_source(config, workdir)
    source, seen = builders.build(source, config.data, stage.path / _DATASET)
    stage.refused.unlink(missing_ok=True)
    if config.data.skip_unreadable:
        refusals.write(stage.refused, source.refused)
    told = card.describe(source, seen, config.data)
    workdir_lib.write_json(stage.path / CARD, told)
    sheet = card.sheet(source, seen, config.data)
    card.save_sheet(sheet, stage.path / SHEET)
    for text in told["warnings"]:
        logging.warning("%s: %s", source.origin, text)
    result = summary(source, config.data)
    result |= {
        key: told[key] for key in ("intensity", "duplicates", "warnings")
    }
    workdir_lib.finish(stage, result, time.monotonic() - start)
    logging.info("prepared %s: %s", source.origin, result["images"])
    return result


def open_source(
    config: config_lib.Config, workdir: str | Path
) -> records.Source:
    """The source that the config names, under the run's pseudonyms.

    Raises:
      DataError: listing all that is wrong with it.
    """
    return pseudonyms.applied(builders.open_source(config), config, workdir)


def prepared(config: config_lib.Config, workdir: str | Path) -> Path:
    """The folder of the dataset and its index.

    Raises:
      WorkdirError: if the data have not been prepared under this config.
    """
    if not workdir_lib.is_complete(config, workdir, "data"):
        raise workdir_lib.WorkdirError(
            f"{workdir}: the data are not prepared under this config; run "
            "`python -m launch.prepare_data` with the same --config and "
            "--workdir first"
        )
    return workdir_lib.stage(config, workdir, "data").path / _DATASET


def summary(
    source: records.Source, data: config_lib.DataConfig
) -> dict[str, Any]:
    """The numbers of `result.json`."""
    classes = card.classes(source.entries, data)
    labels: dict[str, Counter[str]] = {n: Counter() for n in splits.NAMES}
    groups: dict[str, set[str]] = {name: set() for name in splits.NAMES}
    for entry in source.entries:
        labels[entry.split][str(entry.label)] += 1
        groups[entry.split].add(entry.group)
    refused = {"refused": len(source.refused)} if data.skip_unreadable else {}
    return refused | {
        "source": data.source,
        # Folders may be called after a hospital.
        "origin": Path(source.origin).name,
        "resolution": data.resolution,
        "channels": data.channels,
        "stored_as": source.dtype.name,
        "images": {n: sum(classes[n].values()) for n in splits.NAMES},
        "groups": {name: len(groups[name]) for name in splits.NAMES},
        "classes": classes,
        "labels": {name: dict(labels[name]) for name in splits.NAMES},
    }

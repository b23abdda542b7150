"""One generator and encoder for all classifiers of a seed.

An unconditional GAN and an encoder learn from images alone, so runs whose
data differ by their labels only would train the very same ones: the order
of the images and all draws follow from the seed. They are copied instead.
"""

import dataclasses
import shutil
from pathlib import Path
from typing import Any

from jaxstyle import config as config_lib
from jaxstyle import workdir

STAGES = ("gan", "encoder")


def adopt(
    config: config_lib.Config,
    root: Path,
    theirs: config_lib.Config,
    there: Path,
) -> None:
    """Takes over generator and encoder of a run on the same images.

    Args:
      config: of the run that gets them; its data are prepared.
      root: its workdir.
      theirs: config of the run that has trained them.
      there: its workdir.

    Raises:
      ConfigError: if more than the labels' meaning differs.
      WorkdirError: if a stage is missing.
    """
    _check(config, theirs)
    for name in STAGES:
        if workdir.is_complete(config, root, name):
            continue
        if not workdir.is_complete(theirs, there, name):
            raise workdir.WorkdirError(
                f"{there / name} is not complete: nothing can be copied to "
                f"{root}"
            )
        stage = workdir.begin(config, root, name)
        shutil.copytree(
            workdir.stage(theirs, there, name).exported,
            stage.exported,
            dirs_exist_ok=True,
        )
        told = workdir.result(theirs, there, name)
        result = _without_f(told) | {"copied_from": str(there)}
        workdir.finish(stage, result, 0.0)


def is_adopted(config: config_lib.Config, root: Path) -> bool:
    """Whether all is there."""
    return all(workdir.is_complete(config, root, name) for name in STAGES)


def _check(mine: config_lib.Config, theirs: config_lib.Config) -> None:
    data = dataclasses.replace(
        theirs.data,
        positive_labels=mine.data.positive_labels,
        class_names=mine.data.class_names,
    )
    same = all(
        getattr(mine, name) == getattr(theirs, name)
        for name in ("name", "seed", "gan", "encoder")
    )
    if not same or mine.data != data or mine.gan.classes:
        raise config_lib.ConfigError(
            "a generator and an encoder can be shared only by runs whose "
            "configs differ in data.positive_labels and data.class_names "
            "alone, with gan.classes = 0"
        )


def _without_f(result: dict[str, Any]) -> dict[str, Any]:
    """What the encoder's numbers say of its run's own classifier is left."""
    if "test" not in result:
        return result
    test = {key: v for key, v in result["test"].items() if key != "gap"}
    return result | {"test": test}

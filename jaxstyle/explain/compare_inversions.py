"""Compares ways to invert the generator, on the same generator and images.

W against W+, refinement passes, the adaptation to real images, a term on f
and, from the codes that each encoder ends at, per-image optimisation.

Writes WORKDIR/compare_inversions/: <way>/, an ordinary run folder with an
encoder of its own; <way>.json as soon as it is measured, and not measured
again by a later run; comparison.png; and result.json.
"""

import dataclasses
import logging
import time
from pathlib import Path
from typing import Any

from jaxstyle import parallel, predictors, workdir
from jaxstyle.config import Config
from jaxstyle.config.checks import require
from jaxstyle.encoder import train as encoder_train
from jaxstyle.explain import inversion_measure
from jaxstyle.explain.inversion_files import Files

# Passes of the refined encoders where the config's own has none.
_REFINEMENTS = 2
# More than learnt are tried, too.
_MOST_REFINEMENTS = 5
_PICTURED = 6


def run(config: Config, root: str | Path) -> dict[str, Any]:
    """Trains and measures an encoder for each way; goes on where it stopped.

    Images are the first `walk.limit` of `walk.split`; 100 of them are
    projected.

    Returns:
      By way, a list of what `inversion_measure.measure` tells after 0, 1, ..
      refinements and, last, after projection.

    Raises:
      ConfigError: if the config asks for other images than a split.
      stopping.Stopped: after a signal to stop a training, when it is saved.
    """
    started = time.monotonic()
    require(
        not config.walk.images,
        "walk.images",
        config.walk.images,
        "inversions are compared on a split; leave it empty",
    )
    parallel.require_one_process("comparing inversions")
    stage = workdir.begin(config, root, "compare_inversions")
    predictors.claim(stage.path, predictors.load(config, root), config)
    files = Files(stage.path)
    configs = ways(config)
    for number, (way, mine) in enumerate(configs.items(), 1):
        if files.is_done(way):
            continue
        logging.info("way %d of %d: %s", number, len(configs), way)
        _share_inputs(config, Path(root).absolute(), files.workdir(way))
        _measure(mine, files, way)
    files.draw(list(configs), config.target)
    result = {way: files.numbers(way) for way in configs}
    workdir.finish(stage, result, time.monotonic() - started)
    return result


def ways(config: Config) -> dict[str, Config]:
    """A config for each encoder, which differs in nothing but E's training.

    A term on f is tried where f is the built-in network.
    """
    refined = config.encoder.refinements or _REFINEMENTS
    changes: dict[str, dict[str, Any]] = {}
    for space in ("w_plus", "w"):
        plain = {"space": space, "refinements": 0, "predictor_weight": 0.0}
        changes[f"{space}_synthetic"] = plain | {"adapt_kimg": 0.0}
        changes[f"{space}_adapted"] = plain
        changes[f"{space}_refined"] = plain | {"refinements": refined}
    if config.predictor.kind == "checkpoint":
        weight = config.encoder.predictor_weight or 1.0
        changes["w_plus_refined_f"] = changes["w_plus_refined"] | {
            "predictor_weight": weight
        }
    return {
        name: dataclasses.replace(
            config, encoder=dataclasses.replace(config.encoder, **change)
        )
        for name, change in changes.items()
    }


def _measure(config: Config, files: Files, way: str) -> None:
    root = files.workdir(way)
    if not workdir.is_complete(config, root, "encoder"):
        encoder_train.run(config, root)
    found = inversion_measure.measure(config, root, _counts(config), _PICTURED)
    files.write(way, *found)


def _counts(config: Config) -> range:
    """Refinements to measure: an encoder that learnt none has no use of any."""
    most = _MOST_REFINEMENTS if config.encoder.refinements else 0
    return range(most + 1)


def _share_inputs(config: Config, root: Path, folder: Path) -> None:
    """Links the finished stages that all ways have in common."""
    folder.mkdir(exist_ok=True)
    names = ["data", "gan"]
    if config.predictor.kind == "checkpoint":
        names.append("classifier")
    for name in names:
        link = folder / name
        if not link.exists():
            link.symlink_to(root / name, target_is_directory=True)

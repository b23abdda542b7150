"""The ground-truth benchmark: does an explanation show what f truly uses?

Shortcuts are planted into real images, each independently of the others; a
classifier is trained for each and has every reason to ignore the rest; its
explanations must show that shortcut and no other. One more classifier
learns the real class, and its explanations must show none of them.

Writes WORKDIR/seed_N/planted.npz, WORKDIR/seed_N/TARGET/ (an ordinary run
folder each), WORKDIR/times.json, result.json and sheet.png. What is done
already is not done again.
"""

import dataclasses
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jaxstyle import config as config_lib
from jaxstyle import workdir
from jaxstyle.benchmark import machine
from jaxstyle.classifier import train as classifier
from jaxstyle.config.faithfulness import FaithfulnessConfig, as_dict
from jaxstyle.data import prepare
from jaxstyle.encoder import train as encoder
from jaxstyle.explain import direction, render
from jaxstyle.faithfulness import measure, planting, sharing, sheet, summary
from jaxstyle.faithfulness.planting import CLASS
from jaxstyle.faithfulness.tasks import Task, Times, all_tasks
from jaxstyle.stylegan2 import train as gan

_RUN: dict[str, Callable[[config_lib.Config, Path], Any]] = {
    "data": prepare.run,
    "classifier": classifier.run,
    "gan": gan.run,
    "encoder": encoder.run,
    "direction": direction.run,
    "render": render.run,
}


def run(config: FaithfulnessConfig, root: str | Path) -> dict[str, Any]:
    """Runs what is not done yet, seed by seed; goes on where it was stopped.

    The result is written after each seed.

    Returns:
      `summary.summarised`, and settings, machine, versions, commit, seconds.

    Raises:
      WorkdirError: if the folder holds images that were planted under other
        settings.
      DataError: listing all that is wrong with the images.
      stopping.Stopped: after a signal to stop a training, when it is saved.
    """
    here = _Folder(config, Path(root).absolute())
    here.path.mkdir(parents=True, exist_ok=True)
    times = Times(here.path / "times.json")
    tasks = all_tasks(config)
    result: dict[str, Any] = {}
    for count, seed in enumerate(config.seeds, 1):
        for task in tasks:
            if task.seed != seed or here.is_done(task):
                continue
            logging.info("%s", task)
            here.do_timed(task, times)
            waiting = [one for one in tasks if not here.is_done(one)]
            logging.info(
                "%s: done; %d of %d tasks are left, %s",
                *(task, len(waiting), len(tasks)),
                times.left(tasks, waiting),
            )
        result = here.report(count, times)
    return result


@dataclasses.dataclass(frozen=True)
class _Folder:
    """A benchmark's folder.

    Attributes:
      config: the benchmark's.
      path: absolute.
    """

    config: FaithfulnessConfig
    path: Path

    def planted(self, seed: int) -> Path:
        """The seed's data set."""
        return self.path / f"seed_{seed}" / "planted.npz"

    def of(self, seed: int, target: str) -> tuple[config_lib.Config, Path]:
        """Config and workdir of one run."""
        mine = planting.target_config(
            self.config, seed, self.planted(seed), target
        )
        return mine, self.path / f"seed_{seed}" / target

    def is_done(self, task: Task) -> bool:
        """Whether a task need not be run; its own inputs may be missing."""
        if task.stage == "plant":
            return planting.is_written(
                self.config, task.seed, self.planted(task.seed)
            )
        mine, root = self.of(task.seed, task.target)
        if task.stage == "copy":
            return sharing.is_adopted(mine, root)
        if task.stage == "scores":
            told = measure.read(self.config, mine, root, task.target)
            return told is not None
        if task.stage in ("direction", "render") and self._is_hopeless(task):
            return True
        return workdir.is_complete(mine, root, task.stage)

    def _is_hopeless(self, task: Task) -> bool:
        """Whether f is known not to have learnt: then nothing is explained."""
        mine, root = self.of(task.seed, task.target)
        trained = workdir.is_complete(mine, root, "classifier")
        return trained and not measure.learnt(self.config, mine, root)

    def do_timed(self, task: Task, times: Times) -> None:
        """Runs a task and notes how long it took, even where it failed."""
        started = time.monotonic()
        try:
            self.do(task)
        finally:
            times.took(task, time.monotonic() - started)

    def do(self, task: Task) -> None:
        """Runs a task whose inputs are there."""
        if task.stage == "plant":
            planting.write(self.config, task.seed, self.planted(task.seed))
            return
        mine, root = self.of(task.seed, task.target)
        if task.stage == "copy":
            sharing.adopt(mine, root, *self.of(task.seed, CLASS))
        elif task.stage == "scores":
            planted = planting.load(
                self.config, task.seed, self.planted(task.seed)
            )
            measure.run(self.config, mine, root, task.target, planted)
        else:
            _RUN[task.stage](mine, root)

    def report(self, seeds: int, times: Times) -> dict[str, Any]:
        """Writes result.json and sheet.png of the first seeds."""
        targets = (CLASS, *self.config.plants.kinds)
        runs = [
            (seed, target)
            for seed in self.config.seeds[:seeds]
            for target in targets
        ]
        records = []
        for seed, target in runs:
            told = measure.read(self.config, *self.of(seed, target), target)
            assert told is not None
            records.append(told)
        result = {
            **summary.summarised(self.config, records),
            "settings": as_dict(self.config),
            "seeds": list(self.config.seeds[:seeds]),
            "machine": machine.describe(),
            "versions": machine.versions(),
            "commit": machine.commit(),
            "seconds": times.total(),
        }
        workdir.write_json(self.path / "result.json", result)
        shown = [
            (
                target,
                f"seed {seed}",
                self.of(seed, target)[1] / measure.FOLDER / measure.SHOWN,
            )
            for seed, target in runs
        ]
        sheet.write(self.path / "sheet.png", shown)
        logging.info("wrote %s", self.path / "result.json")
        return result

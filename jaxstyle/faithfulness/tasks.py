"""The benchmark's tasks, how long each took, and how long is left."""

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from jaxstyle import run_log, workdir
from jaxstyle.config.faithfulness import FaithfulnessConfig
from jaxstyle.faithfulness.planting import CLASS

TRAINED = ("data", "classifier", "gan", "encoder")
COPIED = ("data", "classifier", "copy")
EXPLAINED = ("direction", "render", "scores")


@dataclasses.dataclass(frozen=True)
class Task:
    """A stage of one run.

    Attributes:
      seed: of the run.
      target: what its classifier learns: a kind, or the class.
      stage: "plant" (for all targets at once), or one of the above.
    """

    seed: int
    target: str
    stage: str

    def __str__(self) -> str:
        if self.stage == "plant":
            return f"seed {self.seed}: plant"
        return f"seed {self.seed}, {self.target}: {self.stage}"


def all_tasks(config: FaithfulnessConfig) -> list[Task]:
    """In order; the class's run trains what the others copy."""
    tasks = []
    for seed in config.seeds:
        tasks.append(Task(seed, CLASS, "plant"))
        for target in (CLASS, *config.plants.kinds):
            first = TRAINED if target == CLASS else COPIED
            tasks += [Task(seed, target, s) for s in (*first, *EXPLAINED)]
    return tasks


class Times:
    """Seconds of finished tasks; a file keeps them over restarts.

    Args:
      path: JSON file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seconds: dict[str, float] = (
            workdir.read_json(path) if path.exists() else {}
        )

    def took(self, task: Task, seconds: float) -> None:
        """Notes a task; one that was interrupted is told by its parts."""
        before = self._seconds.get(str(task), 0.0)
        self._seconds[str(task)] = before + seconds
        workdir.write_json(self._path, self._seconds)

    def total(self) -> float:
        """Of all tasks so far."""
        return sum(self._seconds.values())

    def left(self, tasks: Sequence[Task], waiting: Iterable[Task]) -> str:
        """How long the waiting tasks will take, by the others of their kind.

        "at least ..." where a stage has not been seen yet.
        """
        seen: dict[tuple[str, bool], list[float]] = defaultdict(list)
        waiting = list(waiting)
        for task in set(tasks) - set(waiting):
            if str(task) in self._seconds:
                seen[task.stage, task.target == CLASS].append(
                    self._seconds[str(task)]
                )
        seconds, known = 0.0, True
        for task in waiting:
            # A kind's and the class's differ in length, where both are seen.
            mine = task.target == CLASS
            like = seen[task.stage, mine] or seen[task.stage, not mine]
            seconds += float(np.mean(like)) if like else 0.0
            known = known and bool(like)
        return ("" if known else "at least ") + run_log.clock(seconds)

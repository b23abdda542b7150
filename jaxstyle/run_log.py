"""Metrics as JSON lines, and progress with speed and time left.

Progress goes to `logging`, which the launchers show; TensorBoard gets the
same numbers where `tensorboardX` is installed.
"""

import json
import logging
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax

from jaxstyle import parallel, workdir

PROGRESS_SECONDS = 10.0


class NonFiniteError(FloatingPointError):
    """A loss is NaN or infinite; the message names it and the step."""


class Progress:
    """Logs how far a long task is, how fast, and how long it still takes.

    Args:
      task: what is going on.
      total: units of the whole task.
      unit: name of a unit, such as "images".
      done: units already done before this run.
    """

    def __init__(
        self, task: str, total: float, unit: str, done: float = 0
    ) -> None:
        self._task, self._total, self._unit = task, total, unit
        self._start_done = done
        self._start = self._shown = time.monotonic()
        self._begun = False

    def update(self, done: float, note: str = "") -> None:
        """Tells that `done` units are done; logs at most every 10 s.

        The first units took as long as compilation did, which tells nothing
        about the rest: speed is counted from the first update on.
        """
        now = time.monotonic()
        ended = done >= self._total
        if now - self._shown >= PROGRESS_SECONDS or ended:
            self._shown = now
            pace = self._pace(done, now) if self._begun or ended else "begun"
            share = 100 * done / max(self._total, 1e-9)
            logging.info(
                "%s: %s/%s %s (%.0f %%), %s %s",
                self._task,
                f"{done:,.0f}",
                f"{self._total:,.0f}",
                self._unit,
                share,
                pace,
                note,
            )
        if not self._begun:
            self._begun = True
            self._start, self._start_done = now, done

    def _pace(self, done: float, now: float) -> str:
        speed = (done - self._start_done) / max(now - self._start, 1e-9)
        left = (self._total - done) / speed if speed > 0 else 0.0
        return f"{speed:.1f} {self._unit}/s, {clock(left)} left"


class RunLog:
    """The metrics of one trainer: `metrics.jsonl` and TensorBoard.

    On resume, lines at or after the restored step are dropped, so that the
    file reads as if the run had never been interrupted. Of several processes
    process 0 writes; all of them know `last` and refuse what is not finite.

    Attributes:
      last: values of the newest line that was kept; empty if there is none.
    """

    def __init__(self, path: Path, from_step: int) -> None:
        self._path = path
        self._unread: list[tuple[int, Mapping[str, Any]]] = []
        self.last: dict[str, Any] = parallel.on_main(
            lambda: _cut(path, from_step)
        )
        self._board = (
            _tensorboard(path.parent / "tensorboard")
            if parallel.is_main()
            else None
        )

    def saw(self, step: int, metrics: Mapping[str, Any]) -> None:
        """Takes a step's metrics for the next `check`, without waiting."""
        self._unread.append((step, metrics))

    def check(self) -> None:
        """Waits for all that `saw` was given.

        Raises:
          NonFiniteError: naming the first step with a value that is not.
        """
        unread, self._unread = self._unread, []
        for step, metrics in jax.device_get(unread):
            self._require_finite(step, metrics)

    def write(self, step: int, metrics: Mapping[str, Any]) -> None:
        """Appends one line, if all that `saw` was given is finite, too.

        Raises:
          NonFiniteError: if a value is not finite.
          WorkdirError: naming the file, if the disk is full.
        """
        self.check()
        values = {key: float(value) for key, value in metrics.items()}
        self._require_finite(step, values)
        if not parallel.is_main():
            return
        line = json.dumps({"step": step, **values}) + "\n"
        with workdir.full_disk_told(self._path), self._path.open("a") as file:
            file.write(line)
        if self._board is not None:
            for key, value in values.items():
                self._board.add_scalar(key, value, step)

    def _require_finite(self, step: int, metrics: Mapping[str, Any]) -> None:
        for key, value in metrics.items():
            if not math.isfinite(value):
                raise NonFiniteError(
                    f"{key} is {value} at step {step} ({self._path}); lower "
                    "the learning rate, or resume from the last checkpoint"
                )


def _cut(path: Path, from_step: int) -> dict[str, Any]:
    """Drops the lines from that step on; the last one that is kept."""
    kept = [line for line in read_metrics(path) if line["step"] < from_step]
    with workdir.replacing(path) as draft:
        draft.write_text("".join(json.dumps(line) + "\n" for line in kept))
    return kept[-1] if kept else {}


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The lines of a `metrics.jsonl`; a half-written last line is left out."""
    if not path.exists():
        return []
    lines = []
    for text in path.read_text().splitlines():
        try:
            lines.append(json.loads(text))
        except json.JSONDecodeError:
            logging.warning("%s: dropped a half-written line", path)
    return lines


def clock(seconds: float) -> str:
    """Seconds as h:mm:ss, or m:ss under an hour."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02d}:{rest:02d}"
    return f"{minutes}:{rest:02d}"


def _tensorboard(directory: Path) -> Any:
    try:
        from tensorboardX import SummaryWriter  # type: ignore
    except ImportError:
        return None
    return SummaryWriter(str(directory))

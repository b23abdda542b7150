"""Stopping a training on SIGTERM or Ctrl-C without losing work.

A trainer asks after every step whether to stop, saves, and raises `Stopped`:

    with StopSignals() as signals, contextlib.closing(saver):
        for step in range(first, total):
            ...
            stopped = signals.requested(step + 1)
            if saving or stopped:
                saver.save(step + 1, state, batches)
            if stopped:
                raise Stopped("gan", step + 1, total)

The signals are the outer block, so that what is being saved is on disk before
a signal ends the process again.
"""

import contextlib
import itertools
import logging
import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Any

import jax
from jax.experimental import multihost_utils

# Questions asked so far in this process, whichever trainer asked them.
_questions = itertools.count(1)


class Stopped(Exception):
    """A stage was asked to stop, and its work is saved.

    Args:
      stage: its name.
      step: the last one done, whose checkpoint is on disk.
      total: steps of the whole training.
    """

    def __init__(self, stage: str, step: int, total: int) -> None:
        super().__init__(
            f"{stage}: stopped as asked, with step {step} of {total} saved; "
            "the same command goes on from there"
        )


class StopSignals:
    """While entered, SIGTERM and SIGINT ask to stop after the current step.

    The first signal is only noted; a second SIGINT raises KeyboardInterrupt
    at once. On leaving, the handlers of before are back; they get a signal
    that came too late to end the block by an exception. In a thread other
    than the main one, where Python allows no handlers, nothing is changed.

    Several processes must stop after the same step. For that
    `jax.distributed.initialize` has its own handler of SIGTERM (the
    preemption service): a thread sees within a second that the signal came
    to this process, tells all others, and they agree on the number after the
    highest that any of them has reached. Python must not replace that
    handler, so SIGTERM is left alone there, and SIGINT is passed on as
    SIGTERM. The handler stays to the end of the process: in a stage that
    does not ask, SIGTERM does nothing.
    """

    def __init__(self) -> None:
        self._several = jax.process_count() > 1
        self._before: dict[int, Any] = {}
        self._pending: int | None = None
        self._interrupted = False

    def __enter__(self) -> "StopSignals":
        if threading.current_thread() is threading.main_thread():
            numbers = [signal.SIGINT]
            if not self._several:
                numbers.append(signal.SIGTERM)
            for number in numbers:
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if self._pending is not None and kind is None:
            signal.raise_signal(self._pending)

    def requested(self, step: int) -> bool:
        """Whether to save and stop now, after `step`.

        All processes call this after every step and get the same answer.

        Raises:
          RuntimeError: if there are several processes, and JAX's
            `jax_enable_preemption_service` is switched off.
        """
        if self._several:
            # Numbered across trainers: the agreed number may fall into the
            # next one. The numbers of all processes run in step.
            number = next(_questions)
            asked = multihost_utils.reached_preemption_sync_point(number)
        else:
            asked = self._pending is not None
        if asked:
            logging.warning("saving and stopping after step %d", step)
        return asked

    def _note(self, number: int, frame: FrameType | None) -> None:
        del frame
        if number == signal.SIGINT:
            if self._interrupted:
                raise KeyboardInterrupt
            self._interrupted = True
        # A log line may be half-written when the signal comes.
        with contextlib.suppress(RuntimeError):
            logging.warning(
                "%s: will save and stop after this step",
                signal.Signals(number).name,
            )
        if self._several:
            os.kill(os.getpid(), signal.SIGTERM)
        else:
            self._pending = number

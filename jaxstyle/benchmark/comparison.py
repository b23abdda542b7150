"""Synthesis and training steps against the PyPI packages, and documented.

Every subject has the same channels at every resolution, the same batch and
as many cores; all take turns in one process.
"""

import logging
from collections.abc import Sequence
from typing import Any

from jaxstyle.benchmark import documented, peers, timing, torch_subjects
from jaxstyle.benchmark.settings import Settings
from jaxstyle.benchmark.subjects import PHASES, Subject, ours

# Beyond, the packages' regularisers take minutes a step.
_REGULARISED = 64


def synthesis(settings: Settings) -> list[dict[str, Any]]:
    """z -> images at each resolution."""
    return _run("synthesis", settings, lambda side: ("synthesis",))


def training(settings: Settings) -> list[dict[str, Any]]:
    """The three steps at each resolution, the main one alone at high ones."""
    return _run(
        "steps",
        settings,
        lambda side: PHASES if side <= _REGULARISED else PHASES[:1],
    )


def _run(suite: str, settings: Settings, phases: Any) -> list[dict[str, Any]]:
    rows = []
    for number, side in enumerate(settings.resolutions, 1):
        at = f"{number} of {len(settings.resolutions)}"
        subjects, absent = _subjects(settings, side)
        for phase in phases(side):
            logging.info("%s: %s at %d px (%s)", suite, phase, side, at)
            where = {"suite": suite, "phase": phase, "resolution": side}
            compared = compare(subjects, phase, settings)
            _add_documented(compared[0], where, settings)
            rows += [where | row for row in compared]
            rows += [where | row for row in absent]
    return rows


def compare(
    subjects: Sequence[Subject], phase: str, settings: Settings
) -> list[dict[str, Any]]:
    """Rows of one phase: each subject's speed, and ours over the others'.

    Args:
      subjects: the first one is ours.
      phase: a key of their `calls`.
      settings: rounds, and their limit.
    """
    seconds = timing.interleaved(
        {subject.name: subject.calls[phase] for subject in subjects},
        settings.rounds,
        settings.limit,
        {
            subject.name: subject.warm[phase]
            for subject in subjects
            if phase in subject.warm
        },
    )
    mine = seconds[subjects[0].name]
    rows = []
    for subject in subjects:
        taken = seconds[subject.name]
        row = {
            "subject": subject.name,
            "parameters": subject.parameters,
            **timing.speed(subject.images[phase], taken),
        }
        if subject is not subjects[0]:
            row["ours_is_faster"] = timing.ratio(mine, taken)
        rows.append(row)
    return rows


def _add_documented(
    row: dict[str, Any], where: dict[str, Any], settings: Settings
) -> None:
    if documented.comparable(settings):
        row["documented"] = documented.compared(
            where["phase"], where["resolution"], row["images_per_second"]
        )


def _subjects(
    settings: Settings, side: int
) -> tuple[list[Subject], list[dict[str, Any]]]:
    """Ours and the packages that are here; rows for those that are not."""
    found, absent = [ours(settings.config(side))], []
    for name in peers.NAMES:
        reason = peers.missing(name)
        if not reason:
            try:
                found.append(torch_subjects.make(name, settings, side))
                continue
            except ImportError as error:
                reason = f"{name} does not import: {error}"
        absent.append({"subject": name, "missing": reason})
    return found, absent

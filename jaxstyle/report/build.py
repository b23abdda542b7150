"""The report stage: reads the run folder, writes one HTML page."""

import logging
import time
from pathlib import Path
from typing import Any

from jaxstyle import predictors, run_log, workdir
from jaxstyle.config import Config
from jaxstyle.report import (
    comparisons,
    images,
    methods,
    page,
    records,
    selection,
)
from jaxstyle.report.content import Compared, Content
from jaxstyle.report.question import Question

_RESULTS = ("classifier", "gan", "encoder", "direction")
_TRAINED = ("gan", "encoder", "classifier")


def run(config: Config, root: str | Path) -> dict[str, Any]:
    """Writes WORKDIR/report/index.html.

    Args:
      config: of the run.
      root: its folder, with the render and evaluation stages complete.

    Returns:
      How many images were rendered, shown and not explained; and the size
      of the page in bytes.

    Raises:
      WorkdirError: if an input is missing or damaged; names the file.
    """
    start = time.monotonic()
    here = workdir.begin(config, root, "report")
    content = _content(config, root)
    text = page.render(content)
    with workdir.replacing(here.page) as draft:
        draft.write_text(text, "utf-8")
    logging.info("report: %s", here.page)
    result = {
        "rendered": content.total,
        "shown": sum(len(group.shown) for group in content.groups),
        "not_explained": content.failed,
        "bytes": len(text.encode()),
    }
    workdir.finish(here, result, time.monotonic() - start)
    return result


def _content(config: Config, root: str | Path) -> Content:
    walks = records.read_walks(workdir.stage(config, root, "render"))
    groups, made_smaller = selection.choose(walks, config.report.images)
    return Content(
        title=config.report.title,
        name=config.name,
        question=Question.of(config),
        method=methods.chosen(config),
        predictor=predictors.recorded(
            workdir.stage(config, root, "render").path
        ),
        evaluation=workdir.result(config, root, "evaluation"),
        details=_details(config, root),
        stages={
            name: workdir.result(config, root, name)
            for name in _RESULTS
            if workdir.is_complete(config, root, name)
        },
        compared={
            name: _compared(config, root, name)
            for name in comparisons.TITLES
            if workdir.is_complete(config, root, name)
        },
        metrics={
            name: run_log.read_metrics(
                workdir.stage(config, root, name).metrics
            )
            for name in _TRAINED
        },
        samples=images.sample_grid(workdir.stage(config, root, "gan").samples),
        groups=groups,
        made_smaller=made_smaller,
    )


def _details(config: Config, root: str | Path) -> dict[str, Any]:
    path = workdir.stage(config, root, "evaluation").details
    return workdir.read_json(path) if path.exists() else {}


def _compared(config: Config, root: str | Path, name: str) -> Compared:
    found = {
        file: images.comparison(Path(root) / file)
        for file in comparisons.PICTURES[name]
    }
    return Compared(
        workdir.result(config, root, name),
        {file: picture for file, picture in found.items() if picture},
    )

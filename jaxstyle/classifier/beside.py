"""Built-in classifiers that are trained beside a run, on its images."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from jaxstyle import parallel, workdir
from jaxstyle.classifier import train
from jaxstyle.config import Config
from jaxstyle.data import linked


def trained(
    config: Config,
    root: str | Path,
    other: Config,
    folder: Path,
    relabelled: Callable[[linked.Rows], linked.Rows] | None = None,
) -> dict[str, Any]:
    """Trains one once; goes on where an earlier training was stopped.

    Args:
      config: the run's.
      root: its workdir.
      other: the new classifier's.
      folder: the workdir of the new classifier; made if missing.
      relabelled: see `linked.link`.

    Returns:
      What `train.run` returned of it.

    Raises:
      WorkdirError: if the data are not prepared.
      stopping.Stopped: after a signal to stop, when all is saved.
    """
    if not workdir.is_complete(other, folder, "classifier"):
        parallel.on_main(
            lambda: linked.link(config, root, other, folder, relabelled)
        )
        train.run(other, folder)
    return workdir.result(other, folder, "classifier")

"""What every launcher shares: flags, logging, compilation cache."""

import logging
from pathlib import Path
from typing import Any

import jax
from absl import app, flags
from absl import logging as absl_logging
from ml_collections import config_flags

from jaxstyle import compiled, parallel, pipeline, stopping
from jaxstyle import config as config_lib

_CONFIG = config_flags.DEFINE_config_file(
    "config", None, "Config file, e.g. configs/ihc.py or configs/ihc.py:tiny."
)
_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Folder of the run; made if missing."
)
flags.mark_flags_as_required(["config", "workdir"])
_DISTRIBUTED = flags.DEFINE_bool(
    "distributed", False, "One of the processes of a pod or cluster job."
)
_COORDINATOR = flags.DEFINE_string(
    "coordinator", "", "Without a pod: host:port of process 0."
)
_PROCESSES = flags.DEFINE_integer(
    "processes", -1, "Without a pod: how many processes there are."
)
_PROCESS_INDEX = flags.DEFINE_integer(
    "process_index", -1, "Without a pod: which one this is, from 0."
)


def main(run: pipeline.Run) -> None:
    """Runs `run(config, workdir)` under absl and logs its numbers."""

    def body(argv: list[str]) -> None:
        if len(argv) > 1:
            raise app.UsageError(f"{argv[1]!r} is not a flag")
        config = config_lib.validated(_CONFIG.value)
        prepare(_WORKDIR.value)
        # Before anything asks JAX for its devices.
        parallel.initialise(
            _DISTRIBUTED.value,
            _COORDINATOR.value,
            _PROCESSES.value,
            _PROCESS_INDEX.value,
        )
        if not parallel.is_main():
            # It would tell the same once more.
            absl_logging.set_verbosity(absl_logging.WARNING)
        try:
            result = pipeline.run_stage(run, config, _WORKDIR.value)
        except stopping.Stopped as stopped:
            logging.info("%s", stopped)
        else:
            log_result(result)

    app.run(body)


def prepare(root: str) -> None:
    """Sets up readable logs and the persistent compilation cache."""
    absl_logging.use_absl_handler()
    absl_logging.set_verbosity(absl_logging.INFO)
    handler = absl_logging.get_absl_handler()
    handler.setFormatter(
        logging.Formatter("%(asctime)s %(message)s", datefmt="%H:%M:%S")
    )
    # Orbax, Grain and TFDS narrate at INFO through absl's own logger; this
    # project logs to the root logger. Their warnings still show.
    for name in ("absl", "jax"):
        logging.getLogger(name).setLevel(logging.WARNING)
    if jax.config.jax_compilation_cache_dir is None:  # no one set JAX's own
        compiled.keep(Path(root).absolute() / "compilation_cache")


def log_result(result: dict[str, Any], prefix: str = "") -> None:
    """Logs nested numbers, one a line."""
    for key, value in result.items():
        if isinstance(value, dict):
            log_result(value, f"{prefix}{key}.")
        elif isinstance(value, float):
            logging.info("%-40s %.4f", prefix + key, value)
        else:
            logging.info("%-40s %s", prefix + key, value)

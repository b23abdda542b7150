"""Starts one or several processes of a run on this machine."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests import quick

REPOSITORY = Path(__file__).parents[2]
# How long the others may take to end by themselves once one has failed.
GRACE_SECONDS = 60.0


def environment(devices: int) -> dict[str, str]:
    """For children with so many CPU devices, which compile quickly."""
    return os.environ | {
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices} "
        + quick.XLA_FLAGS,
    }


def run(
    module: str,
    *arguments: object,
    processes: int = 1,
    devices: int = 1,
    seconds: float = 900.0,
    meanwhile: Callable[[list[subprocess.Popen]], None] = lambda _: None,
) -> list[tuple[int, str]]:
    """Runs `python -m module`; the exit status and output of each process.

    `meanwhile` gets the processes that were started. Whatever still runs
    after `seconds` is killed, by SIGKILL because JAX catches SIGTERM in one
    of several processes; its status is then -9.
    """
    command = [sys.executable, "-m", module, *map(str, arguments)]
    common = []
    if processes > 1:
        common = [f"--coordinator=localhost:{_free_port()}"]
        common += [f"--processes={processes}"]
    with tempfile.TemporaryDirectory() as folder:
        outputs = [Path(folder) / str(n) for n in range(processes)]
        children = []
        try:
            for index, output in enumerate(outputs):
                own = [f"--process_index={index}"] if common else []
                with output.open("w") as file:
                    child = subprocess.Popen(
                        [*command, *common, *own],
                        cwd=REPOSITORY,
                        env=environment(devices),
                        stdout=file,
                        stderr=subprocess.STDOUT,
                    )
                children.append(child)
            meanwhile(children)
            _wait(children, time.monotonic() + seconds)
        finally:
            for child in children:
                child.kill()
            statuses = [child.wait() for child in children]
        return [
            (status, output.read_text())
            for status, output in zip(statuses, outputs, strict=True)
        ]


def succeed(*arguments: object, **keywords: object) -> list[str]:
    """`run`, which must end well; the outputs."""
    ended = run(*arguments, **keywords)  # type: ignore[arg-type]
    for status, said in ended:
        assert status == 0, f"{arguments} ended with {status}:\n{said}"
    return [said for _, said in ended]


def _wait(children: list[subprocess.Popen], deadline: float) -> None:
    failed = False
    while time.monotonic() < deadline:
        statuses = [child.poll() for child in children]
        if None not in statuses:
            return
        if any(statuses) and not failed:
            failed = True
            deadline = min(deadline, time.monotonic() + GRACE_SECONDS)
        time.sleep(0.05)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return probe.getsockname()[1]

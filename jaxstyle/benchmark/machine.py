"""What a record tells about the machine and the programs on it."""

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import jax

_PACKAGES = (
    *("jax", "jaxlib", "flax", "numpy", "torch"),
    *("stylegan2-torch", "stylegan2-pytorch"),
)


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


def accelerator() -> str:
    """ "cpu", or what the accelerator calls itself."""
    device = jax.devices()[0]
    return "cpu" if device.platform == "cpu" else device.device_kind


def describe() -> dict[str, Any]:
    """Processor, cores, load before the run, accelerator."""
    return {
        "cpu": _cpu_model(),
        "cores": cores(),
        "load_average": os.getloadavg()[0],
        "accelerator": accelerator(),
        "devices": jax.device_count(),
        "system": platform.system(),
    }


def versions() -> dict[str, str | None]:
    """Versions of what is measured; None for what is not installed."""
    found: dict[str, str | None] = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    return found


def commit() -> str | None:
    """The checkout's commit, "+" after it if files differ; None without."""
    told = _git("rev-parse", "HEAD")
    if told is None:
        return None
    changed = _git("status", "--porcelain", "--untracked-files=no")
    return told + ("+" if changed else "")


def _git(*arguments: str) -> str | None:
    done = subprocess.run(
        ["git", *arguments],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() if done.returncode == 0 else None


def _cpu_model() -> str:
    path = Path("/proc/cpuinfo")
    if path.exists():
        for line in path.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor()


def xla_flags() -> str:
    """The flags that XLA was given, for a child to take over."""
    return os.environ.get("XLA_FLAGS", "")

"""Measurements that need a process of their own."""

import importlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def call(
    target: str,
    arguments: Mapping[str, Any],
    environment: Mapping[str, str] | None = None,
) -> Any:
    """What `target` returns in a fresh Python process.

    Args:
      target: "package.module:function"; it returns JSON values.
      arguments: its keywords, JSON values.
      environment: variables set on top of those of this process.

    Raises:
      RuntimeError: with the end of what the process said, if it failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "result.json"
        words = [target, json.dumps(dict(arguments)), str(path)]
        done = subprocess.run(
            [sys.executable, "-m", __name__, *words],
            env=os.environ | dict(environment or {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{target} failed:\n{done.stdout[-2000:]}")
        return json.loads(path.read_text())


def main(target: str, arguments: str, path: str) -> None:
    """The other end of `call`."""
    module, name = target.split(":")
    function = getattr(importlib.import_module(module), name)
    result = function(**json.loads(arguments))
    Path(path).write_text(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])

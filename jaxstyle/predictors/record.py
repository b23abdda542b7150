"""Keeps beside the explanations which model they explain."""

from pathlib import Path
from typing import Any

import numpy as np

from jaxstyle import workdir
from jaxstyle.config import Config
from jaxstyle.predictors.probe import identity
from jaxstyle.predictors.protocol import Predictor, PredictorError

_FILE = "predictor.json"
# Twice the fingerprint's rounding: what arithmetic alone may do.
_NOISE = 2e-4


def record(
    folder: Path, predictor: Predictor, config: Config
) -> dict[str, Any]:
    """Writes f's `identity` to the stage's folder, and returns it.

    Of several processes, process 0 calls this.

    Raises:
      PredictorError: if f's answers are not probabilities.
    """
    told = identity(predictor, config)
    _write(folder, told)
    return told


def claim(folder: Path, predictor: Predictor, config: Config) -> None:
    """`require_recorded`, then `record`: a stage's work is of one model.

    Raises:
      PredictorError: if what lies there is another model's.
    """
    now = identity(predictor, config)
    _require_same(folder, now)
    _write(folder, now)


def recorded(folder: Path) -> dict[str, Any]:
    """What `record` wrote there; empty if nothing."""
    path = folder / _FILE
    return workdir.read_json(path) if path.exists() else {}


def require_recorded(
    folder: Path, predictor: Predictor, config: Config
) -> None:
    """Refuses an f that is not the one recorded there, if one is.

    Answers to the probes may differ by 2e-4; an ONNX file may not differ at
    all. A function's file may, where its answers are the same.

    Raises:
      PredictorError: if it is another model.
    """
    _require_same(folder, identity(predictor, config))


def _write(folder: Path, told: dict[str, Any]) -> None:
    workdir.write_json(folder / _FILE, told)


def _require_same(folder: Path, now: dict[str, Any]) -> None:
    then = recorded(folder)
    if not then or _same(then, now):
        return
    raise PredictorError(
        f"{folder} was made for another model: {then['kind']} {then['address']}"
        f" had fingerprint {then['fingerprint']} (first answer {_first(then)})"
        f", {now['kind']} {now['address']} has {now['fingerprint']} "
        f"({_first(now)}); move that folder away and run its stage again, or "
        "bring the model back"
    )


def _same(then: dict[str, Any], now: dict[str, Any]) -> bool:
    if "onnx" in (then["kind"], now["kind"]) and then["files"] != now["files"]:
        return False
    if then["target"] != now["target"]:
        return False
    answers, again = then["probe_answers"], now["probe_answers"]
    return np.shape(answers) == np.shape(again) and np.allclose(
        answers, again, rtol=1e-5, atol=_NOISE
    )


def _first(told: dict[str, Any]) -> str:
    return f"{told['probe_probabilities'][0]:.6f}"

"""Any Python function as a black box."""

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from jaxstyle.predictors.protocol import PredictorError


class CallablePredictor:
    """Calls `package.module:function`.

    The function maps float32 [N, H, W, C] in [0, 1] to probabilities, [N]
    or [N, K].

    Args:
      target: where the function is; what follows the colon may have dots.

    Raises:
      PredictorError: if there is no such function.
    """

    def __init__(self, target: str) -> None:
        self._function = resolve(target)

    def predict(self, images: np.ndarray) -> np.ndarray:
        """The function's probabilities; [N] becomes [N, 1]."""
        out = np.asarray(self._function(images))
        return out[:, None] if out.ndim == 1 else out


def resolve(target: str) -> Callable[..., Any]:
    """The function at `package.module:function`.

    Raises:
      PredictorError: naming the part that is missing.
    """
    module_name, _, attribute = target.partition(":")
    try:
        found: Any = importlib.import_module(module_name)
    except ImportError as error:
        raise PredictorError(
            f"predictor.target = {target!r}: cannot import {module_name!r} "
            f"({error}); run from the folder that holds it, or install it"
        ) from error
    for name in attribute.split("."):
        if not hasattr(found, name):
            raise PredictorError(
                f"predictor.target = {target!r}: {found!r} has no {name!r}"
            )
        found = getattr(found, name)
    if not callable(found):
        raise PredictorError(
            f"predictor.target = {target!r}: {found!r} is not a function"
        )
    return found

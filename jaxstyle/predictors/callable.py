"""Any Python function as a black box."""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from jaxstyle.predictors.probe import sha256
from jaxstyle.predictors.protocol import PredictorError


class CallablePredictor:
    """Calls `package.module:function`.

    The function maps float32 [N, H, W, C] in [0, 1] to probabilities, [N]
    or [N, K]; to numbers of any range where the question is about a value.

    Args:
      address: where the function is; what follows the colon may have dots.

    Attributes:
      files: name and sha256 of the module's file. What the function reads
        besides, such as weights, is not known.

    Raises:
      PredictorError: if there is no such function.
    """

    def __init__(self, address: str) -> None:
        self._function = resolve(address)
        module = sys.modules[address.partition(":")[0]]
        source = Path(getattr(module, "__file__", None) or "")
        self.files = {source.name: sha256(source)} if source.is_file() else {}

    def predict(self, images: np.ndarray) -> Any:
        """The function's probabilities, [N, K] or [N], as it gives them."""
        return self._function(images)


def resolve(address: str) -> Callable[..., Any]:
    """The function at `package.module:function`.

    Raises:
      PredictorError: naming the part that is missing.
    """
    module_name, _, attribute = address.partition(":")
    try:
        found: Any = importlib.import_module(module_name)
    except ImportError as error:
        raise PredictorError(
            f"predictor.address = {address!r}: cannot import {module_name!r} "
            f"({error}); run from the folder that holds it, or install it"
        ) from error
    for name in attribute.split("."):
        if not hasattr(found, name):
            raise PredictorError(
                f"predictor.address = {address!r}: {found!r} has no {name!r}"
            )
        found = getattr(found, name)
    if not callable(found):
        raise PredictorError(
            f"predictor.address = {address!r}: {found!r} is not a function"
        )
    return found

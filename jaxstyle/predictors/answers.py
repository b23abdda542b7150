"""Checks what a black box answers."""

from numbers import Number
from typing import Any

import numpy as np

from jaxstyle.config import Config
from jaxstyle.predictors.protocol import Predictor, PredictorError

# float32 softmaxes overshoot 1 by so much at most; anything more is wrong.
_ROUNDING = 1e-5


def answers(
    predictor: Predictor, images: np.ndarray, config: Config
) -> np.ndarray:
    """All classes' probabilities of one batch.

    Args:
      predictor: any black box.
      images: float32 [N, H, W, C] in [0, 1].
      config: what it was loaded from.

    Returns:
      float32 [N, K] in [0, 1]; what exceeds it by rounding is clipped.

    Raises:
      PredictorError: if N rows of K probabilities, or N numbers, do not come
        back, or `predictor.class_index` is not among them.
    """
    who = _name(config)
    rows = _rows(predictor.predict(images), len(images), who)
    _check_class(rows.shape[1], config, who)
    _check_values(rows, who)
    return np.clip(rows, 0, 1)


def _name(config: Config) -> str:
    kind, target = config.predictor.kind, config.predictor.target
    return f"the {kind} predictor{f' {target}' if target else ''}"


def _rows(answer: Any, count: int, who: str) -> np.ndarray:
    """float32 [N, K]; [N] becomes [N, 1]."""
    wanted = f"probabilities of shape [{count}, K] or [{count}] are expected"
    try:
        rows = np.asarray(answer)
    except ValueError as error:
        raise PredictorError(
            f"{who} answered with rows of different lengths; {wanted}"
        ) from error
    # bfloat16, which NumPy does not know itself, is of kind V.
    if rows.dtype.kind not in "biufV":
        odd = [x for x in rows.flat if not isinstance(x, Number)]
        example = repr(odd[0] if odd else answer)[:100]
        raise PredictorError(f"{who} answered with {example}; {wanted}")
    if rows.ndim not in (1, 2) or len(rows) != count or not rows.size:
        raise PredictorError(
            f"{who} answered {count} images with an array of shape "
            f"{rows.shape}; {wanted}"
        )
    return rows.reshape(count, -1).astype(np.float32)


def _check_class(classes: int, config: Config, who: str) -> None:
    index = config.predictor.class_index
    if not 0 <= index < classes:
        raise PredictorError(
            f"predictor.class_index = {index}, but {who} has {classes} "
            f"classes: use 0 to {classes - 1}"
        )


def _check_values(rows: np.ndarray, who: str) -> None:
    wrong = ~((rows >= -_ROUNDING) & (rows <= 1 + _ROUNDING))
    if not wrong.any():
        return
    image, column = np.argwhere(wrong)[0]
    raise PredictorError(
        f"{who} answered with {rows[image, column]:g} (image {image} of the "
        f"batch, class {column}; values from {rows.min():g} to "
        f"{rows.max():g}); probabilities in [0, 1] are expected (apply a "
        "sigmoid or softmax to logits)"
    )

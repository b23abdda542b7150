"""Checks what a black box answers."""

from numbers import Number
from typing import Any

import numpy as np

from jaxstyle.config import Config
from jaxstyle.predictors.protocol import Predictor, PredictorError

# float32 softmaxes overshoot 1 by so much at most; anything more is wrong.
_ROUNDING = 1e-5
# Probabilities that were printed with two digits may miss 1 by so much.
_NOT_ONE = 0.02


def answers(
    predictor: Predictor, images: np.ndarray, config: Config
) -> np.ndarray:
    """All that it says of one batch.

    Args:
      predictor: any black box.
      images: float32 [N, H, W, C] in [0, 1].
      config: what it was loaded from, and what is asked.

    Returns:
      float32 [N, K] in [0, 1]; what exceeds it by rounding is clipped. Of a
      "value", finite numbers as they are.

    Raises:
      PredictorError: if N rows of K probabilities, or N numbers, do not come
        back, or they do not answer what `config.target` asks.
    """
    who = _name(config)
    rows = _rows(predictor.predict(images), len(images), who)
    _check_columns(rows.shape[1], config, who)
    if config.target.kind == "value":
        _check_finite(rows, who)
        return rows
    _check_values(rows, who)
    if config.target.kind in ("pair", "grade"):
        _check_exclusive(rows, config, who)
    return np.clip(rows, 0, 1)


def _name(config: Config) -> str:
    kind, address = config.predictor.kind, config.predictor.address
    return f"the {kind} predictor{f' {address}' if address else ''}"


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


def _check_columns(count: int, config: Config, who: str) -> None:
    column, names = config.target.column, config.data.class_names
    if column >= count:
        raise PredictorError(
            f"target.column = {column}, but {who} has {count} classes: use 0 "
            f"to {count - 1}"
        )
    if len(names) > 2 and count != len(names):
        raise PredictorError(
            f"{who} has {count} classes, but data.class_names are {names}: "
            "name each column of its answer, or ask about one of them by two "
            "names and target.kind = 'finding'"
        )


def _check_exclusive(rows: np.ndarray, config: Config, who: str) -> None:
    """Independent findings do not compare with each other."""
    totals = rows.sum(axis=1)
    worst = np.argmax(np.abs(totals - 1))
    if abs(totals[worst] - 1) > _NOT_ONE:
        raise PredictorError(
            f"{who} answered with probabilities that add up to "
            f"{totals[worst]:g} (image {worst} of the batch); target.kind = "
            f"{config.target.kind!r} asks for classes that exclude each "
            "other (apply a softmax), and each finding by itself is asked "
            "for by 'finding'"
        )


def _check_finite(rows: np.ndarray, who: str) -> None:
    wrong = np.argwhere(~np.isfinite(rows))
    if len(wrong):
        image, column = wrong[0]
        raise PredictorError(
            f"{who} answered with {rows[image, column]:g} (image {image} of "
            f"the batch, column {column}); finite values are expected"
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

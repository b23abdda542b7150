"""An ONNX file as a black box."""

from pathlib import Path
from typing import Any

import numpy as np
from scipy import special

from jaxstyle import parallel
from jaxstyle.config import Config
from jaxstyle.predictors.probe import sha256
from jaxstyle.predictors.protocol import PredictorError

# Those that compute here; the fastest one that is there is taken.
_PROVIDERS = (
    "CUDAExecutionProvider",
    "ROCMExecutionProvider",
    "CPUExecutionProvider",
)
_TYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
}
_ERRORS_ONLY = 3


class OnnxPredictor:
    """A classifier exported from PyTorch, Keras, scikit-learn or others.

    An image x in [0, 1] is shown as ((low + x (high - low)) - mean) / std,
    with `predictor.onnx_range` = (low, high), `onnx_mean` and `onnx_std`.
    Where the file fixes the number of images, the last batch is filled up.

    Args:
      config: names the file and describes its input and output.

    Attributes:
      files: name and sha256 of the file, and of those beside it that begin
        with its name: large models have their weights there.

    Raises:
      PredictorError: if there is no such file, or onnxruntime cannot run it.
    """

    def __init__(self, config: Config) -> None:
        self._asked = asked = config.predictor
        self._path = Path(asked.address).expanduser().absolute()
        self._session = _session(self._path)
        self._input = _chosen(
            self._path, "input", self._session.get_inputs(), asked.onnx_input
        )
        self._output = _chosen(
            self._path, "output", self._session.get_outputs(), asked.onnx_output
        )
        if self._input.type not in _TYPES:
            raise PredictorError(
                f"{self._path}: its input is a {self._input.type}; one of "
                f"{tuple(_TYPES)} is expected"
            )
        self.files = {
            part.name: sha256(part)
            for part in sorted(self._path.parent.iterdir())
            if part.name.startswith(self._path.name) and part.is_file()
        }

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Probabilities, [N, K] or [N], images [N, H, W, C] in [0, 1].

        Raises:
          PredictorError: if the images do not fit the file's input, or what
            comes back is no score of the kind that the config says.
        """
        shown = self._shown(images)
        fixed = self._input.shape[0]
        size = fixed if _is_fixed(fixed) else len(shown)
        parts = []
        for start in range(0, len(shown), size):
            some = shown[start : start + size]
            parts.append(self._run(parallel.padded(some, size))[: len(some)])
        return self._probabilities(np.concatenate(parts))

    def _shown(self, images: np.ndarray) -> np.ndarray:
        """Images as the file wants them."""
        asked, channels = self._asked, images.shape[-1]
        for name in ("onnx_mean", "onnx_std"):
            if len(getattr(asked, name)) not in (1, channels):
                raise PredictorError(
                    f"predictor.{name} = {getattr(asked, name)!r}, but images "
                    f"have {channels} channel: give one number"
                )
        low, high = asked.onnx_range
        x = low + images.astype(np.float64) * (high - low)
        x = (x - np.asarray(asked.onnx_mean)) / np.asarray(asked.onnx_std)
        if asked.onnx_layout == "nchw":
            x = x.transpose(0, 3, 1, 2)
        self._check_fit(x.shape)
        return np.ascontiguousarray(x, _TYPES[self._input.type])

    def _check_fit(self, given: tuple[int, ...]) -> None:
        wanted = self._input.shape
        fits = len(wanted) == len(given) and all(
            not _is_fixed(size) or size == here
            for size, here in zip(wanted[1:], given[1:], strict=True)
        )
        if not fits:
            raise PredictorError(
                f"{self._path}: its input {self._input.name!r} has shape "
                f"{wanted}, but images of shape {list(given)} are given "
                f"(onnx_layout = {self._asked.onnx_layout!r}); choose the "
                "other layout, export the model for this size and these "
                "channels, or convert them in a function (kind 'callable')"
            )

    def _run(self, shown: np.ndarray) -> np.ndarray:
        try:
            (out,) = self._session.run(
                [self._output.name], {self._input.name: shown}
            )
        # onnxruntime's exceptions have no public class in common.
        except Exception as error:
            raise PredictorError(
                f"{self._path}: fails on images of shape {list(shown.shape)}; "
                f"its input {self._input.name!r} has shape "
                f"{self._input.shape} ({error})"
            ) from error
        out = np.asarray(out)
        if out.dtype.kind != "f" or out.ndim not in (1, 2) or not out.size:
            raise PredictorError(
                f"{self._path}: its output {self._output.name!r} is of type "
                f"{self._output.type} and shape {list(out.shape)}; [N, K] or "
                "[N] are expected (predictor.onnx_output chooses another one)"
            )
        return out

    def _probabilities(self, scores: np.ndarray) -> np.ndarray:
        kind = self._asked.onnx_scores
        scores = scores.astype(np.float64)
        if kind == "logits":
            self._check_logits(scores)
            scores = special.softmax(scores, axis=1)
        if kind == "sigmoid":
            scores = special.expit(scores)
        return scores.astype(np.float32)

    def _check_logits(self, scores: np.ndarray) -> None:
        """A softmax hides two mistakes: nothing else would tell them."""
        if scores.ndim == 1 or scores.shape[1] == 1:
            raise PredictorError(
                f"{self._path}: a softmax of one logit is always 1; use "
                "predictor.onnx_scores = 'sigmoid'"
            )
        if scores.min() >= 0 and np.allclose(scores.sum(axis=1), 1, atol=1e-4):
            raise PredictorError(
                f"{self._path}: its scores are in [0, 1] and add up to 1, "
                f"such as {scores[0][:5]}: they are no logits; use "
                "predictor.onnx_scores = 'probabilities'"
            )


def _session(path: Path) -> Any:
    """The file, ready to run."""
    try:
        import onnxruntime
    except ImportError as error:
        raise PredictorError(
            "predictor.kind = 'onnx' needs a package more: `pip install "
            "onnxruntime`, or onnxruntime-gpu"
        ) from error
    if not path.is_file():
        raise PredictorError(
            f"{path} is missing: predictor.address names the .onnx file"
        )
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _ERRORS_ONLY
    there = onnxruntime.get_available_providers()
    providers = [name for name in _PROVIDERS if name in there]
    try:
        return onnxruntime.InferenceSession(
            str(path), options, providers=providers
        )
    except Exception as error:
        raise PredictorError(
            f"{path} cannot be read as an ONNX model: {error}"
        ) from error


def _is_fixed(size: Any) -> bool:
    """Whether an axis has one length; others have a name, None or -1."""
    return isinstance(size, int) and size > 0


def _chosen(path: Path, what: str, there: list[Any], name: str) -> Any:
    """The input or output of that name, or the only one."""
    names = [one.name for one in there]
    if name in names:
        return there[names.index(name)]
    if name or len(there) != 1:
        raise PredictorError(
            f"predictor.onnx_{what} = {name!r}: {path} has the {what}s "
            f"{names}; choose one"
        )
    return there[0]

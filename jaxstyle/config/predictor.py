"""Settings of the black box, built in or not."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from jaxstyle.config.checks import (
    require,
    require_natural,
    require_positive,
    require_widths,
)


@dataclass
class ClassifierConfig:
    """The built-in predictor f: a pre-activation ResNet.

    Attributes:
      widths: channels of each stage; every stage after the first halves
        the resolution.
      blocks: residual blocks in each stage.
      batch_size: global batch.
      epochs: most passes over the training split.
      patience: epochs without a better validation AUC before stopping.
      learning_rate: peak of the warm-up and cosine schedule (AdamW).
      weight_decay: decoupled weight decay.
      augment_brightness: additive brightness jitter in [-1, 1] units.
      augment_contrast: contrast jitter as a share.
      augment_shift: random translation in pixels.
    """

    widths: tuple[int, ...] = (16, 32, 64)
    blocks: int = 1
    batch_size: int = 64
    epochs: int = 20
    patience: int = 5
    learning_rate: float = 2e-3
    weight_decay: float = 1e-3
    augment_brightness: float = 0.05
    augment_contrast: float = 0.1
    augment_shift: int = 2

    def __post_init__(self) -> None:
        require_widths("classifier.widths", self.widths)
        require_positive(
            "classifier",
            self,
            *("blocks", "batch_size", "epochs", "patience", "learning_rate"),
        )


@dataclass
class PredictorConfig:
    """The black box to explain; docs/predictors.md shows one of each kind.

    Attributes:
      kind: "checkpoint" (the built-in classifier of this workdir),
        "callable" (any Python function), "onnx" (a file) or "http" (a
        service).
      address: for "callable", `package.module:function`, which maps float32
        [N, H, W, C] in [0, 1] to probabilities [N, K] or [N] (numbers of any
        range, where `target.kind` is "value"); for "onnx", the file; for
        "http", the URL.
      batch_size: images in one call of f.
      cache: keeps f's answers in WORKDIR/predictor_cache, of all kinds but
        "checkpoint".
      onnx_input: the input that takes images; empty for the only one.
      onnx_layout: "nchw" or "nhwc", the order of its axes.
      onnx_range: what it wants black and white to be.
      onnx_mean: subtracted after that, one number or one per channel.
      onnx_std: divides what is left, likewise.
      onnx_output: the output that judges; empty for the only one.
      onnx_scores: what it gives: "probabilities", "logits" of classes that
        exclude each other (a softmax follows), "sigmoid", logits of
        independent findings (a sigmoid follows), or "values" (nothing
        follows).
      http_timeout: seconds without a word from the service.
      http_retries: further attempts after one that failed.
      http_authorization: the environment variable that holds the value of
        the header Authorization; empty for none.
    """

    kind: str = "checkpoint"
    address: str = ""
    batch_size: int = 64
    cache: bool = True
    onnx_input: str = ""
    onnx_layout: str = "nchw"
    onnx_range: tuple[float, float] = (0.0, 1.0)
    onnx_mean: tuple[float, ...] = (0.0,)
    onnx_std: tuple[float, ...] = (1.0,)
    onnx_output: str = ""
    onnx_scores: str = "probabilities"
    http_timeout: float = 60.0
    http_retries: int = 5
    http_authorization: str = ""

    def __post_init__(self) -> None:
        _require_one_of("kind", self.kind, *_ADDRESSES)
        _require_address(self.kind, self.address)
        require_positive("predictor", self, "batch_size", "http_timeout")
        require_natural("predictor", self, "http_retries")
        self._check_onnx()
        # Whoever gives the secret itself shall not find it in a log.
        require(
            not self.http_authorization
            or re.fullmatch("[A-Z_][A-Z0-9_]*", self.http_authorization)
            is not None,
            "predictor.http_authorization",
            "...",
            "give the name of an environment variable, in capitals, and the "
            "secret in that variable only",
        )

    def _check_onnx(self) -> None:
        _require_one_of("onnx_layout", self.onnx_layout, "nchw", "nhwc")
        _require_one_of(
            "onnx_scores",
            self.onnx_scores,
            *("probabilities", "logits", "sigmoid", "values"),
        )
        require(
            len(self.onnx_range) == 2
            and self.onnx_range[0] != self.onnx_range[1],
            "predictor.onnx_range",
            self.onnx_range,
            "give two different numbers, what black and white become",
        )
        for name in ("onnx_mean", "onnx_std"):
            value = getattr(self, name)
            require(
                len(value) in (1, 3)
                and (name == "onnx_mean" or min(value) > 0),
                f"predictor.{name}",
                value,
                "give one number or one per channel, deviations above 0",
            )


_ADDRESSES = {
    "checkpoint": "leave it empty for the built-in classifier",
    "callable": "give 'package.module:function'",
    "onnx": "give the path of the .onnx file",
    "http": "give an http:// or https:// URL; user and password belong in an "
    "environment variable (predictor.http_authorization)",
}


def _require_one_of(name: str, value: str, *choices: str) -> None:
    require(
        value in choices, f"predictor.{name}", value, f"choose one of {choices}"
    )


def _require_address(kind: str, address: str) -> None:
    fits = {
        "checkpoint": not address,
        "callable": re.fullmatch(r"[^:/]+:[^:]+", address) is not None,
        "onnx": bool(address) and "://" not in address,
        "http": _is_open_url(address),
    }
    # A password in a URL is not repeated.
    shown = re.sub("//.*@", "//...@", address)
    require(fits[kind], "predictor.address", shown, _ADDRESSES[kind])


def _is_open_url(text: str) -> bool:
    """Whether it is an http or https URL without a user or a password."""
    if not text.isascii() or not text.isprintable() or " " in text:
        return False
    try:
        url = urlsplit(text)
        url.port  # noqa: B018
    except ValueError:
        return False
    known = url.scheme in ("http", "https") and bool(url.hostname)
    return known and "@" not in url.netloc

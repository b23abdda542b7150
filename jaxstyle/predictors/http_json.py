"""A service that answers images over HTTP, as a black box."""

import base64
import email.utils
import http.client
import json
import logging
import os
import random
import time
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from jaxstyle.config import Config
from jaxstyle.predictors.protocol import PredictorError

_FIRST_WAIT, _LONGEST_WAIT = 1.0, 60.0
# A service that asks for more than this is told to the user instead.
_LONGEST_ASKED = 600.0
_SHOWN_CHARACTERS = 200


class HttpPredictor:
    """Posts batches of images as JSON; docs/predictors.md has the shapes.

    The request is {"images": base64 of little-endian float32 in [0, 1],
    "dtype": "float32", "shape": [N, H, W, C]}, the reply
    {"probabilities": [[...], ...]}, N rows of K. An attempt that met no
    answer, 429 or 5xx is repeated after a wait that doubles from 1 s to
    60 s, less up to a half at random, and is no shorter than Retry-After.
    Redirections are not followed: they would take the secret elsewhere.

    Args:
      config: names the URL, the time-out and the number of retries.

    Attributes:
      files: none.

    Raises:
      PredictorError: if the variable with the secret is not set.
    """

    def __init__(self, config: Config) -> None:
        self.files: dict[str, str] = {}
        self._asked = asked = config.predictor
        # What follows the question mark may be a key.
        self._name = urlsplit(asked.address)._replace(query="").geturl()
        self._secret = _secret(asked.http_authorization)
        self._opener = urllib.request.build_opener(_NoRedirection)

    def predict(self, images: np.ndarray) -> Any:
        """Probabilities, [N, K] or [N], images [N, H, W, C] in [0, 1].

        Raises:
          PredictorError: if no usable answer comes.
        """
        body = json.dumps(
            {
                "images": base64.b64encode(
                    np.ascontiguousarray(images, "<f4").tobytes()
                ).decode(),
                "dtype": "float32",
                "shape": list(images.shape),
            }
        )
        reply = self._post(body.encode())
        try:
            return json.loads(reply)["probabilities"]
        except (ValueError, TypeError, KeyError) as error:
            raise PredictorError(
                f"{self._name} answered with something else than "
                f'{{"probabilities": [[...], ...]}}: {self._excerpt(reply)}'
            ) from error

    def _post(self, body: bytes) -> bytes:
        attempts = self._asked.http_retries + 1
        for attempt in range(attempts):
            try:
                return self._attempt(body)
            except _TemporaryError as error:
                problem = f"{self._name}: {error}"
                wait = max(_backoff(attempt), error.asked_wait)
            if wait > _LONGEST_ASKED:
                raise PredictorError(f"{problem}; try again in {wait:.0f} s")
            if attempt + 1 < attempts:
                logging.warning("%s; again in %.1f s", problem, wait)
                time.sleep(wait)
        raise PredictorError(
            f"{problem}; gave up after {attempts} attempts "
            "(predictor.http_retries, predictor.http_timeout)"
        )

    def _attempt(self, body: bytes) -> bytes:
        """One request's reply.

        Raises:
          _TemporaryError: if another attempt may succeed.
          PredictorError: if none would.
        """
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self._asked.address, body, headers)
        if self._secret:
            request.add_unredirected_header("Authorization", self._secret)
        try:
            with self._opener.open(
                request, timeout=self._asked.http_timeout
            ) as reply:
                return reply.read()
        except urllib.error.HTTPError as error:
            with error:
                told = f"status {error.code}: {self._excerpt(_body(error))}"
            if error.code == 429 or error.code >= 500:
                wait = _asked_wait(error.headers.get("Retry-After", ""))
                raise _TemporaryError(told, wait) from error
            raise PredictorError(f"{self._name}: {told}") from error
        except (OSError, http.client.HTTPException) as error:
            told = f"no answer ({type(error).__name__}: {error})"
            raise _TemporaryError(told, 0.0) from error

    def _excerpt(self, body: bytes) -> str:
        """The first 200 characters, without the secret if it is echoed."""
        text = body.decode(errors="replace")
        for part in (self._secret, *self._secret.split()[-1:]):
            text = text.replace(part, "***") if part else text
        return repr(text[:_SHOWN_CHARACTERS])


class _TemporaryError(Exception):
    def __init__(self, message: str, asked_wait: float) -> None:
        super().__init__(message)
        self.asked_wait = asked_wait


class _NoRedirection(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


def _secret(variable: str) -> str:
    if not variable:
        return ""
    value = os.environ.get(variable, "").strip()
    if not value or not value.isascii() or not value.isprintable():
        raise PredictorError(
            f"predictor.http_authorization = {variable!r}: set this "
            "environment variable to the value of the header Authorization, "
            "such as 'Bearer ...', in printable ASCII"
        )
    return value


def _body(error: urllib.error.HTTPError) -> bytes:
    try:
        return error.read(4096)
    except (OSError, http.client.HTTPException):
        return b""


def _asked_wait(header: str) -> float:
    """Seconds of a Retry-After header: a number, or a date (RFC 9110)."""
    if header.strip().isdecimal():
        return float(header)
    try:
        then = email.utils.parsedate_to_datetime(header)
    except ValueError:
        return 0.0
    return max(0.0, then.timestamp() - time.time())


def _backoff(attempt: int) -> float:
    # Not from the config's seed: processes must not knock in step.
    wait = min(_LONGEST_WAIT, _FIRST_WAIT * 2**attempt)
    return wait * random.uniform(0.5, 1)

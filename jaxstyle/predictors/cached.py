"""A black box that is asked once for each image."""

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from jaxstyle import config as config_lib
from jaxstyle.config import Config
from jaxstyle.predictors.answers import answers
from jaxstyle.predictors.probe import files
from jaxstyle.predictors.protocol import Predictor, PredictorError
from jaxstyle.predictors.store import Store

FOLDER, FILE = "predictor_cache", "answers.sqlite3"


class CachedPredictor:
    """Remembers f's answers in WORKDIR/predictor_cache, across runs.

    An answer is found again by the image's bytes and shape, by the settings
    that f's answers depend on, by the sha256 of the files that f was read
    from and by its fingerprint: another model at the same place is asked
    anew.

    Args:
      predictor: the black box.
      config: what it was loaded from.
      workdir: where answers are kept.
      fingerprint: of this very model.

    Attributes:
      uncached: the black box.
    """

    def __init__(
        self,
        predictor: Predictor,
        config: Config,
        workdir: str | Path,
        fingerprint: str,
    ) -> None:
        self.uncached = predictor
        self._config = config
        self._path = Path(workdir).absolute() / FOLDER / FILE
        self._store = Store(self._path)
        self._model = _model(predictor, config, fingerprint)

    def predict(self, images: np.ndarray) -> np.ndarray:
        """f's answers [N, K]; f sees each image that it has not seen.

        Raises:
          PredictorError: if f answers wrongly, which is not kept, or the
            file cannot be used.
        """
        images = np.ascontiguousarray(images, np.float32)
        keys = [self._key(image) for image in images]
        with self._told():
            known = self._store.get(keys)
        new = {key: n for n, key in enumerate(keys) if key not in known}
        if new:
            asked = images[list(new.values())]
            rows = answers(self.uncached, asked, self._config)
            fresh = dict(zip(new, rows, strict=True))
            with self._told():
                self._store.put(fresh)
            known |= fresh
        return np.stack([known[key] for key in keys])

    def _key(self, image: np.ndarray) -> bytes:
        key = hashlib.sha256(self._model + repr(image.shape).encode())
        key.update(image.astype("<f4").tobytes())
        return key.digest()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise PredictorError(
                f"{self._path} cannot be used ({error}): delete it if it is "
                "damaged, or set predictor.cache = False"
            ) from error


def _model(predictor: Predictor, config: Config, fingerprint: str) -> bytes:
    """Everything that an answer depends on besides the image."""
    settings = config_lib.as_dict(config)["predictor"]
    told = {
        name: value
        for name, value in settings.items()
        if name in ("kind", "address") or name.startswith("onnx_")
    }
    told |= {"files": files(predictor), "fingerprint": fingerprint}
    return json.dumps(told, sort_keys=True).encode()

"""The numbers of an evaluation as they come in, with their intervals."""

import logging

import numpy as np

from jaxstyle.config import Config
from jaxstyle.evaluation import statistics


class Record:
    """Flat numbers, and the 95 % bootstrap intervals that belong to them.

    Args:
      config: how many resamples an interval takes, and their seed.

    Attributes:
      values: numbers by key.
      intervals: (low, high) by key; not every number has one.
    """

    def __init__(self, config: Config) -> None:
        self._resamples = config.evaluation.bootstraps
        self._seed = config.seed
        self.values: dict[str, float] = {}
        self.intervals: dict[str, tuple[float, float]] = {}

    def put(
        self,
        key: str,
        value: float,
        interval: tuple[float, float] | None = None,
    ) -> None:
        """Enters a number that was worked out elsewhere."""
        self.values[key] = float(value)
        if interval is not None:
            self.intervals[key] = interval

    def mean(self, key: str, values: np.ndarray, groups: np.ndarray) -> None:
        """Enters the mean over images and its interval over patients.

        Args:
          key: the number's name.
          values: [N]. Where N is 0 nothing is entered, and the log says so.
          groups: the patient of each, [N].
        """
        if not len(values):
            logging.warning("%s is not defined: no image to measure it on", key)
            return
        told = statistics.mean_and_interval(
            "mean", values, groups, resamples=self._resamples, seed=self._seed
        )
        there = "mean_low" in told
        interval = (told["mean_low"], told["mean_high"]) if there else None
        self.put(key, told["mean"], interval)

"""A classifier of the same images that learns labels which mean nothing.

Adebayo et al. 2018 (arXiv:1810.03292, section 4): the data randomization
test.
"""

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxstyle.classifier import beside
from jaxstyle.config import Config

# Validation chooses the epoch: with its true labels it would choose the
# weights that happen to know most of the truth.
PERMUTED = ("train", "val")


def train(config: Config, root: str | Path, folder: Path) -> dict[str, Any]:
    """Trains the built-in classifier on permuted labels.

    Everything else is as in the run. Goes on where it was stopped.

    Args:
      config: the run's.
      root: its workdir.
      folder: the workdir of the new classifier; made if missing.

    Returns:
      "auc" on the test images and their true labels, with its 95 % interval
      "auc_low" and "auc_high", "train_auc" on the permuted labels, and
      "epochs".

    Raises:
      WorkdirError: if the data are not prepared.
      stopping.Stopped: after a signal to stop, when all is saved.
    """
    told = beside.trained(
        config, root, config, folder, lambda rows: permuted(rows, config.seed)
    )
    test = {key: told["test"][key] for key in ("auc", "auc_low", "auc_high")}
    return {
        **test,
        "train_auc": told["train"]["auc"],
        "epochs": told["epochs"],
    }


def permuted(rows: Sequence[dict[str, str]], seed: int) -> list[dict[str, str]]:
    """Rows of the index with the labels permuted among each split's images.

    So each split has as many images of each label as before. Those of the
    test split stay where they are.

    Args:
      rows: with "split" and "label".
      seed: of the permutations.
    """
    labels = [row["label"] for row in rows]
    for split in PERMUTED:
        there = [n for n, row in enumerate(rows) if row["split"] == split]
        name = f"permuted labels {split}"
        random = np.random.default_rng([seed, zlib.crc32(name.encode())])
        drawn = [labels[n] for n in random.permutation(there)]
        for n, label in zip(there, drawn, strict=True):
            labels[n] = label
    return [
        row | {"label": label} for row, label in zip(rows, labels, strict=True)
    ]

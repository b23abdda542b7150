"""Prepared TFDS sets, small, with the features that the catalogue gives."""

import contextlib
import io
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image
from tensorflow_datasets.core.dataset_builder import ShardBasedBuilder

from tests.data import images

Records = Sequence[Mapping[str, Any]]

# Records of the made sets, as many as their splits need.
CAMELYON = {"train": 40, "validation": 16, "test": 16}
COLORECTAL, MALARIA = 160, 60


class _Made(ShardBasedBuilder, skip_registration=True):
    """Writes records without TensorFlow."""

    url_infos = None

    def __init__(self, features: Any, splits: Mapping[str, Records], **rest):
        self._given, self._records = features, splits
        super().__init__(file_format="array_record", **rest)

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self, features=self._given, disable_shuffling=True
        )

    def _shard_iterators_per_split(self, dl_manager):
        del dl_manager
        return {
            name: [lambda given=given: iter(enumerate(given))]
            for name, given in self._records.items()
        }


def write(
    folder: Path,
    name: str,
    version: str,
    features: Any,
    splits: Mapping[str, Records],
) -> Path:
    """Returns the folder of the prepared version."""
    body = {"name": name, "VERSION": tfds.core.Version(version)}
    kind = types.new_class(
        *("Set", (_Made,), {"skip_registration": True}),
        lambda space: space.update(body),
    )
    tfds.disable_progress_bar()
    with contextlib.redirect_stdout(io.StringIO()):
        kind(features, splits, data_dir=folder).download_and_prepare(
            download_config=tfds.download.DownloadConfig(try_download_gcs=False)
        )
    return folder / name / version


def features(name: str) -> Any:
    """What the catalogue's own code declares for a set."""
    asked = types.SimpleNamespace(dataset_info_from_configs=dict)
    with mock.patch.object(tfds.core, "DatasetInfo", dict):
        return tfds.builder_cls(name)._info(asked)["features"]


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def pixels(height: int, width: int, seed: int) -> np.ndarray:
    return images.random_pixels(height, width, 3, seed=seed)


def patch_camelyon(folder: Path) -> Path:
    """Labels 0, 1, 0, ...; image n of all has seed n."""
    seeds, splits = iter(range(10_000)), {}
    for split, count in CAMELYON.items():
        part = {"validation": "valid"}.get(split, split)
        splits[split] = [
            {
                "id": f"{part}_{n}",
                "image": png(pixels(96, 96, next(seeds))),
                "label": n % 2,
            }
            for n in range(count)
        ]
    name = "patch_camelyon"
    return write(folder, name, "2.0.0", features(name), splits)


def colorectal_histology(folder: Path) -> Path:
    """Tiles of ten slides in turn, each with all eight kinds."""
    records = [
        {
            "image": png(pixels(150, 150, n)),
            "label": n // 10 % 8,
            "filename": f"{n:X}_CRC-Prim-HE-{n % 10 + 1:02d}_{n:03d}"
            ".tif_Row_1_Col_151.tif",
        }
        for n in range(COLORECTAL)
    ]
    name = "colorectal_histology"
    return write(folder, name, "2.0.0", features(name), {"train": records})


def malaria(folder: Path) -> Path:
    """Cells of different heights and widths; the first half parasitized."""
    records = [
        {
            "image": png(pixels(60 + n, 150 - n, n)),
            "label": "uninfected" if n >= MALARIA // 2 else "parasitized",
        }
        for n in range(MALARIA)
    ]
    name = "malaria"
    return write(folder, name, "1.0.0", features(name), {"train": records})

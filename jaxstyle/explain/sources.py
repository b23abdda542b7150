"""The images to explain: a prepared split, a folder, or a list of files."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from jaxstyle.config import Config
from jaxstyle.data import formats, geometry, pipeline, problems, records

_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")


@dataclasses.dataclass(frozen=True)
class Images:
    """Images that are read when they are needed.

    Attributes:
      ids: unique, safe as file names.
      targets: "0", "1", or "" where the truth is not known.
      read: positions -> float32 [n, R, R, C] in [-1, 1].
    """

    ids: list[str]
    targets: list[str]
    read: Callable[[Sequence[int]], np.ndarray]

    def batches(
        self, batch_size: int, positions: Sequence[int]
    ) -> Iterator[tuple[list[int], np.ndarray]]:
        """Yields (positions, images) for the wanted ones, in order."""
        for start in range(0, len(positions), batch_size):
            some = list(positions[start : start + batch_size])
            yield some, self.read(some)


def open_images(config: Config, root: str | Path) -> Images:
    """What `config.walk` names, at most `walk.limit` images.

    Raises:
      DataError: listing all files that are missing or no images.
    """
    limit = config.walk.limit or None
    if config.walk.images:
        return _of_files(config, _listed(Path(config.walk.images))[:limit])
    split = pipeline.open_split(config, root, config.walk.split)
    return Images(
        split.ids[:limit],
        [str(int(target)) for target in split.targets[:limit]],
        split.images,
    )


def _listed(place: Path) -> list[Path]:
    if place.is_dir():
        files = sorted(
            path
            for path in place.rglob("*")
            if path.suffix.lower() in _SUFFIXES
        )
        if not files:
            raise problems.DataError(
                str(place), [f"no {', '.join(_SUFFIXES)} file in it"]
            )
        return files
    if not place.is_file():
        raise problems.DataError(
            str(place), ["walk.images names no folder and no list of files"]
        )
    lines = place.read_text().splitlines()
    return [place.parent / line.strip() for line in lines if line.strip()]


def _of_files(config: Config, files: list[Path]) -> Images:
    wrong = []
    for path in files:
        try:
            formats.probe(path)
        except formats.FormatError as error:
            wrong.append(str(error))
    if wrong:
        raise problems.DataError(config.walk.images, wrong)
    data = config.data

    def read(positions: Sequence[int]) -> np.ndarray:
        unit = [
            geometry.model_image(
                formats.read(files[position]),
                data.resolution,
                data.channels,
                data.intensity_range,
            )
            for position in positions
        ]
        return np.stack(unit).astype(np.float32) * np.float32(2) - np.float32(1)

    ids = records.safe_ids(path.stem for path in files)
    return Images(ids, [""] * len(files), read)

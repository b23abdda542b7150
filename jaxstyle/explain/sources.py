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
        return _of_files(config, _listed(Path(config.walk.images), limit))
    split = pipeline.open_split(config, root, config.walk.split)
    return Images(
        split.ids[:limit],
        [str(int(target)) for target in split.targets[:limit]],
        split.images,
    )


def _listed(place: Path, limit: int | None) -> dict[str, Path]:
    """Files by name: their paths from the folder, or their lines."""
    if place.is_dir():
        names = sorted(
            path.relative_to(place).as_posix()
            for path in place.rglob("*")
            if path.suffix.lower() in _SUFFIXES
        )
        missing = f"no {', '.join(_SUFFIXES)} file in it"
        folder = place
    elif place.is_file():
        lines = place.read_text(encoding="utf-8").splitlines()
        names = [line.strip() for line in lines if line.strip()]
        missing = "it lists no file"
        folder = place.parent
    else:
        names, folder = [], place
        missing = "walk.images names no folder and no list of files"
    if not names:
        raise problems.DataError(str(place), [missing])
    return {name: folder / name for name in names[:limit]}


def _of_files(config: Config, named: dict[str, Path]) -> Images:
    files = list(named.values())
    wrong = []
    for path in files:
        try:
            formats.probe(path)
        except formats.FormatError as error:
            wrong.append(str(error))
    if wrong:
        raise problems.DataError(config.walk.images, wrong)

    def read(positions: Sequence[int]) -> np.ndarray:
        unit = [_model_image(config, files[position]) for position in positions]
        return np.stack(unit) * np.float32(2) - np.float32(1)

    # Of a long path the end tells most.
    ids = records.safe_ids(name[-100:] for name in named)
    return Images(ids, [""] * len(files), read)


def _model_image(config: Config, path: Path) -> np.ndarray:
    data = config.data
    try:
        return geometry.model_image(
            formats.read(path),
            data.resolution,
            data.channels,
            data.intensity_range,
        )
    except formats.FormatError:
        raise
    except ValueError as error:
        raise formats.FormatError(f"{path} {error}") from error

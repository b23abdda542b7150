"""Renders counterfactual walks of many images to files.

Writes WORKDIR/render/ (WORKDIR/render_images/ for a folder or a list):
manifest.csv, images.csv, and for each image its original, reconstruction,
frames, Grad-CAM, strip and animation. Batches that are rendered already are
skipped. Files are written by threads while the device works on the next
batch, and a bounded number of images is in memory at any time.
"""

import collections
import logging
import time
from collections.abc import Iterable, Sequence
from concurrent import futures
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxstyle import parallel, predictors, run_log, workdir
from jaxstyle.config import NEAREST, Config
from jaxstyle.data import problems, records, refusals
from jaxstyle.encoder import projection
from jaxstyle.encoder import train as encoder_train
from jaxstyle.explain import direction as direction_lib
from jaxstyle.explain import (
    manifest,
    nearest,
    render_files,
    search,
    sources,
    stylespace,
    walk,
)
from jaxstyle.explain.attribution import grad_cam
from jaxstyle.explain.render_files import Rendered


def run(config: Config, root: str | Path) -> dict[str, Any]:
    """Renders what `config.walk` names; goes on where it was stopped.

    Of several processes each renders a share of the images. Files that
    cannot be read are left out, and listed in refused.csv.

    Raises:
      DataError: if there is no image that can be read.
    """
    started = time.monotonic()
    name = "render_images" if config.walk.images else "render"
    stage = workdir.begin(config, root, name)
    images = sources.open_images(config, root)

    def gathered() -> list[str]:
        manifest.gather(stage.manifest, stage.summary, _carried(images))
        return [row["image_id"] for row in manifest.read(stage.summary)]

    def begun() -> list[str]:
        for part in _parts(stage):
            part.unlink()
        gathered()
        _drop_changed(stage, images)
        return gathered()

    done = set(parallel.on_main(begun))
    waiting = [n for n, name in enumerate(images.ids) if name not in done]
    unread = len(images.refused)
    share = _my_share(waiting, config.walk.batch_size)
    _render(config, root, stage, images, share)
    if config.walk.images:
        # What could not be read; what could not be opened all know.
        own = manifest.part(stage.refused, jax.process_index())
        refusals.write(own, images.refused[unread:])
    parallel.wait_for_all()

    def summary() -> dict[str, Any]:
        gathered()
        result = _summary(manifest.read(stage.summary))
        if config.walk.images:
            refused = _refused(stage, images.refused[:unread])
            result["refused"] = len(refused)
            _require_some(config, result["images"], refused)
        return result

    result = parallel.on_main(summary)
    workdir.finish(stage, result, time.monotonic() - started)
    return result


def _drop_changed(stage: workdir.Stage, images: sources.Images) -> None:
    """Takes out what is rendered of files that are gone, or now others."""
    current = {
        name: images.digest(position)
        for position, name in enumerate(images.ids)
    }
    dropped = manifest.keep(
        stage.manifest,
        stage.summary,
        _carried(images),
        lambda row: (
            current.get(row["image_id"]) == row.get(manifest.SOURCE, "")
        ),
    )
    if dropped:
        logging.warning(
            "%s: %d image(s) rendered before are gone or have other content "
            "now; their rows are taken out: %s",
            stage.summary,
            len(dropped),
            ", ".join(dropped[:10]),
        )


def _my_share(waiting: Sequence[int], batch_size: int) -> list[int]:
    """What this process renders: whole batches, as one process has them."""
    numbers = sorted({position // batch_size for position in waiting})
    mine = set(parallel.my_share(numbers))
    return [n for n in waiting if n // batch_size in mine]


def _refused(
    stage: workdir.Stage, unopened: Sequence[records.Refusal]
) -> list[records.Refusal]:
    """Writes the table of all processes' refusals."""
    refused = [*unopened]
    for part in _parts(stage):
        refused += refusals.read(part)
    refusals.write(stage.refused, refused)
    for part in _parts(stage):
        part.unlink()
    return refused


def _parts(stage: workdir.Stage) -> list[Path]:
    """The tables of single processes, in their order."""
    return sorted(stage.path.glob(manifest.part(stage.refused, "*").name))


def _require_some(
    config: Config, count: int, refused: Sequence[records.Refusal]
) -> None:
    """Refuses a run without any image.

    Raises:
      DataError: telling why each was left out.
    """
    if not count:
        told = [f"{file} {reason}" for file, reason in refused]
        raise problems.DataError(config.walk.images, told)


def _render(
    config: Config,
    root: str | Path,
    stage: workdir.Stage,
    images: sources.Images,
    waiting: Sequence[int],
) -> None:
    """Renders the images at these positions into tables of this process.

    The others of their batches are made once more, and left as they are.
    """
    index = jax.process_index()
    table = manifest.Manifest(
        manifest.part(stage.manifest, index),
        manifest.part(stage.summary, index),
        _carried(images),
    )
    explain = Explainer(config, root)
    parallel.on_main(lambda: _name_model(config, root, stage, explain))
    # Each process asks an f of its own.
    predictors.require_recorded(stage.path, explain.predictor, config)
    progress = run_log.Progress("render", len(waiting), "images")
    done, unread = 0, len(images.refused)
    wanted = frozenset(waiting)
    with futures.ThreadPoolExecutor(config.walk.writer_threads) as pool:
        writing: list[futures.Future[Any]] = []
        for positions, batch in images.batches(config.walk.batch_size, waiting):
            ids = [images.ids[position] for position in positions]
            targets = [images.targets[position] for position in positions]
            rendered = explain(ids, targets, batch)
            # At most one batch is being written while the next is made.
            done += _record(table, writing)
            progress.update(done + len(images.refused) - unread)
            sizes = images.sizes[positions].tolist()
            writing = [
                pool.submit(
                    _write, config, stage.path, item, size, _cells(images, n)
                )
                for n, item, size in zip(
                    positions, rendered, sizes, strict=True
                )
                if n in wanted
            ]
        done += _record(table, writing)
        progress.update(done + len(images.refused) - unread)


def _name_model(
    config: Config, root: str | Path, stage: workdir.Stage, explain: "Explainer"
) -> None:
    """Says which f is explained, and refuses another one's walks.

    Raises:
      PredictorError: if the direction, or walks that are rendered already,
        are another model's.
    """
    direction = workdir.stage(config, root, "direction").path
    predictors.require_recorded(direction, explain.predictor, config)
    predictors.claim(stage.path, explain.predictor, config)


class Explainer:
    """Everything that one batch needs: E, G, alpha, f and Grad-CAM.

    Args:
      config: the run.
      root: its workdir.

    Attributes:
      predictor: f.
    """

    def __init__(self, config: Config, root: str | Path) -> None:
        self._config = config
        self._codec = encoder_train.load(config, root)
        self._direction = direction_lib.load(config, root)
        self.predictor = predictors.load(config, root)
        self._walker = walk.Walker(
            config, self._codec, self._direction, self.predictor
        )
        self._start = projection.starts(config, root, self._codec)
        self._nearest = None
        if config.walk.along == NEAREST:
            self._nearest = nearest.load(
                config, root, self._codec, self._direction, self.predictor
            )
        self._sparsify = None
        if config.walk.sparse:
            self._sparsify = stylespace.Sparsifier(
                config, self._codec, self.predictor
            )
        built_in = config.predictor.kind == "checkpoint"
        self._grad_cam = grad_cam.load(config, root) if built_in else None

    def __call__(
        self, ids: list[str], targets: list[str], images: np.ndarray
    ) -> list[Rendered]:
        """Walks of [N, R, R, C] images in [-1, 1]."""
        config = self._config
        judged = predictors.probability(self.predictor, images, config)
        decided = direction_lib.decisions(config, judged)
        codes = self._start(ids, images)
        direction, walker = self._direction, self._walker
        if self._nearest is not None:
            direction = self._nearest(codes, decided)
            walker = walker.redirected(direction)
        lambdas = search.find_walks(
            config, direction, codes, decided, walker.judge
        )
        frames = walker.frames(codes, lambdas)
        on_frames = walker.judge_frames(frames)
        walks = search.verdicts(config, lambdas, decided, on_frames)
        latent = direction.along(codes, lambdas)
        sparse = self._sparse(
            direction, codes, lambdas, decided, walks.flip_frame
        )
        heat = None
        if self._grad_cam is not None:
            heat = self._grad_cam(images, np.where(decided, 1.0, -1.0))
        return [
            Rendered(
                image_id=ids[n],
                target=targets[n],
                original=images[n],
                frames=frames[n],
                heat=None if heat is None else heat[n],
                judged_original=float(judged[n]),
                judged=on_frames[n],
                latent=latent[n],
                lambdas=lambdas[n],
                reconstruction_frame=int(walks.reconstruction_frame[n]),
                flip_frame=int(walks.flip_frame[n]),
                status=walks.status[n],
                sparse=sparse[n],
            )
            for n in range(len(ids))
        ]

    def _sparse(
        self,
        direction: direction_lib.Direction,
        codes: np.ndarray,
        lambdas: np.ndarray,
        decided: np.ndarray,
        flip_frame: np.ndarray,
    ) -> list[stylespace.Sparse | None]:
        """Of each flipped image, from all that its walk's end moves."""
        found: list[stylespace.Sparse | None] = [None] * len(codes)
        if self._sparsify is None:
            return found
        ends = np.where(decided, lambdas[:, 0], lambdas[:, -1])
        offsets = direction.offsets(codes, ends[:, None])[:, 0]
        for n in np.flatnonzero(flip_frame >= 0):
            found[n] = self._sparsify(codes[n], offsets[n], bool(decided[n]))
        return found


def _carried(images: sources.Images) -> list[str]:
    """What images.csv calls the columns after those of every image."""
    names = [manifest.CARRIED + name for name in images.columns]
    return [*names, manifest.SOURCE] if images.digests else names


def _cells(images: sources.Images, position: int) -> dict[str, str]:
    """An image's values of these."""
    known = images.cells(position)
    cells = {manifest.CARRIED + name: known[name] for name in known}
    if images.digests:
        cells[manifest.SOURCE] = images.digest(position)
    return cells


def _write(
    config: Config,
    folder: Path,
    item: Rendered,
    size: tuple[int, int],
    cells: dict[str, str],
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Writes one image's files; its rows, the carried columns with them."""
    image, frames = render_files.write(config, folder, item, size)
    return image | cells, frames


def _record(
    table: manifest.Manifest, writing: list[futures.Future[Any]]
) -> int:
    """Waits for the files of a batch and enters its images in the tables."""
    for future in writing:
        table.add(*future.result())
    return len(writing)


def _summary(rows: Iterable[dict[str, str]]) -> dict[str, Any]:
    counts = collections.Counter(row["status"] for row in rows)
    statuses = (search.FLIPPED, search.NO_FLIP, search.NOT_EXPLAINED)
    return {
        "images": counts.total(),
        **{status: counts[status] for status in statuses},
    }

"""Renders counterfactual walks of many images to files.

Writes WORKDIR/render/ (WORKDIR/render_images/ for a folder or a list):
manifest.csv, images.csv, and for each image its original, reconstruction,
frames, Grad-CAM, strip and animation. Images that are rendered already are
skipped. Files are written by threads while the device works on the next
batch, and a bounded number of images is in memory at any time.
"""

import collections
import dataclasses
import time
from collections.abc import Iterable
from concurrent import futures
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from jaxstyle import predictors, run_log, workdir
from jaxstyle.config import Config
from jaxstyle.encoder import projection
from jaxstyle.encoder import train as encoder_train
from jaxstyle.explain import direction as direction_lib
from jaxstyle.explain import manifest as manifest_lib
from jaxstyle.explain import search, sources, walk
from jaxstyle.explain.attribution import grad_cam
from jaxstyle.report import strips


@dataclasses.dataclass(frozen=True)
class Rendered:
    """One image with all that is written of it.

    Attributes:
      image_id: unique, safe as a file name.
      target: "0", "1" or "".
      original: [R, R, C] in [-1, 1].
      frames: [K, R, R, C] in [-1, 1].
      heat: Grad-CAM [R, R] in [0, 1]; None for black boxes.
      judged_original: f(x).
      judged: f on each frame, [K].
      latent: latent predictor on each frame, [K].
      lambdas: [K].
      reconstruction_frame: where lambda is 0.
      flip_frame: the smallest flip, or -1.
      status: one of `search`'s.
    """

    image_id: str
    target: str
    original: np.ndarray
    frames: np.ndarray
    heat: np.ndarray | None
    judged_original: float
    judged: np.ndarray
    latent: np.ndarray
    lambdas: np.ndarray
    reconstruction_frame: int
    flip_frame: int
    status: str


def run(config: Config, root: str | Path) -> dict[str, Any]:
    """Renders what `config.walk` names; goes on where it was stopped."""
    started = time.monotonic()
    name = "render_images" if config.walk.images else "render"
    stage = workdir.begin(config, root, name)
    images = sources.open_images(config, root)
    table = manifest_lib.Manifest(stage.manifest, stage.summary)
    waiting = [
        position
        for position, image_id in enumerate(images.ids)
        if image_id not in table.done
    ]
    progress = run_log.Progress(
        "render", len(images.ids), "images", len(images.ids) - len(waiting)
    )
    explain = Explainer(config, root)
    done = len(images.ids) - len(waiting)
    with futures.ThreadPoolExecutor(config.walk.writer_threads) as pool:
        writing: list[futures.Future[Any]] = []
        for positions, batch in images.batches(config.walk.batch_size, waiting):
            ids = [images.ids[position] for position in positions]
            targets = [images.targets[position] for position in positions]
            rendered = explain(ids, targets, batch)
            # At most one batch is being written while the next is made.
            done += _record(table, writing)
            progress.update(done)
            writing = [
                pool.submit(write, config, stage.path, item)
                for item in rendered
            ]
        done += _record(table, writing)
        progress.update(done)
    result = _summary(manifest_lib.read(stage.summary))
    workdir.finish(stage, result, time.monotonic() - started)
    return result


class Explainer:
    """Everything that one batch needs: E, G, alpha, f and Grad-CAM.

    Args:
      config: the run.
      root: its workdir.
    """

    def __init__(self, config: Config, root: str | Path) -> None:
        self._config = config
        self._codec = encoder_train.load(config, root)
        self._direction = direction_lib.load(config, root)
        self._predictor = predictors.load(config, root)
        self._walker = walk.Walker(
            config, self._codec, self._direction, self._predictor
        )
        self._project = None
        if config.walk.project:
            self._project = projection.load(config, root, self._codec)
        built_in = config.predictor.kind == "checkpoint"
        self._grad_cam = grad_cam.load(config, root) if built_in else None

    def __call__(
        self, ids: list[str], targets: list[str], images: np.ndarray
    ) -> list[Rendered]:
        """Walks of [N, R, R, C] images in [-1, 1]."""
        config, direction = self._config, self._direction
        judged = predictors.probability(self._predictor, images, config)
        decided = direction_lib.decisions(config, judged)
        codes = self._inverted(ids, images)
        lambdas = search.find_walks(
            config, direction, codes, decided, self._walker.judge
        )
        frames = self._walker.frames(codes, lambdas)
        on_frames = self._walker.judge_frames(frames)
        walks = search.verdicts(config, lambdas, decided, on_frames)
        latent = direction.along(codes, lambdas)
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
            )
            for n in range(len(ids))
        ]

    def _inverted(self, ids: list[str], images: np.ndarray) -> np.ndarray:
        """Codes [N, rows, w_dim] at which the walks start."""
        codes = self._codec.encode(images)
        if self._project is None:
            return codes
        found = self._project(images, codes)
        projection.require_finite(ids, found.losses)
        return found.codes


def write(
    config: Config, directory: Path, item: Rendered
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Writes one image's files; returns its rows for the two tables."""
    folder = Path("frames") / item.image_id
    (directory / folder).mkdir(parents=True, exist_ok=True)
    before = float(item.judged[item.reconstruction_frame])
    files = [folder / f"{k:02d}.png" for k in range(len(item.frames))]
    for frame, file in zip(item.frames, files, strict=True):
        save_png(directory / file, frame)
    original, strip, animation, cam = (
        folder / f"{name}.png"
        for name in ("original", "strip", "walk", "grad_cam")
    )
    save_png(directory / original, item.original)
    captions = [f"f {probability:.2f}" for probability in item.judged]
    strips.save_animation(directory / animation, item.frames, captions)
    _strip(config, item, captions).save(directory / strip)
    if item.heat is not None:
        overlay = strips.heatmap_overlay(item.original, item.heat)
        Image.fromarray(overlay).save(directory / cam)

    recon = item.frames[item.reconstruction_frame]
    decision = bool(direction_lib.decisions(config, item.judged_original))
    flipped = direction_lib.decisions(config, item.judged) != decision
    rows = [
        {
            "image_id": item.image_id,
            "frame": k,
            "lambda": f"{item.lambdas[k]:.6g}",
            "latent_probability": f"{item.latent[k]:.6f}",
            "predictor_probability": f"{item.judged[k]:.6f}",
            "flipped": int(flipped[k]),
            "distance": f"{_l1(item.frames[k], recon):.6f}",
            "file": file.as_posix(),
        }
        for k, file in enumerate(files)
    ]
    found = item.flip_frame >= 0
    return {
        "image_id": item.image_id,
        "target": item.target,
        "predictor_original": f"{item.judged_original:.6f}",
        "predictor_reconstruction": f"{before:.6f}",
        "reconstruction_gap": f"{abs(item.judged_original - before):.6f}",
        "decision": int(decision),
        "asked": int(not decision),
        "flipped": int(found),
        "status": item.status,
        "flip_lambda": f"{item.lambdas[item.flip_frame]:.6g}" if found else "",
        "flip_frame": item.flip_frame if found else "",
        "reconstruction_frame": item.reconstruction_frame,
        "reconstruction_l1": f"{_l1(item.original, recon):.6f}",
        "original": original.as_posix(),
        "reconstruction": files[item.reconstruction_frame].as_posix(),
        "grad_cam": cam.as_posix() if item.heat is not None else "",
        "strip": strip.as_posix(),
        "animation": animation.as_posix(),
    }, rows


def save_png(path: Path, image: np.ndarray) -> None:
    """[R, R, 1 or 3] in [-1, 1] as an 8-bit PNG."""
    levels = np.rint((np.clip(image, -1, 1) + 1) * 127.5).astype(np.uint8)
    Image.fromarray(levels[..., 0] if levels.shape[-1] == 1 else levels).save(
        path
    )


def _strip(config: Config, item: Rendered, captions: list[str]) -> Image.Image:
    recon = item.frames[item.reconstruction_frame]
    decision = direction_lib.decisions(config, item.judged_original)
    shown = item.flip_frame
    if shown < 0:
        # Without a flip the difference shown is that of the farthest frame.
        shown = 0 if decision else len(item.frames) - 1
    before = [
        strips.Tile(
            "original",
            strips.to_rgb(item.original),
            f"f {item.judged_original:.2f}",
        ),
        strips.Tile(
            "reconstruction",
            strips.to_rgb(recon),
            captions[item.reconstruction_frame],
        ),
    ]
    after = [
        strips.Tile(
            "difference", strips.difference_map(item.frames[shown], recon), ""
        )
    ]
    if item.heat is not None:
        overlay = strips.heatmap_overlay(item.original, item.heat)
        after.append(strips.Tile("Grad-CAM", overlay, ""))
    return strips.strip(
        item.frames,
        captions,
        before,
        after,
        highlight=item.flip_frame if item.flip_frame >= 0 else None,
        ends=config.data.class_names,
        legend=strips.DIFFERENCE_LIMIT,
    )


def _l1(a: np.ndarray, b: np.ndarray) -> float:
    """Mean absolute difference of images in [0, 1]."""
    return float(np.mean(np.abs(a - b))) / 2


def _record(
    table: manifest_lib.Manifest, writing: list[futures.Future[Any]]
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

"""One rendered image, and the files and rows that are written of it."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from jaxstyle.config import Config
from jaxstyle.data import geometry
from jaxstyle.explain import direction as direction_lib
from jaxstyle.explain.stylespace import Sparse
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
      sparse: the counterfactual of fewest channels; None where not asked
        for, or not found.
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
    sparse: Sparse | None


def write(
    config: Config, directory: Path, item: Rendered, size: tuple[int, int]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Writes one image's files; returns its rows for the two tables.

    Args:
      config: the run.
      directory: of the stage.
      item: the image.
      size: its height and width before it became a square, in pixels.
    """
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
    captions = [f"f {config.target.shown(p)}" for p in item.judged]
    # Pictures travel without the tables.
    mark = "" if item.flip_frame >= 0 else " (not explained)"
    whole = item if config.data.fit == "crop" else _unpadded(item, size)
    strips.save_animation(
        directory / animation, whole.frames, [text + mark for text in captions]
    )
    _strip(config, whole, captions).save(
        directory / strip, compress_level=strips.COMPRESSION
    )
    if item.heat is not None:
        overlay = strips.heatmap_overlay(item.original, item.heat)
        Image.fromarray(overlay).save(directory / cam)
    sparse = folder / "sparse.png"
    if item.sparse is not None:
        save_png(directory / sparse, item.sparse.frame)

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
        "height": size[0],
        "width": size[1],
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
        **_sparse_columns(item.sparse, sparse),
    }, rows


def _unpadded(item: Rendered, size: tuple[int, int]) -> Rendered:
    """Without the bars that made it a square, as people look at it."""
    heat = item.heat
    if heat is not None:
        heat = geometry.unpad(heat[..., None], *size)[..., 0]
    return dataclasses.replace(
        item,
        original=geometry.unpad(item.original, *size),
        frames=geometry.unpad(item.frames, *size),
        heat=heat,
    )


def _sparse_columns(sparse: Sparse | None, file: Path) -> dict[str, str]:
    if sparse is None:
        names = ("sparse", "sparse_channels", "sparse_probability")
        return dict.fromkeys(names, "")
    return {
        "sparse": file.as_posix(),
        "sparse_channels": " ".join(sparse.channels),
        "sparse_probability": f"{sparse.judged:.6f}",
    }


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
            f"f {config.target.shown(item.judged_original)}",
        ),
        strips.Tile(
            "reconstruction",
            strips.to_rgb(recon),
            captions[item.reconstruction_frame],
        ),
    ]
    after = [
        strips.Tile(
            "difference",
            strips.difference_map(item.frames[shown], recon),
            "" if item.flip_frame >= 0 else f"not explained: {item.status}",
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
        ends=config.ends,
        legend=strips.DIFFERENCE_LIMIT,
    )


def _l1(a: np.ndarray, b: np.ndarray) -> float:
    """Mean absolute difference of images in [0, 1]."""
    return float(np.mean(np.abs(a - b))) / 2

"""Walks in a renderer's folder, made of given pixels."""

import numpy as np
from PIL import Image

from jaxstyle.evaluation import walks as walks_lib
from jaxstyle.explain import search


def walk(
    folder,
    name,
    original,
    frames,
    *,
    asked=1,
    start=0,
    flip=None,
    status=None,
    judged=0.25,
):
    """Saves levels, uint8 [H, W, 3] and [K, H, W, 3]; the walk.

    Lambdas count from the frame `start` on; `judged` is f on the original.
    """
    (folder / name).mkdir()
    files = [folder / name / f"{k}.png" for k in range(len(frames))]
    for file, frame in zip(files, frames, strict=True):
        Image.fromarray(frame).save(file)
    path = folder / name / "original.png"
    Image.fromarray(original).save(path)
    failed = search.NO_FLIP if status is None else status
    row = {
        "image_id": name,
        "predictor_original": str(judged),
        "predictor_reconstruction": "0.5",
        "asked": str(asked),
        "flipped": str(int(flip is not None)),
        "status": failed if flip is None else search.FLIPPED,
        "flip_frame": "" if flip is None else str(flip),
        "reconstruction_frame": str(start),
    }
    nothing = np.zeros(len(frames))
    lambdas = np.arange(len(frames)) - float(start)
    return walks_lib.Saved(row, lambdas, nothing, nothing, files, path)


def noise(seed, *shape):
    """Random levels, uint8."""
    random = np.random.default_rng(seed)
    return random.integers(0, 256, shape).astype(np.uint8)

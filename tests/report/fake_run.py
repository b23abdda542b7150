"""A small run folder, as the stages before the report would leave it.

Frames fade from one real tile of stained tissue to another, so that pages
made of it can also be looked at.
"""

import csv
import json
from pathlib import Path

import numpy as np
import skimage.data
from PIL import Image

from jaxstyle import workdir
from jaxstyle.config import Config, DataConfig, ReportConfig

FRAMES = 9
SPARSE_COLUMNS = ("sparse", "sparse_channels", "sparse_probability")
# Value and, where the evaluation gives one, the ends of its interval.
_MEASURED = {
    "predictor.auc": (0.9961, 0.9912, 0.9989),
    "latent.auc_vs_predictor": (0.9812, 0.9734, 0.9878),
    "latent.auc_vs_truth": (0.9705, 0.9601, 0.9799),
    "latent.spearman": (0.9313,),
    "latent.r2": (0.7426, 0.7108, 0.7713),
    "reconstruction.psnr": (24.31, 24.07, 24.56),
    "reconstruction.ssim": (0.8127, 0.8051, 0.8204),
    "reconstruction.gap": (0.0512, 0.0433, 0.0598),
    "reconstruction.agreement": (0.9688, 0.9531, 0.9805),
    "walk.flip_rate": (0.9531, 0.9336, 0.9707),
    "walk.monotonicity": (0.9925, 0.9896, 0.9951),
    "walk.proximity": (0.0433, 0.0419, 0.0447),
    "walk.proximity_features": (0.3187, 0.3061, 0.3315),
    "walk.proximity_ssim": (0.9042, 0.8986, 0.9095),
    "walk.sparsity": (0.0871, 0.0795, 0.0949),
    "walk.cout": (0.4125, 0.3871, 0.4368),
    "walk.cout_reconstruction": (-0.0312, -0.0624, 0.0011),
    "walk.identity": (0.8945, 0.8672, 0.9199),
    "walk.fid": (10.62, 9.874, 11.41),
    "walk.fid_flipped": (9.934, 9.142, 10.78),
    "walk.sfid": (15.27, 14.33, 16.24),
    "walk.fid_ratio": (1.384, 1.271, 1.502),
    "concept.dab_monotonicity": (0.9517, 0.9419, 0.9611),
    "gan.fid_features": (12.341,),
    "gan.precision": (0.7121,),
    "gan.recall": (0.4317,),
    "gan.nearest_train_distance": (3.2105,),
}
EVALUATION = {key: value for key, (value, *_) in _MEASURED.items()}
INTERVALS = {key: ends for key, (_, *ends) in _MEASURED.items() if ends}
_DISTANCES = {
    "fid": 10.62,
    "sfid": 15.27,
    "reconstruction_fid": 6.113,
    "reconstruction_sfid": 11.03,
    "images_of_class_0": 254,
    "images_of_class_1": 250,
}
DETAILS = {
    "intervals": INTERVALS,
    "feature_networks": {
        "random_convolutional": {"fid": 12.341, "kid": 0.0151, "recall": 0.43},
        "classifier_penultimate": {"fid": 3.87, "kid": 0.0043, "recall": 0.51},
    },
    "counterfactuals": {
        "identity_chance": 1 / 512,
        "frechet": {"all": {"random_convolutional": _DISTANCES}},
    },
}


def config(**report) -> Config:
    return Config(
        name="ihc_tiles",
        data=DataConfig(class_names=("stain-negative", "stain-positive")),
        report=ReportConfig(**report),
    )


def make(
    root: Path,
    settings: Config,
    *,
    images: int = 9,
    side: int = 32,
    grad_cam: bool = True,
    failed_status: str = "no flip inside the trust limit",
) -> list[dict[str, str]]:
    """Writes the folder; every fourth image does not flip.

    Those that do, but for the second, have a sparse counterfactual.

    Returns:
      The rows of images.csv.
    """
    render = workdir.stage(settings, root, "render")
    (render.path / "frames").mkdir(parents=True)
    summary, manifest = [], []
    for number in range(images):
        row, rows = _image(render.path, number, side, grad_cam, failed_status)
        summary.append(row)
        manifest += rows
    _write(render.summary, summary)
    _write(render.manifest, manifest)
    _training(settings, root)
    results = {
        "data": {"images": 1024},
        "classifier": {"test": {"auc": 0.9961, "interval": [0.991, 0.999]}},
        "gan": {"images": 40000},
        "encoder": {"latent_error": 0.21},
        "direction": {"auc": 0.98, "stability": 0.97},
        "render": {"images": images},
        "evaluation": EVALUATION,
    }
    for name, result in results.items():
        stage = workdir.stage(settings, root, name)
        stage.path.mkdir(parents=True, exist_ok=True)
        workdir.finish(stage, result, 1.0)
    workdir.write_json(
        workdir.stage(settings, root, "evaluation").details, DETAILS
    )
    return summary


def _tile(side: int, seed: int) -> np.ndarray:
    whole = skimage.data.immunohistochemistry().astype(np.float32) / 255
    y, x = np.random.default_rng(seed).integers(0, 512 - side, 2)
    return whole[y : y + side, x : x + side]


def _image(
    folder: Path, number: int, side: int, grad_cam: bool, failed_status: str
) -> tuple[dict[str, str], list[dict[str, str]]]:
    name, decision, fails = f"tile_{number:04d}", number % 2, number % 4 == 3
    places = np.linspace(0, 1, FRAMES, dtype=np.float32)[:, None, None, None]
    frames = _tile(side, 2 * number) * (1 - places)
    frames = frames + _tile(side, 2 * number + 1) * places
    at = 6 if decision else 2
    lambdas = (np.arange(FRAMES) - at) * 0.83
    middle = lambdas[{(0, 0): 5, (1, 0): 3}.get((decision, int(fails)), 0)]
    strength = 0.05 if fails else 2.2
    offset = (decision - 0.5) * (3 if fails else 0)
    f = 1 / (1 + np.exp(-strength * (lambdas - middle + 0.3) - offset))
    latent = 1 / (1 + np.exp(-1.6 * (lambdas - middle)))
    flips = [(p >= 0.5) != bool(decision) for p in f]
    inward = reversed(range(at)) if decision else range(at + 1, FRAMES)
    flip = next((index for index in inward if flips[index]), None)
    assert (flip is None) == fails
    rows = []
    for index, frame in enumerate(frames):
        file = f"frames/{name}/{index:02d}.png"
        _save(folder / file, frame)
        rows.append(
            {
                "image_id": name,
                "frame": str(index),
                "lambda": f"{lambdas[index]:.6f}",
                "latent_probability": f"{latent[index]:.6f}",
                "predictor_probability": f"{f[index]:.6f}",
                "flipped": str(int(flips[index])),
                "distance": f"{np.abs(frame - frames[at]).mean():.6f}",
                "file": file,
            }
        )
    noise = np.random.default_rng(number).normal(0, 0.04, frames[at].shape)
    _save(folder / f"frames/{name}/original.png", frames[at] + noise)
    _save(folder / f"frames/{name}/reconstruction.png", frames[at])
    cam = ""
    if grad_cam:
        cam = f"frames/{name}/grad_cam.png"
        heat = np.outer(np.hanning(side), np.hanning(side))[..., None]
        warm = heat * np.asarray([1, 0.7, 0.2])
        _save(folder / cam, frames[at].mean(-1, keepdims=True) * 0.6 + warm)
    sparse = dict.fromkeys(SPARSE_COLUMNS, "")
    if flip is not None and number != 1:
        sparse = _sparse(folder, name, number, frames[at], frames[flip])
    row = {
        "image_id": name,
        "target": str(decision if number != 4 else 1 - decision),
        "predictor_original": f"{f[at] * 0.9:.6f}",
        "predictor_reconstruction": f"{f[at]:.6f}",
        "decision": str(decision),
        "asked": str(1 - decision),
        "flipped": str(int(not fails)),
        "status": failed_status if fails else "flipped",
        "flip_lambda": "" if flip is None else f"{lambdas[flip]:.6f}",
        "flip_frame": "" if flip is None else str(flip),
        "reconstruction_frame": str(at),
        "reconstruction_l1": "0.031000",
        "original": f"frames/{name}/original.png",
        "reconstruction": f"frames/{name}/reconstruction.png",
        "grad_cam": cam,
        "strip": f"strips/{name}.png",
        "animation": f"animations/{name}.png",
        **sparse,
    }
    return row, rows


def _sparse(
    folder: Path, name: str, number: int, start: np.ndarray, flip: np.ndarray
) -> dict[str, str]:
    """The flip in one half of the image; `number` + 1 channels."""
    file = f"frames/{name}/sparse.png"
    half = len(start) // 2
    _save(folder / file, np.concatenate([start[:half], flip[half:]]))
    channels = [f"conv_8:{3 * n}" for n in range(number + 1)]
    probability = "0.431250" if number % 2 else "0.568750"
    told = (file, " ".join(channels), probability)
    return dict(zip(SPARSE_COLUMNS, told, strict=True))


def _training(settings: Config, root: Path) -> None:
    rng = np.random.default_rng(7)
    gan = workdir.stage(settings, root, "gan")
    gan.samples.mkdir(parents=True)
    grid = np.concatenate(
        [
            np.concatenate([_tile(32, 100 * y + x) for x in range(8)], 1)
            for y in range(4)
        ]
    )
    _save(gan.samples / "kimg_00005.0.png", grid * 0.5)
    _save(gan.samples / "kimg_00040.0.png", grid)
    steps = np.arange(400)
    lines = [
        {
            "step": int(step),
            "images": int(step) * 100,
            "loss_d": 1.2 + 0.3 * rng.normal(),
            "loss_g": 1 + step / 400 + 0.2 * rng.normal(),
            "r1": 0.1 * np.exp(-step / 80) + 0.01 * rng.random(),
            "path_length": 3 + np.log1p(step) + 0.1 * rng.normal(),
        }
        for step in steps.tolist()
    ]
    _metrics(gan.metrics, lines)
    classifier = workdir.stage(settings, root, "classifier")
    epochs = [
        {"step": 16 * e, "loss": 0.69 / (1 + e), "val_auc": 1 - 0.4 / (1 + e)}
        for e in range(12)
    ]
    _metrics(classifier.metrics, epochs)


def _metrics(path: Path, lines: list[dict]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def _write(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def _save(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    levels = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
    Image.fromarray(levels).save(path)

"""A rendered stage of known frames, written by the renderer's own writer."""

import numpy as np

from jaxstyle import workdir
from jaxstyle.config import Config, DataConfig, WalkConfig
from jaxstyle.data import geometry
from jaxstyle.explain import manifest, render_files, search
from tests.explain import rendering

SIDE, FRAMES = 16, 3
ORIGINAL = 77
FINGERPRINT = "0123456789abcdef"
STATUSES = (search.FLIPPED, search.NOT_EXPLAINED, search.NO_FLIP)
# Height and width of the images before they were padded.
SIZES = ((30, 60), (16, 16), (64, 16))


def config(channels: int = 1, images: str = "", **data) -> Config:
    return Config(
        name="made",
        data=DataConfig(
            source="npz",
            path="x.npz",
            resolution=SIDE,
            channels=channels,
            class_names=("keine Lähmung", "Lähmung"),
            **data,
        ),
        walk=WalkConfig(images=images),
    )


def levels(number: int, frame: int, channels: int) -> np.ndarray:
    """The 8-bit pixels of a frame before it is padded, [h, w, C]."""
    height, width = shown_size(number)
    random = np.random.default_rng([number, frame])
    # Neither black, as what is padded, nor the original's value.
    return random.integers(100, 256, (height, width, channels), np.uint8)


def shown_size(number: int) -> tuple[int, int]:
    """What is left of an image of `SIZES` in its square, by hand."""
    return ((8, 16), (16, 16), (16, 4))[number]


def write(settings: Config, root, shift: int = 0) -> workdir.Stage:
    """Renders `SIZES`; `shift` gives other pixels."""
    name = "render_images" if settings.walk.images else "render"
    stage = workdir.stage(settings, root, name)
    stage.path.mkdir(parents=True)
    table = manifest.Manifest(stage.manifest, stage.summary)
    for number, size in enumerate(SIZES):
        item = _rendered(settings, number, shift)
        table.add(*render_files.write(settings, stage.path, item, size))
    told = {"fingerprint": FINGERPRINT, "kind": "callable", "target": "x"}
    workdir.write_json(stage.path / "predictor.json", told)
    workdir.finish(stage, {"images": len(SIZES)}, 0.0)
    return stage


def _rendered(settings, number, shift):
    channels = settings.data.channels
    frames = []
    for frame in range(FRAMES):
        unit = levels(number, frame + shift, channels) / np.float32(255)
        padded = geometry.square(unit, SIDE)
        frames.append(padded * 2 - 1)
    shape = (SIDE, SIDE, channels)
    status = STATUSES[number]
    return rendering.walk_of(
        np.stack(frames),
        image_id=f"case-{number}",
        original=np.full(shape, ORIGINAL / 127.5 - 1, np.float32),
        judged_original=0.9,
        judged=np.array([0.125, 0.75, 0.875]),
        lambdas=np.array([-1.5, 0.0, 0.25]),
        reconstruction_frame=1,
        flip_frame=0 if status == search.FLIPPED else -1,
        status=status,
    )

"""Every config file loads, is valid, and describes networks that fit."""

import csv
import importlib
import re
import runpy
import sys

import jax
import numpy as np
import pytest
from PIL import Image

from configs import gan_presets
from jaxstyle import config as config_lib
from jaxstyle.classifier import state as classifier_state
from jaxstyle.data import pipeline, prepare
from jaxstyle.encoder import networks as encoder_networks
from jaxstyle.stylegan2 import state as gan_state

VARIANTS = [
    ("ihc", ""),
    ("ihc", "tiny"),
    ("chest_xray", ""),
    ("chest_xray", "cpu"),
    ("chest_xray", "small"),
    ("chest_xray", "tiny"),
    ("knee", ""),
    ("knee", "tiny"),
    ("my_folder", ""),
    ("my_folder", "gpu"),
    ("my_folder", "tiny"),
    ("patch_camelyon", ""),
    ("patch_camelyon", "tiny"),
    ("colorectal_histology", ""),
    ("colorectal_histology", "tiny"),
    ("malaria", ""),
    ("malaria", "tiny"),
]


def _config(name, variant):
    module = importlib.import_module(f"configs.{name}")
    return config_lib.validated(module.get_config(variant))


@pytest.mark.parametrize(("name", "variant"), VARIANTS)
def test_networks_fit_the_images(name, variant):
    config = _config(name, variant)
    side, channels = config.data.resolution, config.data.channels
    state = jax.eval_shape(lambda: gan_state.create(config))
    pixels = state.g_params["params"]["synthesis"][f"rgb_{side}"]["bias"]
    assert pixels.shape == (channels,)
    jax.eval_shape(lambda: classifier_state.create(config, 10))
    encoder = encoder_networks.encoder(config)
    images = jax.ShapeDtypeStruct((2, side, side, channels), np.float32)
    w = jax.ShapeDtypeStruct((config.gan.w_dim,), np.float32)
    before = jax.ShapeDtypeStruct((2, encoder.rows, *w.shape), np.float32)
    codes, _ = jax.eval_shape(
        encoder.init_with_output,
        *(jax.random.PRNGKey(0), images, images, before, w),
    )
    assert codes.shape == before.shape


@pytest.mark.parametrize(
    "name",
    [
        *("ihc", "chest_xray", "knee", "my_folder"),
        *("patch_camelyon", "colorectal_histology", "malaria"),
    ],
)
def test_unknown_variants_are_refused(name):
    with pytest.raises(ValueError, match=f"{name}.py has no variant 'huge'"):
        _config(name, "huge")


@pytest.mark.parametrize("name", ["chest_xray", "knee", "my_folder"])
def test_images_with_laterality_are_never_mirrored(name):
    data = _config(name, "").data
    assert not (data.flip_horizontal or data.flip_vertical or data.rotate90)


@pytest.mark.parametrize(
    ("resolution", "devices", "batch", "group", "base"),
    [
        (32, 1, 32, 4, 16384),
        (64, 1, 32, 4, 16384),
        (64, 3, 72, 4, 16384),
        (64, 6, 96, 4, 16384),
        (128, 1, 32, 4, 16384),
        (256, 1, 16, 4, 16384),
        (256, 4, 64, 4, 16384),
        (256, 8, 64, 4, 16384),
        (512, 8, 64, 4, 32768),
        (1024, 1, 8, 4, 32768),
        (1024, 8, 64, 4, 32768),
    ],
)
def test_the_automatic_sizes(resolution, devices, batch, group, base):
    """The rules of the paper's appendix, as numbers worked out by hand.

    Where the paper's batch would leave a device less than whole groups for
    the path length step (1024 px: 4 images; 3 devices), it is larger.
    """
    gan = gan_presets.auto(resolution, devices)
    assert (gan.batch_size, gan.mbstd_group) == (batch, group)
    assert gan.channel_base == base
    gamma = 0.0002 * resolution**2 / batch
    assert gan.r1_weight(resolution) == pytest.approx(gamma)
    assert gan.ema_kimg == pytest.approx(batch * 10 / 32)
    # Whole groups on every device, in the half batch, too.
    assert batch % (devices * group * gan.path_length_shrink) == 0


def test_presets_take_changes():
    gan = gan_presets.paper256(kimg=3.0, r1_gamma=2.0)
    assert (gan.kimg, gan.r1_gamma) == (3.0, 2.0)
    assert (gan.batch_size, gan.mbstd_group, gan.mapping_layers) == (64, 8, 8)


def test_the_published_knee_folders_are_prepared(tmp_path, monkeypatch):
    """The docstring's own command writes the manifest that is then read."""
    root = tmp_path / "kneeKL224"
    random = np.random.default_rng(0)
    for split in ("train", "val", "test"):
        for grade in range(5):
            folder = root / split / str(grade)
            folder.mkdir(parents=True)
            for side in "LR":
                patient = {"train": 1, "val": 2, "test": 3}[split]
                pixels = random.integers(0, 256, (56, 56), np.uint8)
                Image.fromarray(pixels).save(
                    folder / f"9{patient}{grade:05d}{side}.png"
                )
    module = importlib.import_module("configs.knee")
    snippet = re.search(r'python -c "\n(.*?)\n    "', module.__doc__, re.S)
    script = tmp_path / "manifest.py"
    script.write_text(re.sub(r"^    ", "", snippet.group(1), flags=re.M))
    monkeypatch.setattr(sys, "argv", ["-c", str(root)])
    runpy.run_path(str(script))
    with (root / "manifest.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 30

    config = _config("knee", "tiny")
    config.data.path = str(root / "manifest.csv")
    prepare.run(config, tmp_path / "run")
    split = pipeline.open_split(config, tmp_path / "run", "test")
    # Of grades 0 to 4, two knees each: KL 2 or higher is asked for.
    assert split.targets.sum() == 6
    assert split.images([0]).shape == (1, 32, 32, 1)

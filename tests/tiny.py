"""The smallest config that has every part, and data for it.

All tests share its sizes, so that compiled steps are found in the cache.
"""

import shutil

import numpy as np

from jaxstyle.config import Config, DataConfig, GanConfig
from jaxstyle.data import prepare

SIDE, CHANNELS, BATCH = 8, 3, 8
# One step shows 8 images; lengths below are in steps.
KIMG = BATCH / 1000
GAN = {
    "z_dim": 8,
    "w_dim": 8,
    "mapping_layers": 2,
    "channel_base": 64,
    "channel_max": 8,
    "batch_size": BATCH,
    "kimg": 8 * KIMG,
    "checkpoint_kimg": 2 * KIMG,
    "sample_kimg": 4 * KIMG,
    "d_reg_interval": 3,
    "g_reg_interval": 2,
    "ema_kimg": 10 * KIMG,
    "r1_gamma": 1.0,
}


def config(seed=0, data=None, **gan):
    """A config without data on disk; keywords change its gan section."""
    data = {"resolution": SIDE, "channels": CHANNELS} | (data or {})
    return Config(
        name="tiny",
        seed=seed,
        data=DataConfig(**data),
        gan=GanConfig(**GAN | gan),
    )


def images(count, seed=0):
    """Images float32 [count, SIDE, SIDE, CHANNELS] in [-1, 1]."""
    random = np.random.default_rng(seed)
    shape = (count, SIDE, SIDE, CHANNELS)
    return random.uniform(-1, 1, shape).astype(np.float32)


def batch(count, seed=0):
    """What a training step takes; labels 0, 1, 2, 0, ..."""
    labels = np.arange(count, dtype=np.int32) % 3
    return {"image": images(count, seed), "label": labels}


def prepared(root, **gan):
    """A config whose data are prepared in `root`."""
    path = root.parent / "tiny.npz"
    if not path.exists():
        pixels = (images(48) * 127.5 + 127.5).astype(np.uint8)
        split = np.repeat(["train", "val", "test"], [32, 8, 8])
        np.savez(path, image=pixels, label=np.arange(48) % 2, split=split)
    ready = config(data={"source": "npz", "path": str(path)}, **gan)
    if not (root / "data").exists():
        prepare.run(ready, root)
    return ready


def another(root, name):
    """A run folder beside `root` that has the same prepared data only."""
    shutil.copytree(root / "data", root.with_name(name) / "data")
    return root.with_name(name)

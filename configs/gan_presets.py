"""Settings of StyleGAN2 by resolution and devices, for other configs.

`auto` follows the rules of Karras et al. 2020 (arXiv:2006.06676, appendix
C), which fit most data: the batch grows with the devices and shrinks with
the resolution, R1 follows resolution and batch, and the channels are
doubled from 512 px on. `paper256` is that paper's own setting for 256 px,
but that here the moving average of G ramps up, as in `auto`.
"""

from jaxstyle.config import GanConfig


def auto(resolution: int, devices: int = 1, **changes: object) -> GanConfig:
    """Sized by the images' side in pixels and the number of devices.

    Args:
      resolution: side of the images.
      devices: all devices of the run. A number in the config, not what is
        found, so that the same config gives the same result anywhere.
      **changes: fields that are to differ.
    """
    batch = max(min(devices * min(4096 // resolution, 32), 64), devices)
    group = min(batch // devices, 4)
    # Half a device's share must hold whole groups (path length, half batch).
    shares = 2 * group * devices
    batch = -(-batch // shares) * shares
    settings = {
        "mapping_layers": 2,
        "channel_base": 32768 if resolution >= 512 else 16384,
        "channel_max": 512,
        "batch_size": batch,
        "bfloat16_resolutions": 4,
        "learning_rate": 2e-3 if resolution >= 1024 else 2.5e-3,
        "r1_gamma": None,
        "ema_kimg": batch * 10 / 32,
        "mbstd_group": group,
        "augment": "bgc",
    }
    return GanConfig(**{**settings, **changes})  # type: ignore[arg-type]


def paper256(**changes: object) -> GanConfig:
    """For 256 px: batch 64, 8 mapping layers, R1 weight 1."""
    settings = {
        "mapping_layers": 8,
        "channel_base": 16384,
        "channel_max": 512,
        "batch_size": 64,
        "bfloat16_resolutions": 4,
        "learning_rate": 2.5e-3,
        "r1_gamma": 1.0,
        "ema_kimg": 20.0,
        "mbstd_group": 8,
        "augment": "bgc",
    }
    return GanConfig(**{**settings, **changes})  # type: ignore[arg-type]

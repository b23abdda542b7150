"""What is measured: sizes, widths and for how long."""

import dataclasses
import math

from jaxstyle.config import Config, DataConfig, GanConfig


@dataclasses.dataclass(frozen=True)
class Settings:
    """Sizes of a benchmark; the defaults are those of docs/performance.md.

    Attributes:
      resolutions: sides of the images in pixels, powers of two.
      batch: images in a step.
      channel_base: channels(res) = min(channel_base / res, channel_max).
      channel_max: most channels of a layer.
      mapping_layers: depth of the mapping network.
      latent: width of z and w.
      rounds: most rounds of a comparison; its ratios are their medians.
      limit: seconds after which a comparison begins no further round.
    """

    resolutions: tuple[int, ...] = (32, 64, 128)
    batch: int = 16
    channel_base: int = 8192
    channel_max: int = 128
    mapping_layers: int = 2
    latent: int = 512
    rounds: int = 7
    limit: float = 25.0

    def config(self, resolution: int, bfloat16: bool = False) -> Config:
        """The StyleGAN2 of this size; in bfloat16 but for its 4 px layers."""
        halvings = int(math.log2(resolution)) - 2
        return Config(
            name="benchmark",
            data=DataConfig(resolution=resolution, channels=3),
            gan=GanConfig(
                z_dim=self.latent,
                w_dim=self.latent,
                mapping_layers=self.mapping_layers,
                channel_base=self.channel_base,
                channel_max=self.channel_max,
                batch_size=self.batch,
                bfloat16_resolutions=halvings if bfloat16 else 0,
            ),
        )

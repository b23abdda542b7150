"""Settings of StyleGAN2 and its training."""

from dataclasses import dataclass

from jaxstyle.config.checks import (
    require,
    require_natural,
    require_positive,
    require_share,
)

# The augmentations of adaptive discriminator augmentation, in the order in
# which they are applied (Karras et al. 2020, arXiv:2006.06676, appendix B).
AUGMENT_OPERATIONS = (
    "x_flip",
    "rotate90",
    "translate_integer",
    "scale",
    "rotate",
    "anisotropic_scale",
    "translate",
    "brightness",
    "contrast",
    "luma_flip",
    "hue",
    "saturation",
    "filter",
    "noise",
    "cutout",
)
_BLIT, _GEOM = AUGMENT_OPERATIONS[:3], AUGMENT_OPERATIONS[3:7]
_COLOR = AUGMENT_OPERATIONS[7:12]
AUGMENT_PRESETS: dict[str, tuple[str, ...]] = {
    "none": (),
    "blit": _BLIT,
    "geom": _GEOM,
    "color": _COLOR,
    "filter": ("filter",),
    "noise": ("noise",),
    "cutout": ("cutout",),
    "bg": _BLIT + _GEOM,
    "bgc": _BLIT + _GEOM + _COLOR,
    "bgcf": (*_BLIT, *_GEOM, *_COLOR, "filter"),
    "bgcfn": (*_BLIT, *_GEOM, *_COLOR, "filter", "noise"),
    "bgcfnc": AUGMENT_OPERATIONS,
}
# Left out until a config says that they are harmless: a mirrored or turned
# image has its heart on the other side, an inverted one its bones black.
_RISKY = ("x_flip", "rotate90", "rotate", "luma_flip")
_NEEDS_COLOUR = ("hue", "saturation")


@dataclass
class GanConfig:
    """StyleGAN2 (Karras et al. 2020, arXiv:1912.04958) and its training.

    Attributes:
      z_dim: width of the input latent.
      w_dim: width of the intermediate latent W.
      mapping_layers: fully connected layers from z to w.
      channel_base: channels(res) = min(channel_base / res, channel_max).
      channel_max: most channels of a layer.
      noise_from: smallest side whose layers get noise; more than the
        resolution turns it off. Noise may take over where things are, and
        no encoder can see it; without it, all of that comes from w.
      batch_size: global batch.
      batch_split: parts of each device's share that are computed one after
        the other, their gradients averaged: less memory, the same result.
      bfloat16_resolutions: how many of the highest resolutions compute in
        bfloat16; weights, statistics and losses stay in float32.
      classes: labels 0 to classes - 1 condition G and D (projection); 0 is
        an unconditional GAN.
      kimg: length of the training in thousands of real images shown.
      learning_rate: Adam's, for G and D alike.
      r1_gamma: weight of the R1 penalty; None takes the heuristic
        0.0002 * resolution^2 / batch_size (arXiv:2006.06676, appendix C).
      d_reg_interval: D steps from one R1 penalty to the next.
      path_length_weight: weight of the path length penalty.
      g_reg_interval: G steps from one path length penalty to the next.
      path_length_decay: decay of the moving average of path lengths.
      path_length_shrink: its batch is batch_size / path_length_shrink.
      style_mixing: share of images made from two latents.
      ema_kimg: half-life of the generator's moving average.
      ema_rampup: share of the images seen so far that caps the half-life.
      w_avg_decay: decay of the moving average of w.
      mbstd_group: images over which D takes its minibatch deviation.
      augment: what D sees of all images is augmented by this preset, one
        of `AUGMENT_PRESETS`, such as "bgc"; "none" turns it off.
      augment_allow: operations that mean no harm; of the preset, only these
        are used. Unless added here, nothing is mirrored, turned or inverted.
      augment_p: the first probability p of each operation.
      augment_target: mean sign of D(real) at which p is held; above it D
        overfits and p rises.
      augment_kimg: thousands of images in which p can rise from 0 to 1; 0
        keeps p as it is.
      augment_max: most that p rises to; beyond 0.8 augmentations begin to
        show in generated images (arXiv:2006.06676, section 2.3).
      augment_interval: steps from one adjustment of p to the next.
      transfer: workdir of a finished run whose G and D this one starts
        from: all layers of the same name and shape, whatever its resolution.
      freeze_d: blocks of D, finest first and its input layer included, that
        are not trained (Mo et al. 2020, arXiv:2002.10964).
      truncation_psi: truncation of the sample grids.
      metrics_kimg: thousands of images from one look at generated ones to
        the next (feature-Frechet, KID, precision, recall); the best
        generator by feature-Frechet is then the one that later stages use.
        0 measures nothing, and they use the last.
      metrics_samples: images generated for it. The Frechet distances of five
        times 2,000 of one good generator differed by half; more tell more.
      checkpoint_kimg: thousands of images from one checkpoint to the next.
      sample_kimg: likewise for sample grids.
      keep_checkpoints: newest checkpoints kept.
    """

    z_dim: int = 512
    w_dim: int = 512
    mapping_layers: int = 8
    channel_base: int = 16384
    channel_max: int = 512
    noise_from: int = 4
    batch_size: int = 32
    batch_split: int = 1
    bfloat16_resolutions: int = 0
    classes: int = 0
    kimg: float = 1000.0
    learning_rate: float = 2.5e-3
    r1_gamma: float | None = None
    d_reg_interval: int = 16
    path_length_weight: float = 2.0
    g_reg_interval: int = 4
    path_length_decay: float = 0.01
    path_length_shrink: int = 2
    style_mixing: float = 0.9
    ema_kimg: float = 10.0
    ema_rampup: float = 0.05
    w_avg_decay: float = 0.998
    mbstd_group: int = 4
    augment: str = "none"
    augment_allow: tuple[str, ...] = tuple(
        name for name in AUGMENT_OPERATIONS if name not in _RISKY
    )
    augment_p: float = 0.0
    augment_target: float = 0.6
    augment_kimg: float = 500.0
    augment_max: float = 0.8
    augment_interval: int = 4
    transfer: str = ""
    freeze_d: int = 0
    truncation_psi: float = 0.7
    metrics_kimg: float = 0.0
    metrics_samples: int = 2000
    checkpoint_kimg: float = 5.0
    sample_kimg: float = 5.0
    keep_checkpoints: int = 2

    def __post_init__(self) -> None:
        require_positive(
            "gan",
            self,
            *("z_dim", "w_dim", "mapping_layers", "channel_base"),
            *("channel_max", "batch_size", "kimg", "learning_rate"),
            *("d_reg_interval", "g_reg_interval", "path_length_shrink"),
            *("batch_split", "augment_interval", "metrics_samples"),
            *("ema_kimg", "ema_rampup", "mbstd_group"),
            *("checkpoint_kimg", "sample_kimg", "keep_checkpoints"),
        )
        require_share(
            "gan",
            self,
            *("style_mixing", "w_avg_decay", "path_length_decay"),
            *("augment_p", "augment_max"),
        )
        require_natural(
            "gan",
            self,
            *("bfloat16_resolutions", "classes", "freeze_d"),
            *("augment_kimg", "metrics_kimg"),
        )
        least = self.mbstd_group * self.path_length_shrink * self.batch_split
        require(
            self.batch_size % least == 0,
            "gan.batch_size",
            self.batch_size,
            "use a multiple of mbstd_group * path_length_shrink * batch_split "
            f"({least})",
        )
        require(
            self.r1_gamma is None or self.r1_gamma >= 0,
            "gan.r1_gamma",
            self.r1_gamma,
            "use 0 or more, or None for the heuristic",
        )
        require(
            not self.freeze_d or bool(self.transfer),
            "gan.freeze_d",
            self.freeze_d,
            "give gan.transfer, too: only a trained D is worth freezing",
        )
        self._check_augmentation()

    def _check_augmentation(self) -> None:
        require(
            self.augment in AUGMENT_PRESETS,
            "gan.augment",
            self.augment,
            f"choose one of {tuple(AUGMENT_PRESETS)}",
        )
        require(
            set(self.augment_allow) <= set(AUGMENT_OPERATIONS),
            "gan.augment_allow",
            self.augment_allow,
            f"choose among {AUGMENT_OPERATIONS}",
        )
        require(
            -1 < self.augment_target < 1,
            "gan.augment_target",
            self.augment_target,
            "use a mean sign strictly between -1 and 1",
        )

    def r1_weight(self, resolution: int) -> float:
        """gamma of the R1 penalty, by the heuristic where none is given."""
        if self.r1_gamma is not None:
            return self.r1_gamma
        return 0.0002 * resolution**2 / self.batch_size

    def augmentations(self, channels: int) -> tuple[str, ...]:
        """The preset's operations that are allowed and make sense.

        Hue and saturation do not for grey images.
        """
        return tuple(
            name
            for name in AUGMENT_PRESETS[self.augment]
            if name in self.augment_allow
            and (channels == 3 or name not in _NEEDS_COLOUR)
        )

"""Blood smears, with a white cell or without (BCCD).

An npz of arrays `image` [N, 64, 64, 3], `label`, `split` and, for scoring
alone, `wbc_box_mask` [N, 64, 64], the annotated boxes of white cells:

    python -m launch.pipeline --config=configs/blood_cells.py:cpu \\
        --config.data.path=blood_cells_64.npz --workdir=runs/blood
    python -m launch.benchmark_faithfulness --mask=wbc_box_mask \\
        --config=configs/blood_cells.py:cpu \\
        --config.data.path=blood_cells_64.npz --workdir=runs/blood

The second command compares what the counterfactuals change, and Grad-CAM,
integrated gradients and occlusion, with the boxes, on test images with a
white cell that f sees (runs/blood/faithfulness/). A box is larger than its
cell, and a few white cells have none.

White cells lie anywhere, so walks follow each image's own way
(`walk.along`). `cpu`, 41 minutes of 2 CPU cores that other trainings used,
too, and a minute and a half for the boxes (docs/results/blood_cells.json):
on the first 160 test images flip rate 0.988, monotonicity 0.968, gap 0.002,
SSIM 0.899; and of the 30 with a boxed cell, overlap with the box 0.647, the
strongest change inside of it in 0.967. Along the one fitted direction, from
E(x), 0.045 of 462 images flip.
"""

from configs import gan_presets, ihc
from jaxstyle.config import (
    ClassifierConfig,
    Config,
    DataConfig,
    EncoderConfig,
    GanConfig,
    WalkConfig,
)


def get_config(variant: str = "") -> Config:
    """64 px for one GPU; `cpu` is 32 px with few channels; `tiny` for tests."""
    config = Config(
        name="blood_cells",
        data=DataConfig(
            source="npz",
            path="blood_cells_64.npz",
            resolution=64,
            channels=3,
            class_names=("no white cell", "white cell"),
            # A smear has no up or down.
            flip_horizontal=True,
            flip_vertical=True,
            rotate90=True,
        ),
        classifier=ClassifierConfig(widths=(32, 64, 128, 128), epochs=40),
        gan=gan_presets.auto(
            resolution=64,
            channel_base=8192,
            channel_max=256,
            kimg=1000.0,
            checkpoint_kimg=20.0,
            sample_kimg=20.0,
            metrics_kimg=20.0,
        ),
        encoder=EncoderConfig(
            space="w_plus", widths=(64, 128, 256, 256), kimg=300, adapt_kimg=200
        ),
        walk=WalkConfig(project=True, along="nearest"),
    )
    if variant == "cpu":
        _cpu(config)
    elif variant == "tiny":
        config.data.resolution = 32
        ihc.tiny(config)
    elif variant:
        raise ValueError(
            f"configs/blood_cells.py has no variant {variant!r}: use cpu or "
            "tiny"
        )
    return config


def _cpu(config: Config) -> None:
    config.data.resolution = 32
    config.classifier = ClassifierConfig(
        widths=(16, 32, 64), epochs=30, patience=8
    )
    config.gan = GanConfig(
        mapping_layers=2,
        channel_base=768,
        channel_max=64,
        noise_from=64,
        batch_size=16,
        kimg=100,
        learning_rate=2.5e-3,
        r1_gamma=0.5,
        path_length_weight=0.5,
        style_mixing=0.0,
        mbstd_group=8,
        w_avg_decay=0.995,
        checkpoint_kimg=10,
        sample_kimg=25,
    )
    config.encoder = EncoderConfig(
        space="w_plus", widths=(16, 32, 64, 64), kimg=16, adapt_kimg=28
    )
    config.walk.limit = 160

"""Children's chest X-rays, normal or pneumonia (Kermany et al. 2018).

An npz of arrays `image`, `label`, `split` and `patient`:

    python -m launch.pipeline --config=configs/chest_xray.py:cpu \\
        --config.data.path=chest_xray_64.npz --workdir=runs/chest

Takes 82 minutes on 2 busy CPU cores. Measured on all 1189 images of the test
split (docs/results/chest_xray.json): f's AUC 0.997, latent predictor's AUC
against f 0.976, flip rate 0.981, monotonicity 0.993, Frechet ratio 1.43,
reconstruction gap 0.028, SSIM 0.938. The default variant, 64 px for one GPU,
has not been run yet.

`:small` is a generator of few images at 64 px. 500 of them are cut out by

    python -c "
    import numpy as np
    d = np.load('chest_xray_64.npz')
    train = np.flatnonzero(d['split'] == 'train')
    some = np.random.default_rng(0).choice(train, 500, replace=False)
    keep = np.sort(np.append(some, np.flatnonzero(d['split'] != 'train')))
    names = ('image', 'label', 'split', 'patient')
    np.savez('chest_500.npz', **{n: d[n][keep] for n in names})
    "
    python -m launch.prepare_data --config=configs/chest_xray.py:small \\
        --config.data.path=chest_500.npz --workdir=runs/small
    python -m launch.train_gan --config=configs/chest_xray.py:small \\
        --config.data.path=chest_500.npz --workdir=runs/small

Without augmentation (`--config.gan.augment=none`) 60 kimg took half an hour
of 2 busy CPU cores and reached a feature-Frechet distance of 0.017, recall
0.66. So short a training does not overfit: the adaptive augmentation stays
near p = 0. After 320 kimg it does; with the augmentation (p = 0.08) recall was
0.89 instead of 0.80 then, but the distance of 10,000 samples 0.009 instead of
0.005 (docs/results/chest_small_ada.json).
"""

from configs import gan_presets, ihc
from jaxstyle.config import (
    ClassifierConfig,
    Config,
    DataConfig,
    DirectionConfig,
    EncoderConfig,
    GanConfig,
    WalkConfig,
)


def get_config(variant: str = "") -> Config:
    """64 px for one GPU; `cpu` is 32 px with few channels; `tiny` for tests."""
    config = Config(
        name="chest_xray",
        data=DataConfig(
            source="npz",
            path="chest_xray_64.npz",
            resolution=64,
            channels=1,
            class_names=("normal", "pneumonia"),
            # Hearts lie on the left: no mirroring.
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
        # Its walks look more like the other class's images than those along
        # the regression's normal, and change more (docs/trust.md).
        direction=DirectionConfig(method="transport"),
    )
    if variant == "cpu":
        _cpu(config)
    elif variant == "small":
        _small(config)
    elif variant == "tiny":
        config.data.resolution = 32
        ihc.tiny(config)
    elif variant:
        raise ValueError(
            f"configs/chest_xray.py has no variant {variant!r}: use cpu, "
            "small or tiny"
        )
    return config


def _cpu(config: Config) -> None:
    config.data.resolution = 32
    config.classifier = ClassifierConfig(
        widths=(32, 64, 128), epochs=30, patience=8
    )
    config.gan = GanConfig(
        mapping_layers=2,
        channel_base=768,
        channel_max=64,
        noise_from=64,
        batch_size=16,
        kimg=120,
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
        space="w_plus",
        widths=(16, 32, 64, 64),
        kimg=6,
        adapt_kimg=10,
        checkpoint_kimg=2,
    )
    config.walk = WalkConfig(project=True)


def _small(config: Config) -> None:
    config.gan = GanConfig(
        mapping_layers=2,
        channel_base=768,
        channel_max=64,
        noise_from=128,
        batch_size=16,
        kimg=60,
        r1_gamma=1.0,
        path_length_weight=0.5,
        style_mixing=0.0,
        mbstd_group=8,
        ema_kimg=5,
        w_avg_decay=0.995,
        augment="bgc",
        augment_kimg=50,
        checkpoint_kimg=4,
        sample_kimg=8,
        metrics_kimg=4,
    )

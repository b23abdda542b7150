"""Knee X-rays, osteoarthritis: Kellgren-Lawrence grade 2 or more.

The data are Chen 2018 (Mendeley Data, doi:10.17632/56rmx5bjcr.1), published
as folders of PNGs, `train/0/9003175L.png` and so on, with the grade as the
folder's name and the patient's number at the start of the file's name. One
command writes the manifest beside them:

    python -c "
    import csv, pathlib, sys
    root = pathlib.Path(sys.argv[1])
    rows = [(p.relative_to(root), p.parent.name,
             {'valid': 'val'}.get(p.parts[-3], p.parts[-3]), p.stem[:7])
            for p in sorted(root.glob('*/[0-4]/*.png'))
            if p.parts[-3] in ('train', 'val', 'valid', 'test')]
    with open(root / 'manifest.csv', 'w', newline='') as file:
        header = ('path', 'label', 'split', 'patient')
        csv.writer(file).writerows([header, *rows])
    " kneeKL224

    python -m launch.pipeline --config=configs/knee.py \\
        --config.data.path=kneeKL224/manifest.csv --workdir=runs/knee

Where preparation reports patients that are in two of the published splits,
leave the column `split` out: splits are then made anew, by patient.

Not measured yet: the images are not public domain, so no numbers are
recorded for this config. The paper (Schutte et al. 2021) had an AUC of 0.89
for f and 0.80 for the latent predictor on such images.
"""

from configs import gan_presets, ihc
from jaxstyle.config import (
    ClassifierConfig,
    Config,
    DataConfig,
    EncoderConfig,
    TargetConfig,
)


def get_config(variant: str = "") -> Config:
    """128 px for one GPU; `tiny` trains in seconds, for tests."""
    config = Config(
        name="knee",
        data=DataConfig(
            source="folder",
            path="kneeKL224/manifest.csv",
            resolution=128,
            channels=1,
            class_names=("KL 0", "KL 1", "KL 2", "KL 3", "KL 4"),
            # Left and right knees: no mirroring.
        ),
        # Osteoarthritis is grade 2 or higher.
        target=TargetConfig(kind="grade", column=2),
        classifier=ClassifierConfig(
            widths=(32, 64, 128, 128, 256), epochs=40, patience=8
        ),
        gan=gan_presets.auto(
            resolution=128,
            kimg=5000.0,
            checkpoint_kimg=50.0,
            sample_kimg=50.0,
            metrics_kimg=50.0,
        ),
        encoder=EncoderConfig(
            space="w_plus",
            widths=(32, 64, 128, 256, 256, 256),
            kimg=500,
            adapt_kimg=200,
        ),
    )
    if variant == "tiny":
        config.data.resolution = 32
        ihc.tiny(config)
    elif variant:
        raise ValueError(
            f"configs/knee.py has no variant {variant!r}: use tiny"
        )
    return config

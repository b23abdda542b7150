"""Lymph node sections, with metastasis or without (PatchCamelyon).

327,680 patches of 96 px, RGB, label 1 where there is metastatic tissue; train,
validation and test are published (Veeling et al. 2018,
doi:10.1007/978-3-030-00934-2_24).

The set is in the TFDS catalogue, whose own code prepares it. That needs
TensorFlow, once, best in an environment of its own; 8.0 GB are downloaded:

    pip install tensorflow tensorflow-datasets importlib_resources pillow
    python -c "
    import tensorflow_datasets as tfds
    tfds.builder('patch_camelyon', data_dir='tfds',
                 file_format='array_record').download_and_prepare()
    "

and from then on, without TensorFlow:

    python -m launch.pipeline --config=configs/patch_camelyon.py \\
        --workdir=runs/camelyon

The published splits are kept. The set does not tell patients, so that whether
splits share some is not checked, as the dataset's card says. 400 images of the
test split are rendered.

Not measured yet: nothing was trained on these images for this config, so
neither time nor numbers are known.
"""

from configs import gan_presets, ihc
from jaxstyle.config import (
    ClassifierConfig,
    Config,
    DataConfig,
    EncoderConfig,
    WalkConfig,
)


def get_config(variant: str = "") -> Config:
    """64 px for one GPU; `tiny` trains in seconds, for tests."""
    config = Config(
        name="patch_camelyon",
        data=DataConfig(
            source="tfds",
            path="tfds/patch_camelyon/2.0.0",
            # Published: names tell nobody.
            pseudonyms=False,
            resolution=64,
            channels=3,
            class_names=("no metastasis", "metastasis"),
            # Tissue has no up or down.
            flip_horizontal=True,
            flip_vertical=True,
            rotate90=True,
        ),
        classifier=ClassifierConfig(widths=(32, 64, 128, 128), epochs=6),
        gan=gan_presets.auto(
            resolution=64,
            channel_base=8192,
            channel_max=256,
            kimg=3000.0,
            checkpoint_kimg=20.0,
            sample_kimg=20.0,
            metrics_kimg=20.0,
        ),
        encoder=EncoderConfig(
            space="w_plus", widths=(64, 128, 256, 256), kimg=300, adapt_kimg=200
        ),
        walk=WalkConfig(limit=400),
    )
    if variant == "tiny":
        config.data.resolution = 32
        ihc.tiny(config)
    elif variant:
        raise ValueError(
            f"configs/patch_camelyon.py has no variant {variant!r}: use tiny"
        )
    return config

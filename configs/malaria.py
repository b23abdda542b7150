"""Red blood cells, parasitized or uninfected (malaria, thin blood smears).

27,558 cells cut out of smears, RGB, of varying size, as many of either class
(National Library of Medicine, lhncbc.nlm.nih.gov/publication/pub9932).

The set is in the TFDS catalogue, whose own code prepares it. That needs
TensorFlow, once, best in an environment of its own; 0.4 GB are downloaded:

    pip install tensorflow tensorflow-datasets importlib_resources pillow
    python -c "
    import tensorflow_datasets as tfds
    tfds.builder('malaria', data_dir='tfds',
                 file_format='array_record').download_and_prepare()
    "

and from then on, without TensorFlow:

    python -m launch.pipeline --config=configs/malaria.py \\
        --workdir=runs/malaria

No splits are published, and the prepared set does not tell patients: splits
are made image by image, so that cells of a patient can be in several of them,
and numbers on the test split say little of new patients. Cells keep their
shape; black is put beside them. 400 images of the test split are rendered.

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
        name="malaria",
        data=DataConfig(
            source="tfds",
            path="tfds/malaria/1.0.0",
            # Published: names tell nobody.
            pseudonyms=False,
            resolution=64,
            channels=3,
            # TFDS has parasitized as 0, uninfected as 1.
            positive_labels=(0,),
            class_names=("uninfected", "parasitized"),
            # A smear has no up or down.
            flip_horizontal=True,
            flip_vertical=True,
            rotate90=True,
        ),
        classifier=ClassifierConfig(widths=(32, 64, 128, 128), epochs=30),
        gan=gan_presets.auto(
            resolution=64,
            channel_base=8192,
            channel_max=256,
            kimg=1500.0,
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
            f"configs/malaria.py has no variant {variant!r}: use tiny"
        )
    return config

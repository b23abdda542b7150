"""Colorectal cancer tissue, tumour epithelium or another kind (Kather 2016).

5,000 tiles of 150 px, RGB, of eight kinds: 0 tumour epithelium, 1 simple
stroma, 2 complex stroma, 3 immune cells, 4 debris and mucus, 5 mucosal glands,
6 adipose tissue, 7 background (Kather et al., Scientific Reports 6:27988,
2016). The question is the tumour, one class of the eight; which other one
it is taken for, `--config.target.kind=pair --config.target.against=2` asks.

The set is in the TFDS catalogue, whose own code prepares it. That needs
TensorFlow, once, best in an environment of its own; 0.3 GB are downloaded:

    pip install tensorflow tensorflow-datasets importlib_resources pillow
    python -c "
    import tensorflow_datasets as tfds
    tfds.builder('colorectal_histology', data_dir='tfds',
                 file_format='array_record').download_and_prepare()
    "

and from then on, without TensorFlow:

    python -m launch.pipeline --config=configs/colorectal_histology.py \\
        --workdir=runs/colorectal

No splits are published: they are made by the slide that a file's name tells,
of which there are ten. So few can leave the training split without a kind;
preparation then says so, and another `--config.seed` deals them out anew.
`data.columns = ('filename',)` carries the names along. 400 images of the test
split, at most, are rendered.

Not measured yet: nothing was trained on these images for this config, so
neither time nor numbers are known.
"""

from configs import gan_presets, ihc
from jaxstyle.config import (
    ClassifierConfig,
    Config,
    DataConfig,
    EncoderConfig,
    TargetConfig,
    WalkConfig,
)


def get_config(variant: str = "") -> Config:
    """64 px for one GPU; `tiny` trains in seconds, for tests."""
    config = Config(
        name="colorectal_histology",
        data=DataConfig(
            source="tfds",
            path="tfds/colorectal_histology/2.0.0",
            # Published: names tell nobody.
            pseudonyms=False,
            resolution=64,
            channels=3,
            class_names=(
                *("tumour epithelium", "simple stroma", "complex stroma"),
                *("immune cells", "debris and mucus", "mucosal glands"),
                *("adipose tissue", "background"),
            ),
            # Tissue has no up or down.
            flip_horizontal=True,
            flip_vertical=True,
            rotate90=True,
        ),
        target=TargetConfig(kind="class", column=0),
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
        walk=WalkConfig(limit=400),
    )
    if variant == "tiny":
        config.data.resolution = 32
        ihc.tiny(config)
    elif variant:
        raise ValueError(
            f"configs/colorectal_histology.py has no variant {variant!r}: "
            "use tiny"
        )
    return config

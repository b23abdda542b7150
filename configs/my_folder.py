"""A template for a folder of your own images, and the tutorial's config.

Copy it, and go through the lines marked DECIDE; docs/tutorial.md does so on
a folder that anybody can make, of pieces of a photograph of the eye:

    python -m launch.pipeline --config=configs/my_folder.py --workdir=runs/mine

Took 15 minutes on 2 busy CPU cores, 12 of them trainings. Measured on 100
tiles of the test split (docs/results/my_folder.json): f's AUC 0.929, latent
predictor's AUC against f 0.901, flip rate 0.970, monotonicity 0.977,
reconstruction gap 0.021, SSIM 0.979.

Why these sizes: see configs/ihc.py. A generator of few channels learns
upright vessels in 25,000 images; in a first attempt, with tiles in colour
that vessels crossed anywhere, none were to be seen after as many. Images that
are aligned are learnt faster. `gpu` has not been run yet.
"""

from configs import gan_presets, ihc
from jaxstyle.config import (
    ClassifierConfig,
    Config,
    DataConfig,
    EncoderConfig,
    GanConfig,
    PredictorConfig,
    TargetConfig,
    WalkConfig,
)


def get_config(variant: str = "") -> Config:
    """32 px for a CPU; `gpu` is 128 px for one GPU; `tiny` for tests."""
    config = Config(
        name="my_folder",
        data=DataConfig(
            source="folder",
            # DECIDE: the manifest, a CSV or Parquet beside the images with
            # the columns path and label, and patient wherever it is known:
            # without it, images of one patient get into several splits.
            path="my_folder/manifest.csv",
            # DECIDE: the side to which images are brought, a power of two. A
            # finding smaller than a pixel is lost; f sees this size, too.
            resolution=32,
            # DECIDE: 1 for grey, 3 for colour.
            channels=1,
            # DECIDE: what to call the absence and the presence of the
            # finding, and which labels are its presence.
            class_names=("narrow vessel", "wide vessel"),
            positive_labels=(1,),
            # DECIDE: is a mirrored, an upturned or a turned image as good an
            # image? Never where left and right mean something.
            flip_horizontal=False,
            flip_vertical=False,
            rotate90=False,
            # DECIDE: which values of the files are black and white. None is
            # what a file says, or can hold, and too wide for these tiles: of
            # little contrast a generator learns little. For DICOM and NIfTI
            # also `window=(40.0, 400.0)`, centre and width.
            intensity_range=(30.0, 130.0),
            # DECIDE: which further columns of the manifest travel to the
            # results, such as age or scanner; none that tells who it is.
            columns=("brightness",),
        ),
        # DECIDE: whose decisions are explained. This is the built-in
        # classifier, trained on the labels. Yours, as an ONNX file:
        #     PredictorConfig(
        #         kind="onnx",
        #         address="model.onnx",
        #         onnx_scores="logits",
        #         onnx_mean=(0.485,),
        #         onnx_std=(0.229,),
        #     )
        # with a mean and a deviation for each channel.
        predictor=PredictorConfig(kind="checkpoint"),
        # DECIDE: the question: which column of f's answers is the finding (1
        # as a rule, where f answers with two), and from where on it counts.
        target=TargetConfig(kind="finding", column=0, threshold=0.5),
        # From here on sizes, for a first try on a CPU.
        classifier=ClassifierConfig(widths=(16, 32, 64), epochs=6),
        gan=GanConfig(
            mapping_layers=2,
            channel_base=512,
            channel_max=64,
            noise_from=64,
            batch_size=16,
            kimg=25,
            learning_rate=2.5e-3,
            r1_gamma=0.5,
            path_length_weight=0.5,
            style_mixing=0.0,
            mbstd_group=8,
            w_avg_decay=0.995,
            checkpoint_kimg=5,
            sample_kimg=5,
        ),
        encoder=EncoderConfig(
            space="w_plus", widths=(16, 32, 64, 64), kimg=5, adapt_kimg=6
        ),
        walk=WalkConfig(project=True, limit=100),
    )
    if variant == "gpu":
        _gpu(config)
    elif variant == "tiny":
        ihc.tiny(config)
    elif variant:
        raise ValueError(
            f"configs/my_folder.py has no variant {variant!r}: use gpu or tiny"
        )
    return config


def _gpu(config: Config) -> None:
    config.data.resolution = 128
    config.classifier = ClassifierConfig(
        widths=(32, 64, 128, 128, 256), epochs=40, patience=8
    )
    config.gan = gan_presets.auto(
        resolution=128,
        kimg=2000.0,
        checkpoint_kimg=50.0,
        sample_kimg=50.0,
        metrics_kimg=50.0,
    )
    config.encoder = EncoderConfig(
        space="w_plus",
        widths=(32, 64, 128, 256, 256, 256),
        kimg=300,
        adapt_kimg=200,
    )

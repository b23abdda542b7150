"""What every number of the evaluation means, in plain language."""

from typing import NamedTuple


class Meaning(NamedTuple):
    """How a number is presented.

    Attributes:
      group: heading of the rows that belong together.
      label: short name.
      sentence: what it says, for a reader who is no specialist.
      pattern: format of the value.
    """

    group: str
    label: str
    sentence: str
    pattern: str = "{:.3f}"


# In the order of a reader's questions: is f any good, can it be explained,
# what had to change, was that the image at all, and does it look real?
_F = "The classifier f"
_WALK = "The walks"
_CHANGE = "The change at the flip"
_RECONSTRUCTION = "The reconstructions"
_CONCEPT = "A known concept"
_REALISM = "The realism of the counterfactuals"
_MORE_CHANGE = "The change at the flip, measured otherwise"
_DIRECTION = "The direction in latent space"
_GAN = "The generator"

# Read by those who mend a run more than by those who judge its pictures.
SPECIAL = frozenset({_MORE_CHANGE, _DIRECTION, _GAN})
# Measured in runs on stained tissue only, so that others do not lack it.
OPTIONAL = frozenset({_CONCEPT})

MEANINGS = {
    "predictor.auc": Meaning(
        _F,
        "Classifier AUC",
        "How often f scores a random positive test image above a random "
        "negative one: 1 is perfect, 0.5 is a coin toss.",
    ),
    "walk.flip_rate": Meaning(
        _WALK,
        "Flip rate",
        "Share of rendered images whose decision by f changes to the other "
        "class before the walk leaves the region where the generator is "
        "trusted.",
        "{:.1%}",
    ),
    "walk.monotonicity": Meaning(
        _WALK,
        "Steadiness",
        "Whether f’s probability rises with every step of a walk: 1 means "
        "always, 0 means that it wanders.",
    ),
    "walk.proximity": Meaning(
        _CHANGE,
        "Mean change",
        "Mean change of a pixel, as a share of the full intensity range, "
        "between the reconstruction and the first frame that f judges "
        "otherwise: smaller is a subtler counterfactual.",
    ),
    "walk.sparsity": Meaning(
        _CHANGE,
        "Pixels changed",
        "Share of pixels that differ from the reconstruction by more than "
        "95% of pixels are off by reconstructing, over the images that "
        "flipped; the worse the reconstructions, the more change this "
        "overlooks.",
        "{:.1%}",
    ),
    "walk.identity": Meaning(
        _CHANGE,
        "Still the same image",
        "Share of counterfactuals that a fixed untrained network finds "
        "nearer to their own image than to every other rendered one.",
        "{:.1%}",
    ),
    "walk.proximity_ssim": Meaning(
        _CHANGE,
        "Likeness to the reconstruction (SSIM)",
        "How much of the reconstruction’s local structure is still there "
        "when f decides otherwise, over the images that flipped: 1 is all "
        "of it.",
    ),
    "reconstruction.agreement": Meaning(
        _RECONSTRUCTION,
        "Same decision",
        "Share of rendered images whose reconstruction f decides for as for "
        "the image itself; all others are not explained and count as failures.",
        "{:.1%}",
    ),
    "reconstruction.gap": Meaning(
        _RECONSTRUCTION,
        "Gap in f",
        "How far f’s probability moves, on average, merely because the "
        "original is replaced by its reconstruction: 0 means that each walk "
        "starts where its image stands.",
    ),
    "reconstruction.ssim": Meaning(
        _RECONSTRUCTION,
        "Likeness to the original (SSIM)",
        "How much of the original’s local structure a reconstruction keeps: "
        "1 is all of it.",
    ),
    "reconstruction.psnr": Meaning(
        _RECONSTRUCTION,
        "Likeness to the original (PSNR)",
        "How close the pixels of a reconstruction are to the original, in "
        "decibels: higher is closer.",
        "{:.1f} dB",
    ),
    "concept.dab_monotonicity": Meaning(
        _CONCEPT,
        "Brown stain along the walk",
        "Whether the measured amount of brown (DAB) stain rises with every "
        "step of a walk: 1 means always. No model was ever shown this "
        "measurement.",
    ),
    "walk.fid_ratio": Meaning(
        _REALISM,
        "Realism of counterfactuals",
        "Their distance to other real images, as a multiple of what mere "
        "reconstructions have: 1 means that counterfactuals look as real as "
        "reconstructions do.",
        "{:.2f}",
    ),
    "walk.fid": Meaning(
        _REALISM,
        "Distance to real images",
        "How far the counterfactuals, failed ones too, are as a population "
        "from real images for which f decides so, in the features of a fixed "
        "network: 0 means that they cannot be told apart, but few images "
        "never reach it.",
    ),
    "walk.fid_flipped": Meaning(
        _REALISM,
        "Distance to real images, where f flips",
        "The distance to real images of those counterfactuals alone that f "
        "judges otherwise than their images.",
    ),
    "walk.sfid": Meaning(
        _REALISM,
        "Distance to other real images",
        "The distance of the counterfactuals of one random half of the images "
        "to real images of the other half, so that nothing is compared with "
        "a picture of itself; halves have fewer images, which raises it.",
    ),
    "walk.proximity_features": Meaning(
        _MORE_CHANGE,
        "Change in features",
        "The change between the reconstruction and the flip as a fixed "
        "untrained network sees it: 1 would be as far as from one image to "
        "another.",
    ),
    "walk.cout": Meaning(
        _MORE_CHANGE,
        "Transition score (COUT)",
        "Whether f turns early as the pixels of the image are replaced "
        "by the counterfactual’s, those that changed most first: 1 means at "
        "once, −1 means never.",
    ),
    "walk.cout_reconstruction": Meaning(
        _MORE_CHANGE,
        "Transition score, from the reconstruction",
        "The transition score that starts from the reconstruction, so that "
        "only what the walk has changed is put in.",
    ),
    "latent.auc_vs_predictor": Meaning(
        _DIRECTION,
        "Agreement with f (AUC)",
        "How well a position along the direction tells f’s own two "
        "decisions apart: 1 means that the direction captures what f "
        "decides by.",
    ),
    "latent.r2": Meaning(
        _DIRECTION,
        "Explained variation (R²)",
        "How much of the variation in f’s logits a position along the "
        "direction explains: 1 is all of it, 0 is no more than their mean "
        "does, and below 0 is worse than that.",
    ),
    "latent.spearman": Meaning(
        _DIRECTION,
        "Agreement in rank",
        "Whether images further along the direction also score higher with "
        "f: 1 means in exactly the same order, 0 means unrelated.",
    ),
    "latent.auc_vs_truth": Meaning(
        _DIRECTION,
        "Agreement with the truth (AUC)",
        "How well a position along the direction tells the true labels "
        "apart, which f may get wrong.",
    ),
    "gan.fid_features": Meaning(
        _GAN,
        "Fréchet distance",
        "How far generated images are, as a population, from real ones in "
        "the feature space of a fixed network: 0 means that they cannot be "
        "told apart. Only comparable under the same network.",
    ),
    "gan.precision": Meaning(
        _GAN,
        "Precision",
        "Share of generated images that fall among the real ones: are they "
        "plausible?",
    ),
    "gan.recall": Meaning(
        _GAN,
        "Recall",
        "Share of real images that fall among the generated ones: is the "
        "variety of the data covered?",
    ),
    "gan.nearest_train_distance": Meaning(
        _GAN,
        "Distance to the training images",
        "Mean distance in feature space from a generated image to the "
        "nearest training image: near 0 would mean copying.",
    ),
}

# The few to read first.
HEADLINES = {
    "walk.flip_rate": "of rendered images flip to the other class",
    "predictor.auc": "AUC of the classifier f",
    "latent.auc_vs_predictor": "AUC of the direction against f",
    "reconstruction.gap": "mean shift of f by reconstructing",
}

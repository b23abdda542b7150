"""The built-in predictor's network."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxstyle.config import Config
from jaxstyle.resnet import ResNet


class Classifier(nn.Module):
    """ResNet trunk, global average pool, one linear layer.

    Attributes:
      widths: channels of each stage (see `ResNet`).
      blocks: residual blocks in each stage.
      classes: logits per image.
    """

    widths: tuple[int, ...]
    blocks: int
    classes: int = 1

    def setup(self) -> None:
        """Makes the trunk and the last layer."""
        self.trunk = ResNet(self.widths, self.blocks)
        self.last = nn.Dense(self.classes)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Logits [B, classes] of images [B, H, W, C] in [-1, 1]."""
        return self.head(self.features_map(x))

    def features_map(self, x: jax.Array) -> jax.Array:
        """The last activation map, [B, h, w, F], >= 0."""
        return self.trunk(x)

    def features(self, x: jax.Array) -> jax.Array:
        """The penultimate features, [B, F]."""
        return _pool(self.features_map(x))

    def head(self, activations: jax.Array) -> jax.Array:
        """Logits [B, classes] of an activation map [B, h, w, F]."""
        return self.last(_pool(activations))


def create(config: Config) -> Classifier:
    """The network that a config describes.

    One logit, of the finding, or one for each of three or more classes.
    """
    names = config.data.class_names
    return Classifier(
        tuple(config.classifier.widths),
        config.classifier.blocks,
        len(names) if len(names) > 2 else 1,
    )


def _pool(activations: jax.Array) -> jax.Array:
    return jnp.mean(activations, axis=(1, 2))

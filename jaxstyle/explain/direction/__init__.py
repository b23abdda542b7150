"""The latent predictor and its direction: `stage` says what is done."""

from jaxstyle.explain.direction.curved import Curved
from jaxstyle.explain.direction.files import load, save
from jaxstyle.explain.direction.labels import Labelled, decisions, summary
from jaxstyle.explain.direction.linear import Linear
from jaxstyle.explain.direction.own import Own
from jaxstyle.explain.direction.protocol import Direction
from jaxstyle.explain.direction.region import Region
from jaxstyle.explain.direction.stage import encoded, prepare, run

__all__ = [
    "Curved",
    "Direction",
    "Labelled",
    "Linear",
    "Own",
    "Region",
    "decisions",
    "encoded",
    "load",
    "prepare",
    "run",
    "save",
    "summary",
]

"""A run folder whose f is the built-in network."""

import dataclasses
import shutil

import jax
import numpy as np
import pytest

from jaxstyle import workdir
from jaxstyle.classifier import networks
from jaxstyle.classifier import state as state_lib
from jaxstyle.classifier import train as classifier_train
from jaxstyle.config import ClassifierConfig, PredictorConfig, TargetConfig
from jaxstyle.data import pipeline
from jaxstyle.explain import direction, render
from jaxstyle.faithfulness import planting
from tests import made_run
from tests.faithfulness import small

# Of the known classifier, from its end to its start.
LAYERS = ("logits", "stage_1_block_0", "stage_0_block_0", "stem")
LIMIT = 10
TEMPERATURE = 0.5


@pytest.fixture(scope="session")
def known(tmp_path_factory):
    """(config, root): `made_run.whole` with a built-in network as f.

    It need not be trained: what its features tell most of decides.
    """
    config, made = made_run.shared(tmp_path_factory)
    config = dataclasses.replace(
        config,
        classifier=ClassifierConfig(widths=(8, 8), batch_size=16, epochs=2),
        predictor=PredictorConfig(),
        target=TargetConfig(),
        walk=dataclasses.replace(config.walk, limit=LIMIT),
    )
    root = tmp_path_factory.mktemp("known") / "run"
    for name in ("data", "gan", "encoder"):
        shutil.copytree(made / name, root / name)
    stage = workdir.begin(config, root, "classifier")
    classifier_train.export(stage, _params(config, root), TEMPERATURE)
    workdir.finish(stage, {}, 0.0)
    return config, root


@pytest.fixture(scope="session")
def rendered(known, tmp_path_factory):
    """(config, root), rendered."""
    config, whole = known
    root = made_run.copied(
        *(whole, tmp_path_factory.mktemp("rendered") / "run"),
        *("data", "gan", "encoder", "classifier"),
    )
    direction.run(config, root)
    render.run(config, root)
    return config, root


def _params(config, root):
    """Random ones, none as it is initialised, and logits of the features."""
    random = np.random.default_rng(0)
    params = jax.tree.map(
        lambda leaf: leaf + random.normal(0, 0.1, leaf.shape).astype("f4"),
        state_lib.create(config, 1).params,
    )
    split = pipeline.open_split(config, root, "train")
    images = split.images(range(len(split)))
    network = networks.create(config)
    seen = np.asarray(network.apply(params, images, method="features"))
    centre = np.median(seen, axis=0)
    _, sizes, axes = np.linalg.svd(seen - centre, full_matrices=False)
    kernel = axes[0] / sizes[0] * np.sqrt(len(seen))
    level = np.median(seen @ kernel)
    params["params"]["last"] = {
        "kernel": kernel[:, None].astype("f4"),
        "bias": -level[None].astype("f4"),
    }
    return params


@pytest.fixture(scope="session")
def planted(tmp_path_factory):
    """(benchmark's config, path of the file, what is in it), of seed 3."""
    folder = tmp_path_factory.mktemp("data")
    small.save(folder / "source.npz")
    config = small.config(folder / "source.npz")
    path = folder / "planted.npz"
    planting.write(config, 3, path)
    return config, path, planting.load(config, 3, path)

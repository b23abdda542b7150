"""Sanity checks: do explanations depend on what f has learnt?

Adebayo et al. 2018 (arXiv:1810.03292). An explanation that stays the same
where f's weights are random, or learnt from labels that mean nothing, shows
the images and not f. So the explanations of f are compared with those of

  f with layers initialised again, from the logits down (section 3);
  f trained on permuted labels (section 4);
  f itself, its direction fitted on other rows, as a control: that is how
  alike explanations are that should be;
  f itself, of other images, as another: so alike are those of unrelated
  decisions.

A random network may decide alike for all images; then there is nothing to
explain. As its level alone can do that, each is looked at once more,
"balanced": shifted so that it decides for as many images as f. Where only
the upper layers are new, f's features are still there, and a network may
answer much as f does, or the opposite; then its explanations may well stay
alike. So the correlation of the answers is told beside that of the maps.

Writes WORKDIR/sanity_checks/: permuted_labels/, a run folder with the
classifier that learnt them; steps/<network>.json and .npz, each as soon as
it is measured, and not measured again by a later run; sanity.png and
sanity_balanced.png, what changes until each network flips; and result.json.
"""

import time
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxstyle import parallel, run_log, workdir
from jaxstyle.config import Config
from jaxstyle.config.checks import require
from jaxstyle.faithfulness import (
    sanity_labels,
    sanity_networks,
    sanity_similarity,
)
from jaxstyle.faithfulness.sanity_files import Files
from jaxstyle.faithfulness.sanity_walks import Explainer

TRAINED, BOOTSTRAP = "trained", "another_bootstrap"
PERMUTED = "permuted_labels"
_BALANCED = ".balanced"


def run(config: Config, root: str | Path) -> dict[str, Any]:
    """Explains with every network; goes on where it was stopped.

    Returns:
      What `summary` returns.

    Raises:
      ConfigError: if f is not the built-in one, or if the config asks for
        other images than a split.
      stopping.Stopped: after a signal to stop the training on permuted
        labels, when it is saved.
    """
    started = time.monotonic()
    _check(config)
    parallel.require_one_process("the sanity checks")
    stage = workdir.begin(config, root, "sanity_checks")
    folder = stage.path / PERMUTED
    learnt = sanity_labels.train(config, root, folder)
    files, steps = Files(stage.path), all_steps(config)
    waiting = [step for step in steps if not files.is_done(step)]
    if waiting:
        _measure(config, root, folder, files, waiting)
    networks = [*sanity_networks.layers(config), PERMUTED]
    for name, suffix in (("sanity", ""), ("sanity_balanced", _BALANCED)):
        columns = [("trained f", TRAINED), ("other rows", BOOTSTRAP)]
        columns += [(_title(one), one + suffix) for one in networks]
        files.draw(f"{name}.png", columns)
    result = summary(config, {step: files.numbers(step) for step in steps})
    result[PERMUTED] = {"classifier": learnt} | result[PERMUTED]
    workdir.finish(stage, result, time.monotonic() - started)
    return result


def all_steps(config: Config) -> list[str]:
    """In order; f itself comes first."""
    networks = [*sanity_networks.layers(config), PERMUTED]
    pairs = [(one, one + _BALANCED) for one in networks]
    return [TRAINED, BOOTSTRAP, *(step for pair in pairs for step in pair)]


def summary(
    config: Config, measured: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    """The numbers of all networks, without those of single images.

    Args:
      config: names the layers.
      measured: the numbers of each step.

    Returns:
      images; layers, from the logits down; "trained", what f explains (see
      `sanity_similarity.alone`); "controls": another_bootstrap and
      other_images; "randomised": by the lowest layer that is new, and
      "permuted_labels", both "as_it_is" and "balanced". Each of these has
      what `sanity_similarity.compared` and `of_directions` tell.
    """
    told = {
        step: {key: value for key, value in numbers.items() if key != "images"}
        for step, numbers in measured.items()
    }

    def both(network: str) -> dict[str, Any]:
        return {
            "as_it_is": told[network],
            "balanced": told[network + _BALANCED],
        }

    trained = dict(told[TRAINED])
    return {
        "images": len(measured[TRAINED]["images"]),
        "layers": list(sanity_networks.layers(config)),
        "controls": {
            BOOTSTRAP: told[BOOTSTRAP],
            "other_images": trained.pop("other_images"),
        },
        TRAINED: trained,
        "randomised": {
            layer: both(layer) for layer in sanity_networks.layers(config)
        },
        PERMUTED: both(PERMUTED),
    }


def _check(config: Config) -> None:
    require(
        config.predictor.kind == "checkpoint",
        "predictor.kind",
        config.predictor.kind,
        "use 'checkpoint': of another f the weights cannot be changed",
    )
    require(
        config.target.kind == "finding",
        "target.kind",
        config.target.kind,
        "use 'finding': networks with one logit are compared",
    )
    require(
        not config.walk.images,
        "walk.images",
        config.walk.images,
        "networks are compared on a split; leave it empty",
    )


def _measure(
    config: Config,
    root: str | Path,
    folder: Path,
    files: Files,
    waiting: Sequence[str],
) -> None:
    """Explains with the networks that are waiting, f itself first."""
    explain = Explainer(config, root)
    new = sanity_networks.fresh(config)
    count, total = len(explain.ids), len(all_steps(config))
    done = (total - len(waiting)) * count
    progress = run_log.Progress("sanity checks", total * count, "walks", done)
    for step in waiting:

        def tell(walked: int, done: int = done, step: str = step) -> None:
            progress.update(done + walked, step)

        weights = _weights(config, folder, explain, new, step)
        used = None
        if step == BOOTSTRAP:
            used = _other_rows(config, explain.fitter.count)
        found = explain(weights, tell, used)
        if step == TRAINED:
            numbers = sanity_similarity.alone(config, found, explain.groups)
        else:
            own = files.explanation(TRAINED)
            numbers = sanity_similarity.compared(
                config, own, found, explain.groups
            )
            numbers |= sanity_similarity.of_directions(
                config, explain.fitter, own, found, used, explain.groups
            )
        answers = zip(explain.ids, found.judged, found.status, strict=True)
        rows = [
            {"id": name, "f": float(f), "status": str(status)}
            for name, f, status in answers
        ]
        files.write(step, numbers | {"images": rows}, found)
        done += count


def _weights(
    config: Config, folder: Path, explain: Explainer, new: Any, step: str
) -> sanity_networks.Weights:
    """The network of a step."""
    name = step.removesuffix(_BALANCED)
    if name in (TRAINED, BOOTSTRAP):
        return explain.trained
    if name == PERMUTED:
        found = sanity_networks.trained(config, folder)
    else:
        found = sanity_networks.randomised(config, explain.trained, new, name)
    return found if name == step else explain.fitter.balanced(found)


def _other_rows(config: Config, count: int) -> np.ndarray:
    """Rows of the fit, drawn with replacement."""
    name = zlib.crc32(b"sanity checks: another bootstrap")
    return np.random.default_rng([config.seed, name]).integers(0, count, count)


def _title(network: str) -> str:
    """Over a column; layers are new from the logits down to that one."""
    if network == PERMUTED:
        return "permuted labels"
    if network == sanity_networks.LOGITS:
        return "new logits"
    return "new to " + network.replace("_", " ")

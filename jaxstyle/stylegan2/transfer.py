"""A start from another run's networks, of any resolution."""

import dataclasses
import logging
from pathlib import Path
from typing import Any

import jax

from jaxstyle import config as config_lib
from jaxstyle import workdir
from jaxstyle.stylegan2 import exports, networks
from jaxstyle.stylegan2.state import GanState


def started_from(config: config_lib.Config, state: GanState) -> GanState:
    """A fresh state with G and D of the finished run `config.gan.transfer`.

    Layers carry their resolution in their names, so those of the same name
    and shape are taken over and the others stay as they are. G and its
    average both start from the average.

    Raises:
      WorkdirError: naming the folder, if no training was finished there, if
        none of its layers fits, or if one that freeze-D keeps does not.
    """
    root = config.gan.transfer
    found = exports.load(_recorded(root), root)
    fitting = _fitting(state.d_params, found["d_params"])
    _check_frozen(config, state.d_params, fitting)
    d_params = _grafted("D", state.d_params, fitting, root)
    g_ema = _grafted(
        "G", state.g_ema, _fitting(state.g_ema, found["g_ema"]), root
    )
    same_w = found["w_avg"].shape == state.w_avg.shape
    return dataclasses.replace(
        state,
        g_params=jax.tree.map(lambda leaf: leaf.copy(), g_ema),
        g_ema=g_ema,
        d_params=d_params,
        w_avg=found["w_avg"] if same_w else state.w_avg,
    )


def _recorded(root: str) -> config_lib.Config:
    """The config of the run in `root`, as far as its networks go."""
    folder = Path(root).absolute() / "gan"
    if not (folder / "complete.json").exists():
        raise workdir.WorkdirError(
            f"gan.transfer = {root!r}: no finished training lies in "
            f"{folder}; give the workdir of one"
        )
    recorded = workdir.read_json(folder / "config.json")
    # What its images were of, and so what could be asked of them, is not
    # recorded whole, and makes no difference to the networks.
    images = {key: recorded["data"][key] for key in ("resolution", "channels")}
    return config_lib.from_dict({"data": images, "gan": recorded["gan"]})


def _fitting(tree: Any, other: Any) -> dict[Any, Any]:
    """The other tree's arrays, by path, that have this one's shapes."""
    donors = dict(jax.tree.leaves_with_path(other))
    return {
        path: donors[path]
        for path, leaf in jax.tree.leaves_with_path(tree)
        if path in donors and donors[path].shape == leaf.shape
    }


def _check_frozen(
    config: config_lib.Config, tree: Any, fitting: dict[Any, Any]
) -> None:
    """Refuses to keep layers that nothing has trained."""
    paths = [path for path, _ in jax.tree.leaves_with_path(tree)]
    untrained = {path[1].key for path in paths if path not in fitting}
    for name in networks.frozen_layers(config):
        if name in untrained:
            raise workdir.WorkdirError(
                f"gan.freeze_d = {config.gan.freeze_d}: layer {name} of D "
                f"would be frozen untrained, for the one in gan.transfer = "
                f"{config.gan.transfer!r} has another shape or is missing; "
                "start from a run of this resolution and these channels, or "
                "use gan.freeze_d = 0"
            )


def _grafted(name: str, tree: Any, fitting: dict[Any, Any], root: str) -> Any:
    # Biases of single numbers fit any network; kernels tell.
    if not any(leaf.ndim > 1 for leaf in fitting.values()):
        raise workdir.WorkdirError(
            f"gan.transfer = {root!r}: none of the layers of its {name} "
            "has the shape of one here; use the same channel_base, "
            "channel_max and w_dim"
        )
    leaves, structure = jax.tree.flatten_with_path(tree)
    logging.info(
        "%s: %d of %d arrays taken over from %s",
        name,
        len(fitting),
        len(leaves),
        root,
    )
    return structure.unflatten(fitting.get(path, leaf) for path, leaf in leaves)

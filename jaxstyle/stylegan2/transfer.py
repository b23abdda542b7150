"""A start from another run's networks, of any resolution."""

import dataclasses
import logging
from pathlib import Path
from typing import Any

import jax

from jaxstyle import config as config_lib
from jaxstyle import workdir
from jaxstyle.stylegan2 import exports
from jaxstyle.stylegan2.state import GanState


def started_from(root: str | Path, state: GanState) -> GanState:
    """A fresh state with G and D of the finished run in `root`.

    Layers carry their resolution in their names, so those of the same name
    and shape are taken over and the others stay as they are. G and its
    average both start from the average.

    Raises:
      WorkdirError: naming the folder, if no training was finished there, or
        if none of its layers fits.
    """
    found = exports.load(_recorded(root), root)
    d_params = _grafted("D", state.d_params, found["d_params"], root)
    g_ema = _grafted("G", state.g_ema, found["g_ema"], root)
    same_w = found["w_avg"].shape == state.w_avg.shape
    return dataclasses.replace(
        state,
        g_params=jax.tree.map(lambda leaf: leaf.copy(), g_ema),
        g_ema=g_ema,
        d_params=d_params,
        w_avg=found["w_avg"] if same_w else state.w_avg,
    )


def _recorded(root: str | Path) -> config_lib.Config:
    """The config of the run in `root`, as far as its GAN goes."""
    folder = Path(root).absolute() / "gan"
    if not (folder / "complete.json").exists():
        raise workdir.WorkdirError(
            f"gan.transfer = {str(root)!r}: no finished training lies in "
            f"{folder}; give the workdir of one"
        )
    return config_lib.from_dict(workdir.read_json(folder / "config.json"))


def _grafted(name: str, tree: Any, other: Any, root: str | Path) -> Any:
    donors = dict(jax.tree.leaves_with_path(other))
    leaves, structure = jax.tree.flatten_with_path(tree)
    fits = [
        path in donors and donors[path].shape == leaf.shape
        for path, leaf in leaves
    ]
    # Biases of single numbers fit any network; kernels tell.
    if not any(
        fit and leaf.ndim > 1
        for fit, (_, leaf) in zip(fits, leaves, strict=True)
    ):
        raise workdir.WorkdirError(
            f"gan.transfer = {str(root)!r}: none of the layers of its {name} "
            "has the shape of one here; use the same channel_base, "
            "channel_max and w_dim"
        )
    logging.info(
        "%s: %d of %d arrays taken over from %s",
        name,
        sum(fits),
        len(fits),
        root,
    )
    return structure.unflatten(
        donors[path] if fit else leaf
        for fit, (path, leaf) in zip(fits, leaves, strict=True)
    )

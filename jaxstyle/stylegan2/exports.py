"""The part of a trained GAN that later stages, and other runs, read."""

from pathlib import Path
from typing import Any

import jax

from jaxstyle import checkpoints, workdir
from jaxstyle.config import Config
from jaxstyle.stylegan2 import state as state_lib


def exported(state: state_lib.GanState) -> dict[str, Any]:
    """g_ema, d_params and w_avg of a state."""
    return {
        "g_ema": state.g_ema,
        "d_params": state.d_params,
        "w_avg": state.w_avg,
    }


def load(config: Config, root: str | Path) -> dict[str, Any]:
    """`exported` of a finished training.

    Raises:
      FileNotFoundError: naming the folder, if there is none.
    """
    return load_from(config, workdir.stage(config, root, "gan").exported)


def load_from(config: Config, folder: Path) -> dict[str, Any]:
    """`exported` as saved in `folder`."""
    like = jax.eval_shape(lambda: exported(state_lib.create(config)))
    return checkpoints.load_tree(folder, like)

"""States and positions that are told apart, and damages."""

import os
import pathlib
import shutil

import grain
import jax
import jax.numpy as jnp
import numpy as np

from jaxstyle import checkpoints


def state(number):
    random = np.random.default_rng(number)
    return {
        # Orbax keeps large arrays and small ones in different files.
        "params": {"kernel": jnp.asarray(random.standard_normal((64, 64)))},
        "opt": (jnp.int32(number), [jnp.full((2,), number, jnp.float32)]),
        "half": jnp.asarray(random.standard_normal(3), jnp.bfloat16),
        "rng": jax.random.PRNGKey(number),
    }


def same(a, b):
    return jax.tree.structure(a) == jax.tree.structure(b) and all(
        x.dtype == y.dtype and np.array_equal(x, y)
        for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    )


def batches():
    dataset = grain.MapDataset.range(10).seed(1).shuffle().repeat().batch(4)
    return iter(dataset.to_iter_dataset())


class Position:
    """An iterator that is nothing but its position."""

    def __init__(self, at=0):
        self.at = at

    def get_state(self):
        return {"next": self.at}

    def set_state(self, state):
        self.at = state["next"]


def series(path, keep=2):
    return checkpoints.Checkpoints(path / "checkpoints", keep)


def save(path, *numbers, keep=2):
    """Checkpoints whose step, state and position are the same number."""
    saver = series(path, keep)
    for number in numbers:
        saver.save(number, state(number), Position(number))
    saver.close()


def restore(path):
    """(state, position) as a new process would see them."""
    saver, position = series(path), Position()
    try:
        return saver.restore_latest(state(0), position), position.at
    finally:
        saver.close()


def is_number(restored, number):
    found, position = restored
    return same(found, state(number)) and position == number


def names(path):
    return sorted(os.listdir(path / "checkpoints"))


def half(file):
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def flip(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    file.write_bytes(content)


def to_directory(file):
    file.unlink()
    file.mkdir()


DAMAGES = {
    "deleted": pathlib.Path.unlink,
    "half": half,
    "emptied": lambda file: file.write_bytes(b""),
    "flipped": flip,
    "a directory": to_directory,
}


def with_room(free, monkeypatch):
    """A disk of which so many bytes are free."""
    usage = shutil.disk_usage("/")._replace(free=free)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)

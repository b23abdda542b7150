"""What a tree of arrays was when it was saved, to compare with what is read.

A record is JSON: a text, which holds type, shape and CRC-32 of each leaf by
its name (and whatever else is to be kept), and the text's own CRC-32.
"""

import json
import zlib
from pathlib import Path
from typing import Any

import jax
import numpy as np


def record(tree: Any, position: Any) -> dict[str, Any]:
    """The record of a tree of NumPy arrays and of a position (JSON values)."""
    leaves = {
        name: [_kind(leaf), _checksum(leaf)]
        for name, leaf in _named_leaves(tree).items()
    }
    text = json.dumps({"position": position, "leaves": leaves})
    return {"text": text, "crc32": zlib.crc32(text.encode())}


def opened(record: dict[str, Any]) -> tuple[dict[str, list[Any]], Any]:
    """(leaves, position) of a record.

    Returns:
      leaves: name -> [type and shape, CRC-32].
      position: as it was given to `record`, after a round trip through JSON.

    Raises:
      ValueError: if the record is not the one that was made.
    """
    if zlib.crc32(record["text"].encode()) != record["crc32"]:
        raise ValueError("its record is altered")
    content = json.loads(record["text"])
    return content["leaves"], content["position"]


def require_alike(leaves: dict[str, list[Any]], like: Any, where: Path) -> None:
    """Compares names, types and shapes with those of `like`.

    Args:
      leaves: of a record.
      like: a tree of arrays or abstract arrays.
      where: folder that the message names.

    Raises:
      ValueError: naming the first leaf that differs.
    """
    saved = {name: kind for name, (kind, _) in leaves.items()}
    wanted = {name: _kind(leaf) for name, leaf in _named_leaves(like).items()}
    for name in sorted(saved.keys() | wanted.keys()):
        there, here = saved.get(name), wanted.get(name)
        if there != here:
            raise ValueError(
                f"{where} is of another model: type and shape of {name} are "
                f"{there or 'missing'} there but {here or 'missing'} here; use "
                "the config that it was saved under, or another workdir"
            )


def require_unaltered(leaves: dict[str, list[Any]], tree: Any) -> None:
    """Compares a tree of NumPy arrays with its record, bit for bit.

    Raises:
      ValueError: naming the first leaf that differs.
    """
    read = _named_leaves(tree)
    for name, (kind, checksum) in leaves.items():
        leaf = read[name]
        if kind != _kind(leaf) or checksum != _checksum(leaf):
            raise ValueError(f"{name} is altered")


def _named_leaves(tree: Any) -> dict[str, Any]:
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): leaf
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    }


def _kind(leaf: Any) -> str:
    return f"{np.dtype(leaf.dtype).name}{list(leaf.shape)}"


def _checksum(leaf: np.ndarray) -> int:
    # As bytes, because bfloat16 is no type that a buffer can have.
    return zlib.crc32(
        np.ascontiguousarray(leaf).reshape(-1).view(np.uint8).data
    )

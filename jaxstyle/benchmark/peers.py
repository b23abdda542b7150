"""The PyPI StyleGAN2 packages in PyTorch, made to run without CUDA.

`stylegan2-torch` compiles a CUDA extension for its resampling as soon as it
is imported, and `stylegan2-pytorch` asserts a GPU. Neither needs one for its
networks and losses, which are used here as they are; what is replaced is the
former's resampling operation, by the fastest plain PyTorch one that was
found (a depthwise convolution), and of the latter's imports those that its
networks and losses never use.
"""

import contextlib
import importlib
import importlib.metadata
import sys
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest import mock

from jaxstyle.benchmark import machine

NAMES = ("stylegan2-torch", "stylegan2-pytorch")
INSTALL = "pip install -e .[benchmark]"


def missing(name: str) -> str:
    """Why a package cannot be measured here; empty if it can."""
    for needed in ("torch", name):
        try:
            importlib.metadata.version(needed)
        except importlib.metadata.PackageNotFoundError:
            return f"{needed} is not installed: {INSTALL}"
    return ""


def load(name: str) -> Any:
    """The imported package; torch is told to use as many cores as JAX.

    Raises:
      ImportError: if it does not import with the torch that is installed.
    """
    import torch  # type: ignore

    torch.set_num_threads(machine.cores())
    if name == "stylegan2-torch":
        return _stylegan2_torch()
    return _stylegan2_pytorch()


def _stylegan2_torch() -> Any:
    resampling = ModuleType("stylegan2_torch.op.upfirdn2d")
    resampling.upfirdn2d = upfirdn2d  # type: ignore[attr-defined]
    extension = importlib.import_module("torch.utils.cpp_extension")
    with (
        _stand_ins({resampling.__name__: resampling}),
        # The package itself goes without its other extension on a CPU.
        mock.patch.object(extension, "load", lambda *_, **__: None),
    ):
        package = importlib.import_module("stylegan2_torch")
        utils = importlib.import_module("stylegan2_torch.utils")
    return SimpleNamespace(**vars(package) | {"utils": utils})


def _stylegan2_pytorch() -> Any:
    unused = ("aim", "fire", "torchvision", "vector_quantize_pytorch")
    with (
        _stand_ins({name: mock.MagicMock() for name in unused}),
        mock.patch("torch.cuda.is_available", lambda: True),
    ):
        return importlib.import_module("stylegan2_pytorch.stylegan2_pytorch")


@contextlib.contextmanager
def _stand_ins(modules: dict[str, Any]) -> Iterator[None]:
    hidden = {
        name: sys.modules[name] for name in modules if name in sys.modules
    }
    sys.modules.update(modules)
    try:
        yield
    finally:
        for name in modules:
            del sys.modules[name]
        sys.modules.update(hidden)


def upfirdn2d(
    x: Any,
    kernel: Any,
    up: int = 1,
    down: int = 1,
    pad: tuple[int, int] = (0, 0),
) -> Any:
    """Zero insertion, padding, filter, decimation: [N, C, H, W] tensors.

    Args:
      x: images.
      kernel: [h, w], convolved (not correlated) with each channel.
      up: zeros are inserted to this many times the size.
      down: every how manieth pixel is kept.
      pad: pixels before and after, in both directions.
    """
    from torch.nn import functional  # type: ignore

    count, channels, height, width = x.shape
    if up > 1:
        spread = x.new_zeros(count, channels, height, up, width, up)
        spread[:, :, :, 0, :, 0] = x
        x = spread.reshape(count, channels, height * up, width * up)
    x = functional.pad(x, (*pad, *pad))
    weight = kernel.flip([0, 1])[None, None].expand(channels, 1, -1, -1)
    return functional.conv2d(x, weight, stride=down, groups=channels)

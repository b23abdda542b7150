"""A small CNN trained in PyTorch on stained tissue, exported to ONNX.

    pip install torch onnxscript
    python -m tests.predictors.pytorch_classifier

writes `pytorch_classifier.onnx` beside this file, which is committed: tests
explain it without PyTorch, which is no requirement of the project. What it
wants is what most PyTorch classifiers want: N images [N, 3, 32, 32], less
`MEAN` and divided by `STD`, and it gives logits [N, 2] of the classes 0
(stain-negative) and 1 (stain-positive).
"""

import itertools
from pathlib import Path

import numpy as np
import torch
from torch import nn

from configs import ihc
from jaxstyle.data import ihc as tiles

PATH = Path(__file__).with_suffix(".onnx")
SIDE = 32
# ImageNet's, as in most PyTorch code, of images in [0, 1].
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
# The oldest that the exporter writes: onnxruntime reads it since 1.14.
OPSET = 18
BATCH = 64


def images(split: str) -> tuple[np.ndarray, np.ndarray]:
    """Tiles float32 [N, 32, 32, 3] in [0, 1], and labels int64 [N]."""
    source = tiles.open_source(ihc.get_config())
    chosen = [n for n, e in enumerate(source.entries) if e.split == split]
    pixels = np.stack([source.load(n).image for n in chosen])
    return pixels, np.array([source.entries[n].label for n in chosen])


def as_input(pixels: np.ndarray) -> torch.Tensor:
    """What the network is shown: float32 [N, 3, 32, 32]."""
    x = (pixels - np.float32(MEAN)) / np.float32(STD)
    return torch.from_numpy(x).permute(0, 3, 1, 2).contiguous()


def network() -> nn.Sequential:
    """Three convolutions and a linear layer, 19,154 parameters."""
    layers: list[nn.Module] = []
    sizes = (3, 16, 32, 48)
    for before, after in itertools.pairwise(sizes):
        layers += [
            nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(),
        ]
    return nn.Sequential(
        *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(48, 2)
    )


def train(epochs: int = 6, seed: int = 0) -> nn.Sequential:
    """Trains it on the training split by Adam; in evaluation mode."""
    torch.manual_seed(seed)
    pixels, labels = images("train")
    x, y = as_input(pixels), torch.from_numpy(labels)
    model = network()
    optimiser = torch.optim.Adam(model.parameters(), lr=2e-3)
    for _ in range(epochs):
        for chosen in torch.randperm(len(x)).split(BATCH):
            loss = nn.functional.cross_entropy(model(x[chosen]), y[chosen])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return model.eval()


def probabilities(model: nn.Module, pixels: np.ndarray) -> np.ndarray:
    """PyTorch's own answers: float32 [N, 2]."""
    with torch.inference_mode():
        return torch.softmax(model(as_input(pixels)), dim=1).numpy()


def export(model: nn.Module, path: Path) -> None:
    """Writes one file that takes any number of images."""
    program = torch.onnx.export(
        model,
        (torch.zeros(2, 3, SIDE, SIDE),),
        input_names=["image"],
        output_names=["logits"],
        dynamic_shapes=({0: torch.export.Dim("N")},),
        opset_version=OPSET,
        dynamo=True,
        verbose=False,
    )
    assert program is not None
    # Each node has the lines of Python that it came from, with their paths.
    for node in program.model.graph:
        node.metadata_props.clear()
    program.save(path, external_data=False)


def main() -> None:
    """See the module."""
    model = train()
    pixels, labels = images("test")
    found = probabilities(model, pixels)[:, 1] >= 0.5
    print(f"test accuracy {np.mean(found == labels):.3f}")
    export(model, PATH)


if __name__ == "__main__":
    main()

"""The PyTorch packages as subjects: their networks, their losses.

`stylegan2-torch` has no trainer, and that of `stylegan2-pytorch` calls CUDA
throughout, so the steps are written here, in the packages' favour: images
for D are made without gradients, D's own are off in G's phase, and nothing
is logged. A regulariser's step holds its penalty alone, as this library's
does. Both draw their noise, style mixing included, as their authors do.
"""

import random
from collections.abc import Callable
from importlib import metadata
from typing import Any

from jaxstyle.benchmark import peers
from jaxstyle.benchmark.settings import Settings
from jaxstyle.benchmark.subjects import Subject
from jaxstyle.stylegan2 import networks

# Images of a call that only warms PyTorch up.
_FEW = 4


def make(name: str, settings: Settings, resolution: int) -> Subject:
    """A subject of `peers.NAMES` of the same widths as `settings.config`.

    Raises:
      ImportError: as `peers.load`.
    """
    package = peers.load(name)
    kind = {
        "stylegan2-torch": _Stylegan2Torch,
        "stylegan2-pytorch": _Stylegan2Pytorch,
    }[name]
    model = kind(package, settings, resolution)
    batch = settings.batch
    counts = {"synthesis": batch, "main": batch, "r1": batch}
    counts["path_length"] = batch // 2

    def calls(of: Callable[[int], int]) -> dict[str, Callable[[], None]]:
        return {
            phase: lambda phase=phase, count=count: getattr(model, phase)(
                of(count)
            )
            for phase, count in counts.items()
        }

    return Subject(
        name=f"{name} {metadata.version(name)}",
        parameters={
            "generator": _size(model.g_params),
            "discriminator": _size(model.d_params),
        },
        calls=calls(lambda count: count),
        images=counts,
        warm=calls(lambda count: min(count, _FEW)),
    )


class _Model:
    """Networks, Adam and the three steps; packages fill in the rest.

    Attributes:
      g_params: of G and its mapping.
      d_params: of D.
      real: images [B, C, R, R].
    """

    g_params: list[Any]
    d_params: list[Any]
    real: Any

    def __init__(self) -> None:
        import torch  # type: ignore

        self._torch = torch
        adam = torch.optim.Adam
        self._g_adam = adam(self.g_params, lr=2.5e-3, betas=(0.0, 0.99))
        self._d_adam = adam(self.d_params, lr=2.5e-3, betas=(0.0, 0.99))

    def synthesis(self, count: int) -> None:
        with self._torch.inference_mode():
            self.generate(count, mixing=False)

    def main(self, count: int) -> None:
        self._train(g=False, d=True)
        with self._torch.no_grad():
            fakes, _ = self.generate(count)
        loss = self.d_loss(self.logits(self.real[:count]), self.logits(fakes))
        _descend(self._d_adam, loss)
        self._train(g=True, d=False)
        fakes, _ = self.generate(count)
        _descend(self._g_adam, self.g_loss(self.logits(fakes)))
        self.average()

    def r1(self, count: int) -> None:
        self._train(g=False, d=True)
        images = self.real[:count].detach().requires_grad_()
        _descend(self._d_adam, self.r1_penalty(self.logits(images), images))

    def path_length(self, count: int) -> None:
        self._train(g=True, d=False)
        images, ws = self.generate(count)
        _descend(self._g_adam, self.path_penalty(images, ws))

    def _train(self, g: bool, d: bool) -> None:
        for params, wanted in ((self.g_params, g), (self.d_params, d)):
            for parameter in params:
                parameter.requires_grad_(wanted)

    # What a package gives.
    generate: Callable[..., Any]
    logits: Callable[..., Any]
    d_loss: Callable[..., Any]
    g_loss: Callable[..., Any]
    r1_penalty: Callable[..., Any]
    path_penalty: Callable[..., Any]
    average: Callable[[], None]


class _Stylegan2Torch(_Model):
    """Grey images only; otherwise configuration F, as here."""

    def __init__(
        self, package: Any, settings: Settings, resolution: int
    ) -> None:
        import torch  # type: ignore

        config = settings.config(resolution)
        sides = networks.resolutions(resolution)
        widths = dict(zip(sides, networks.widths(config), strict=True))
        latent, depth = settings.latent, settings.mapping_layers

        def generator() -> Any:
            return package.Generator(resolution, latent, depth, channels=widths)

        self._package, self._latent = package, latent
        self._g, self._g_ema = generator(), generator()
        self._d = package.Discriminator(resolution, widths)
        self.g_params = list(self._g.parameters())
        self.d_params = list(self._d.parameters())
        self.real = torch.randn(settings.batch, 1, resolution, resolution)
        self.logits = self._d
        self.d_loss, self.g_loss = package.d_loss, package.g_loss
        self.r1_penalty = package.d_reg_loss
        super().__init__()

    def generate(self, count: int, mixing: bool = True) -> Any:
        """Images and W+."""
        z = self._package.utils.mixing_noise(
            count, self._latent, 0.9 if mixing else 0.0, "cpu"
        )
        return self._g(z, return_latents=True)

    def path_penalty(self, images: Any, ws: Any) -> Any:
        """Of section 3.2, against the mean of this batch."""
        return self._package.g_reg_loss(images, ws, 0)[0]

    def average(self) -> None:
        """One step of the generator's moving average."""
        self._package.utils.accumulate(self._g_ema, self._g)


class _Stylegan2Pytorch(_Model):
    """Its own architecture: more convolutions in D, bilinear upsampling.

    G's capacity c gives its finest layer 2 c channels, D's gives its own
    4 c; both double towards coarser ones up to the same maximum as here.
    """

    def __init__(
        self, package: Any, settings: Settings, resolution: int
    ) -> None:
        import torch  # type: ignore

        finest = networks.widths(settings.config(resolution))[-1]
        most = settings.channel_max
        latent = settings.latent
        self._package, self._latent = package, latent
        self._mapping = package.StyleVectorizer(
            latent, settings.mapping_layers, lr_mul=0.1
        )
        self._g = package.Generator(
            resolution, latent, finest // 2, fmap_max=most
        )
        self._d = package.Discriminator(resolution, finest // 4, fmap_max=most)
        self.g_params = [*self._mapping.parameters(), *self._g.parameters()]
        self.d_params = list(self._d.parameters())
        self._ema = [parameter.detach().clone() for parameter in self.g_params]
        self.real = torch.randn(settings.batch, 3, resolution, resolution)
        self.g_loss = lambda fake: package.gen_hinge_loss(fake, None)
        super().__init__()

    def generate(self, count: int, mixing: bool = True) -> Any:
        """Images and the style of each block."""
        torch, blocks = self._torch, self._g.num_layers
        cut = random.randrange(blocks) if mixing else blocks
        ws = self._package.styles_def_to_tensor(
            [
                (self._mapping(torch.randn(count, self._latent)), rows)
                for rows in (cut, blocks - cut)
                if rows
            ]
        )
        side = self._g.image_size
        return self._g(ws, torch.rand(count, side, side, 1)), ws

    def logits(self, images: Any) -> Any:
        """D of images; its quantisation loss is off."""
        return self._d(images)[0]

    def d_loss(self, real: Any, fake: Any) -> Any:
        """The package's hinge loss, which takes them in the other order."""
        return self._package.hinge_loss(fake, real)

    def r1_penalty(self, logits: Any, images: Any) -> Any:
        """The package's gradient penalty, here for real images only."""
        return self._package.gradient_penalty(images, logits)

    def path_penalty(self, images: Any, ws: Any) -> Any:
        """The package's lengths against their mean."""
        lengths = self._package.calc_pl_lengths(ws, images)
        return ((lengths - lengths.mean().detach()) ** 2).mean()

    def average(self) -> None:
        """One step of the generator's moving average."""
        now = [parameter.detach() for parameter in self.g_params]
        self._torch._foreach_lerp_(self._ema, now, 0.005)


def _descend(adam: Any, loss: Any) -> None:
    adam.zero_grad()
    loss.backward()
    adam.step()


def _size(parameters: list[Any]) -> int:
    return sum(parameter.numel() for parameter in parameters)

"""Networks that make images: DCGAN's generator and discriminator, SimGAN's refiner, ESPCN."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from parity_tests.networks.network import Network, block


def dcgan_generator() -> nn.Module:
    """Radford et al. 2016: transposed convolutions of 4×4 with stride 2."""
    return block(
        nn.ConvTranspose2d(6, 8, 4, bias=False), nn.BatchNorm2d(8), nn.ReLU(True),
        nn.ConvTranspose2d(8, 6, 4, 2, 1, bias=False), nn.BatchNorm2d(6), nn.ReLU(True),
        nn.ConvTranspose2d(6, 3, 4, 2, 1), nn.Tanh(),
    )  # fmt: skip


def dcgan_discriminator() -> nn.Module:
    """Radford et al. 2016: strided convolutions, leaky ReLU, one number."""
    return block(
        nn.Conv2d(3, 6, 4, 2, 1), nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(6, 8, 4, 2, 1, bias=False), nn.BatchNorm2d(8), nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(8, 1, 4), nn.Sigmoid(), nn.Flatten(),
    )  # fmt: skip


class Refiner(nn.Module):
    """Shrivastava et al. 2017: residual blocks at full size, as simulated images are refined."""

    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Conv2d(1, 6, 3, padding=1, padding_mode="reflect")
        self.blocks = nn.ModuleList(
            block(
                nn.Conv2d(6, 6, 3, padding=1), nn.InstanceNorm2d(6, affine=True), nn.ReLU(),
                nn.Conv2d(6, 6, 3, padding=1),
            )
            for _ in range(2)
        )  # fmt: skip
        self.leave = nn.Conv2d(6, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """The refined image."""
        y = F.relu(self.enter(x))
        for unit in self.blocks:
            y = F.relu(y + unit(y))
        return torch.tanh(self.leave(y))


def espcn() -> nn.Module:
    """Shi et al. 2016: super-resolution by a pixel shuffle at the very end."""
    return block(
        nn.Conv2d(1, 8, 5, padding=2), nn.Tanh(), nn.Conv2d(8, 6, 3, padding=1), nn.Tanh(),
        nn.Conv2d(6, 9, 3, padding=1), nn.PixelShuffle(3),
    )  # fmt: skip


def ripples(output: Tensor, _batch: Tensor) -> Tensor:
    """The distance to a fixed image of waves."""
    waves = torch.arange(output[0].numel(), dtype=output.dtype).sin().reshape(output.shape[1:])
    return (output - waves).square().mean()


def likeness(output: Tensor, batch: Tensor) -> Tensor:
    """Shrivastava's self-regularisation: near the input, and a little brighter."""
    return (output - batch).abs().mean() + (output.mean() - 0.5).square()


def fake_or_not(output: Tensor, _batch: Tensor) -> Tensor:
    """Every second image is real."""
    return F.binary_cross_entropy(output, (torch.arange(len(output)) % 2).to(output).view(-1, 1))


GENERATORS = (
    Network(name="DCGAN generator", build=dcgan_generator, shape=(4, 6, 1, 1), loss=ripples),
    Network(
        name="DCGAN discriminator",
        build=dcgan_discriminator,
        shape=(4, 3, 16, 16),
        loss=fake_or_not,
    ),
    Network(
        name="SimGAN refiner",
        build=Refiner,
        shape=(2, 1, 10, 10),
        loss=likeness,
        idle=("blocks.0.0.bias", "blocks.1.0.bias"),
    ),
    Network(name="ESPCN", build=espcn, shape=(2, 1, 7, 7), loss=ripples),
)

"""Networks that say what an image shows: AlexNet, VGG, ResNet, a CIFAR CNN, mobile units, faces."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from parity_tests.networks.network import Network, block


def alexnet() -> nn.Module:
    """Krizhevsky et al. 2012: local response norm, overlapping pools, convolution in two groups."""
    return block(
        nn.Conv2d(3, 8, 5, stride=2, padding=2), nn.ReLU(inplace=True), nn.LocalResponseNorm(5),
        nn.MaxPool2d(3, stride=2),
        nn.Conv2d(8, 8, 5, padding=2, groups=2), nn.ReLU(inplace=True), nn.LocalResponseNorm(5),
        nn.MaxPool2d(3, stride=2),
        nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(inplace=True),
        nn.Flatten(), nn.Linear(72, 16), nn.ReLU(inplace=True), nn.Linear(16, 5),
    )  # fmt: skip


def vgg() -> nn.Module:
    """Simonyan and Zisserman 2015: 3×3 kernels only."""
    return block(
        nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(inplace=True),
        nn.Conv2d(6, 6, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2),
        nn.Conv2d(6, 8, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2),
        nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 5),
    )  # fmt: skip


class Residual(nn.Module):
    """He et al. 2016: two convolutions and a way around them."""

    def __init__(self, inner: int, outer: int, stride: int) -> None:
        super().__init__()
        self.way = block(
            nn.Conv2d(inner, outer, 3, stride, 1, bias=False), nn.BatchNorm2d(outer),
            nn.ReLU(inplace=True),
            nn.Conv2d(outer, outer, 3, 1, 1, bias=False), nn.BatchNorm2d(outer),
        )  # fmt: skip
        self.around = (
            block(nn.Conv2d(inner, outer, 1, stride, bias=False), nn.BatchNorm2d(outer))
            if stride > 1
            else nn.Identity()
        )

    def forward(self, x: Tensor) -> Tensor:
        """relu(F(x) + x)."""
        return F.relu(self.way(x) + self.around(x))


def resnet() -> nn.Module:
    """He et al. 2016."""
    return block(
        nn.Conv2d(3, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6), nn.ReLU(inplace=True),
        Residual(6, 6, 1), Residual(6, 8, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(8, 5),
    )  # fmt: skip


def cifar_cnn() -> nn.Module:
    """Two convolutions with batch norm and average pools, then two linear layers."""
    return block(
        nn.Conv2d(3, 6, 5), nn.BatchNorm2d(6), nn.LeakyReLU(0.1), nn.AvgPool2d(2),
        nn.Conv2d(6, 8, 3), nn.BatchNorm2d(8), nn.ELU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(32, 12), nn.Tanh(), nn.Linear(12, 5),
    )  # fmt: skip


def mobilenet() -> nn.Module:
    """Sandler et al. 2018: depthwise and pointwise, ReLU6 between."""

    def unit(inner: int, outer: int, stride: int) -> nn.Module:
        return block(
            nn.Conv2d(inner, 3 * inner, 1, bias=False), nn.BatchNorm2d(3 * inner), nn.ReLU6(True),
            nn.Conv2d(3 * inner, 3 * inner, 3, stride, 1, groups=3 * inner, bias=False),
            nn.BatchNorm2d(3 * inner), nn.ReLU6(True),
            nn.Conv2d(3 * inner, outer, 1, bias=False), nn.BatchNorm2d(outer),
        )  # fmt: skip

    return block(
        unit(3, 4, 2), unit(4, 6, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 5)
    )


def shufflenet() -> nn.Module:
    """Zhang et al. 2018: pointwise convolutions in groups, and channels shuffled between them."""
    return block(
        nn.Conv2d(3, 6, 3, 2, 1, bias=False), nn.BatchNorm2d(6), nn.ReLU(inplace=True),
        nn.Conv2d(6, 12, 1, groups=3, bias=False), nn.BatchNorm2d(12), nn.ReLU(inplace=True),
        nn.ChannelShuffle(3),
        nn.Conv2d(12, 12, 3, 1, 1, groups=12, bias=False), nn.BatchNorm2d(12),
        nn.Conv2d(12, 6, 1, groups=3, bias=False), nn.BatchNorm2d(6), nn.ReLU(inplace=True),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 5),
    )  # fmt: skip


class Embedding(nn.Module):
    """Schroff et al. 2015: a face as a point on the unit sphere."""

    def __init__(self) -> None:
        super().__init__()
        self.features = block(
            nn.Conv2d(3, 6, 3, 2), nn.ReLU(), nn.LPPool2d(2, 3, 2), nn.Conv2d(6, 8, 3), nn.ReLU()
        )
        self.project = nn.Linear(8, 6)

    def forward(self, x: Tensor) -> Tensor:
        """The projected mean of the features, over its length."""
        return F.normalize(self.project(self.features(x).mean((2, 3))))


def classification(output: Tensor, batch: Tensor) -> Tensor:
    """Cross entropy with the classes 0, 1, 2, … in turn."""
    return F.cross_entropy(output, torch.arange(len(batch)) % output.shape[1])


def triplet(output: Tensor, _batch: Tensor) -> Tensor:
    """The first two are one person, the others are not."""
    anchor, same, *others = output
    near = (anchor - same).square().sum()
    return torch.stack([F.relu(near - (anchor - o).square().sum() + 1) for o in others]).sum()


def classifier(name: str, build: Any, size: int = 16, idle: tuple[str, ...] = ()) -> Network:
    """A network that tells five classes apart."""
    return Network(name=name, build=build, shape=(4, 3, size, size), loss=classification, idle=idle)


CLASSIFIERS = (
    classifier("AlexNet", alexnet, 32),
    classifier("VGG", vgg),
    classifier("ResNet", resnet, 12),
    classifier("CIFAR CNN", cifar_cnn, idle=("0.bias", "4.bias")),
    classifier("MobileNet", mobilenet),
    classifier("ShuffleNet", shufflenet, 12),
    Network(name="embedding", build=Embedding, shape=(4, 3, 16, 16), loss=triplet),
)

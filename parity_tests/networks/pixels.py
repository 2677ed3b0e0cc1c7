"""Networks that say something of every pixel: FCN-8s and PixelCNN."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from parity_tests.networks.network import Network, block


class FCN8s(nn.Module):
    """Long et al. 2015: scores at strides 8, 16 and 32, upsampled by transposed convolutions."""

    def __init__(self, classes: int = 3) -> None:
        super().__init__()

        def stage(inner: int, outer: int, pools: int) -> nn.Module:
            return block(
                nn.Conv2d(inner, outer, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(pools)
            )

        self.pool3 = stage(3, 4, 8)
        self.pool4 = stage(4, 6, 2)
        self.pool5 = stage(6, 8, 2)
        self.scores = nn.ModuleList(nn.Conv2d(c, classes, 1) for c in (4, 6, 8))
        self.twice = nn.ModuleList(
            nn.ConvTranspose2d(classes, classes, 4, 2, 1, bias=False) for _ in range(2)
        )
        self.eightfold = nn.ConvTranspose2d(classes, classes, 16, 8, 4, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Scores of every class at every pixel."""
        eighth = self.pool3(x)
        sixteenth = self.pool4(eighth)
        y = self.twice[0](self.scores[2](self.pool5(sixteenth)))
        y = self.twice[1](y + self.scores[1](sixteenth))
        return self.eightfold(y + self.scores[0](eighth))


class MaskedConv2d(nn.Conv2d):
    """van den Oord et al. 2016: a pixel sees only those before it, and itself in type B."""

    mask: Tensor

    def __init__(self, kind: str, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        height, width = self.kernel_size
        mask = torch.ones(height, width)
        mask[height // 2, width // 2 + (kind == "B") :] = 0
        mask[height // 2 + 1 :] = 0
        self.register_buffer("mask", mask)

    def forward(self, input: Tensor) -> Tensor:
        """The convolution with the masked weight."""
        return self._conv_forward(input, self.weight * self.mask, self.bias)


def pixelcnn() -> nn.Module:
    """van den Oord et al. 2016, without the gates."""
    return block(
        MaskedConv2d("A", 1, 6, 5, padding=2), nn.ReLU(), MaskedConv2d("B", 6, 6, 3, padding=1),
        nn.GroupNorm(2, 6), nn.Softplus(), nn.Conv2d(6, 4, 1), nn.LogSoftmax(1),
    )  # fmt: skip


def pixelwise(output: Tensor, _batch: Tensor) -> Tensor:
    """Cross entropy with diagonal stripes of classes."""
    rows, columns = (torch.arange(size) for size in output.shape[2:])
    stripes = (rows[:, None] + columns) % output.shape[1]
    return F.cross_entropy(output, stripes.expand(len(output), -1, -1))


def likelihood(output: Tensor, batch: Tensor) -> Tensor:
    """Of the image itself, in as many levels of grey as there are channels."""
    levels = output.shape[1]
    grey = (batch[:, 0].sigmoid() * levels).long().clamp(max=levels - 1)
    return F.nll_loss(output, grey)


PIXELS = (
    Network(name="FCN-8s", build=FCN8s, shape=(2, 3, 32, 32), loss=pixelwise),
    Network(name="PixelCNN", build=pixelcnn, shape=(2, 1, 9, 9), loss=likelihood),
)

"""Ways to make a small image large, side by side."""

from __future__ import annotations

import torch
from torch import Tensor

import reimpl
from parity_tests.gallery.figures import Figure, Section, panels, source
from parity_tests.gallery.images import Images
from parity_tests.gallery.pictures import colour


def interpolated(small: Tensor) -> dict[str, Tensor]:
    modes = ("nearest", "bilinear", "bicubic")
    return {mode: reimpl.interpolate(small, scale_factor=4, mode=mode) for mode in modes}


def tent(s: int) -> Tensor:
    """Bilinear weights of a transposed convolution of stride s: 2s × 2s."""
    line = 1 - (torch.arange(2 * s) - s + 0.5).abs() / s
    return line.view(-1, 1) * line


def transposed(small: Tensor) -> dict[str, Tensor]:
    random = torch.rand(8, 8, generator=torch.Generator().manual_seed(0))
    kernels = {
        "random 8×8": (random, 2),
        "ones 6×6": (torch.ones(6, 6), 1),
        "ones 8×8": (torch.ones(8, 8), 2),
        "bilinear 8×8": (tent(4), 2),
    }
    images = {}
    for label, (kernel, padding) in kernels.items():
        weight = (16 * kernel / kernel.sum()).expand(3, 1, -1, -1)  # each channel by itself
        images[label] = reimpl.conv_transpose2d(small, weight, stride=4, padding=padding, groups=3)
    return images


def resized_then_convolved(small: Tensor) -> dict[str, Tensor]:
    random = torch.rand(5, 5, generator=torch.Generator().manual_seed(0))
    weight = (random / random.sum()).expand(3, 1, -1, -1)
    large = reimpl.interpolate(small, scale_factor=4)
    return {"nearest, then random 5×5": reimpl.conv2d(large, weight, padding=2, groups=3)}


def unpooled(large: Tensor) -> dict[str, Tensor]:
    maxima, places = reimpl.max_pool2d(large, 4, return_indices=True)
    return {"max-pooled": maxima, "max-unpooled": reimpl.max_unpool2d(maxima, places, 4)}


def shuffled(large: Tensor) -> dict[str, Tensor]:
    channels = reimpl.pixel_unshuffle(large, 4)  # (1, 3·16, H/4, W/4)
    mosaic = channels.unflatten(1, (3, 4, 4)).permute(0, 1, 2, 4, 3, 5).reshape_as(large)
    return {"16 small images": mosaic, "pixel-shuffled": reimpl.pixel_shuffle(channels, 4)}


def subpixel_convolution(small: Tensor) -> dict[str, Tensor]:
    random = torch.rand(3 * 16, 1, 3, 3, generator=torch.Generator().manual_seed(0))
    channels = reimpl.conv2d(small, random * 2 / 9, padding=1, groups=3)  # sums of about one
    return {"random 3×3, pixel-shuffled": reimpl.pixel_shuffle(channels, 4)}


def section(images: Images) -> Section:
    what, large = images.colour.what, images.colour.pixels.unsqueeze(0)
    small = reimpl.interpolate(large, scale_factor=0.25, mode="bilinear", antialias=True)
    bilinear, learned = interpolated(small)["bilinear"], transposed(small)["bilinear 8×8"]
    inside = (bilinear - learned)[..., 2:-2, 2:-2].abs().max()

    def shown(results: dict[str, Tensor]) -> dict[str, Tensor]:
        return {label: y[0] for label, y in results.items()}

    same = bool(shuffled(large)["pixel-shuffled"].equal(large))
    return Section(
        "upsampling",
        "Upsampling",
        "A small image made four times as large along both axes.",
        (
            Figure(
                "Interpolation",
                "Nearest repeats pixels, bilinear draws straight lines between them, bicubic "
                "smooth curves, which overshoot at edges.",
                source(interpolated),
                panels(
                    shown({**interpolated(small), "as it was": large}),
                    colour,
                    f"{what}, upsampled",
                ),
                5,
            ),
            Figure(
                "Transposed convolution",
                "Stride 4. Random weights, as before training, leave their pattern in every patch. "
                "Constant weights are no safer where 4 does not divide the kernel: the 6×6 taps "
                "overlap unevenly, a checkerboard; the 8×8 ones do evenly. Weights initialised "
                "bilinear are bilinear interpolation away from the border (here to "
                f"{float(inside):.0e}); at the border nothing adds to what is missing outside. "
                "Resizing first and then convolving keeps an even image even with any weights.",
                source(tent, transposed, resized_then_convolved),
                panels(
                    shown({**transposed(small), **resized_then_convolved(small)}),
                    colour,
                    f"{what}, by transposed convolution",
                ),
                5,
            ),
            Figure(
                "Unpooling and pixel shuffle",
                "Max-unpooling puts each maximum back where it was, zeros elsewhere. Pixel shuffle "
                "weaves 16 channels into 4×4 blocks: the 16 images of every fourth pixel give the "
                f"original back, {'bit for bit' if same else 'but for differences'}. Behind a "
                "convolution with random weights each place of a block has a brightness of its "
                "own: the checkerboard of sub-pixel convolution before training.",
                source(unpooled, shuffled, subpixel_convolution),
                panels(
                    shown({**unpooled(large), **shuffled(large), **subpixel_convolution(small)}),
                    colour,
                    what,
                ),
                5,
            ),
        ),
    )

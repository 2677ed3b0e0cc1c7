"""The named shapes: layers that networks really have, and the tiny ones that the suite draws."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any

Dimensions = tuple[int, ...]


@dataclass(frozen=True)
class Shape:
    """A call: the operator, the shapes of its tensors, its other arguments."""

    name: str
    op: str
    tensors: Mapping[str, Dimensions]
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def note(self) -> str | None:
        """Why it misses a goal, where it does, and what was tried."""
        return NOTES.get(self.name, CALLS if self.tiny else None)

    @property
    def tiny(self) -> bool:
        """As small as what the suite draws: what a call costs by itself."""
        return prod(self.tensors["input"]) <= 1024


def convolution(
    name: str, input: Dimensions, weight: Dimensions, *, op: str = "", **options: Any
) -> Shape:
    """A convolution, of the rank that its weight has; or a transposed one."""
    op = op or f"conv{len(weight) - 2}d"
    return Shape(name, op, {"input": input, "weight": weight}, options)


def unary(name: str, op: str, input: Dimensions, **options: Any) -> Shape:
    """An operator of one tensor."""
    return Shape(name, op, {"input": input}, options)


def norm(name: str, op: str, input: Dimensions, size: int, **options: Any) -> Shape:
    """A normalisation with weight and bias."""
    return Shape(name, op, {"input": input, "weight": (size,), "bias": (size,)}, options)


def batch_norm(name: str, input: Dimensions) -> Shape:
    """In training, with running statistics."""
    C = input[1]
    running = {"running_mean": (C,), "running_var": (C,)}
    tensors = {"input": input, "weight": (C,), "bias": (C,), **running}
    return Shape(name, "batch_norm", tensors, {"training": True})


# Of tiny calls: all of their time is the calls' own.
CALLS = (
    "torch's call is one kernel of 2 to 10 µs; a Python function that checks its arguments takes "
    "10 to 20 and each of its primitives 1 to 3, a graph node 10: what is left is mostly that"
)
NOTES = {
    "ResNeXt: 3×3, 32 groups, 28², 256": (
        "eight channels a group are too few to fill a matrix product; windows are written out once "
        "per sample, for all groups together"
    ),
    "depthwise 3×3, 112², 96": (
        "nine passes over memory, one per tap, where torch's kernel keeps the sums in registers; "
        "eight positions as channels of a matrix product took twice as long"
    ),
    "depthwise 7×7, 28², 384": (
        "eight positions as channels of a matrix product, two thirds of whose factors are zeros; "
        "forty-nine passes, one per tap, are no faster"
    ),
    "depthwise 31×31, 28², 128": (
        "the banded kernel and its windows stand beside the result; torch takes seven times as long"
    ),
    "dilated 3×3 d4, 28², 256": "the padded copy and a slab of windows beside a small result",
    "max pool 3×3 s2, 112², 64": (
        "where a derivative is asked for the places come first, with a byte per tap and an index "
        "of eight bytes per window, and the values are gathered by them"
    ),
    "adaptive max pool 28²→7², 256": (
        "the places are searched in passes over blocks of channels, where torch has one loop that "
        "finds both; torch holds nothing but its small result"
    ),
    "adaptive max pool 28²→5², 256": (
        "windows of different lengths are gathered tap by tap, six along each axis; torch has one "
        "loop, and holds nothing but its small result"
    ),
    "layer norm, ViT: 197×768": (
        "eight passes forward and fourteen backward over what torch fuses; blocks of rows that "
        "stay in the cache were mostly slower"
    ),
    "group norm, 32 groups, 28², 256": (
        "eight passes forward and fourteen backward over what torch fuses; blocks of rows that "
        "stay in the cache were mostly slower"
    ),
    "softmax, vocabulary: 256×32000": (
        "exp alone takes 1.3 times torch's whole time; powers of two are faster, but their "
        "relative error grows with x"
    ),
    "average pool 2×2, 112², 64": (
        "sums go axis by axis, and what is summed along one, twice the result, stands beside it"
    ),
    "reflection pad 3, 256², 3": (
        "one copy like torch's, and four more calls for each axis of narrow margins"
    ),
}

REAL = (
    convolution(
        "ResNet-50 stem: 7×7 s2, 224², 3→64", (2, 3, 224, 224), (64, 3, 7, 7), stride=2, padding=3
    ),
    convolution("ResNet-50: 3×3, 56², 64", (4, 64, 56, 56), (64, 64, 3, 3), padding=1),
    convolution(
        "ResNet-50: 3×3 s2, 28², 128", (4, 128, 28, 28), (128, 128, 3, 3), stride=2, padding=1
    ),
    convolution("ResNet-50: 3×3, 14², 256", (4, 256, 14, 14), (256, 256, 3, 3), padding=1),
    convolution("ResNet-50: 1×1, 7², 512→2048", (4, 512, 7, 7), (2048, 512, 1, 1)),
    convolution(
        "depthwise 3×3, 112², 96", (2, 96, 112, 112), (96, 1, 3, 3), padding=1, groups=96
    ),
    convolution("depthwise 7×7, 28², 384", (2, 384, 28, 28), (384, 1, 7, 7), padding=3, groups=384),
    convolution(
        "depthwise 31×31, 28², 128", (2, 128, 28, 28), (128, 1, 31, 31), padding=15, groups=128
    ),
    convolution(
        "dilated 3×3 d4, 28², 256", (2, 256, 28, 28), (256, 256, 3, 3), padding=4, dilation=4
    ),
    convolution("ResNeXt: 3×3, 32 groups, 28², 256", (2, 256, 28, 28), (256, 8, 3, 3), padding=1,
                groups=32),
    convolution("conv3d 3×3×3, 32³, 16→32", (1, 16, 32, 32, 32), (32, 16, 3, 3, 3), padding=1),
    convolution("conv1d 9, 4096, 64", (4, 64, 4096), (64, 64, 9), padding=4),
    convolution(
        "DCGAN: transposed 4×4 s2, 8², 512→256", (8, 512, 8, 8), (512, 256, 4, 4),
        op="conv_transpose2d", stride=2, padding=1,
    ),
    convolution(
        "FCN: transposed 16×16 s8, 40², 21", (1, 21, 40, 40), (21, 21, 16, 16),
        op="conv_transpose2d", stride=8, padding=4,
    ),
    unary("max pool 3×3 s2, 112², 64", "max_pool2d", (4, 64, 112, 112), kernel_size=3, stride=2,
          padding=1),
    unary("max pool 2×2 with indices, 112², 64", "max_pool2d", (4, 64, 112, 112), kernel_size=2,
          return_indices=True),
    unary("adaptive max pool 28²→7², 256", "adaptive_max_pool2d", (4, 256, 28, 28), output_size=7),
    unary("adaptive max pool 28²→5², 256", "adaptive_max_pool2d", (4, 256, 28, 28), output_size=5),
    unary("average pool 2×2, 112², 64", "avg_pool2d", (4, 64, 112, 112), kernel_size=2),
    unary("average pool 3×3 s1, 28², 256", "avg_pool2d", (4, 256, 28, 28), kernel_size=3, stride=1,
          padding=1),
    unary("global average pool 7², 2048", "adaptive_avg_pool2d", (8, 2048, 7, 7), output_size=1),
    unary("max unpool 2×2, 56²→112², 64", "max_unpool2d", (4, 64, 56, 56), kernel_size=2),
    batch_norm("batch norm, 56², 64", (8, 64, 56, 56)),
    batch_norm("batch norm, 7², 512", (8, 512, 7, 7)),
    norm("layer norm, ViT: 197×768", "layer_norm", (8, 197, 768), 768, normalized_shape=(768,)),
    norm("group norm, 32 groups, 28², 256", "group_norm", (4, 256, 28, 28), 256, num_groups=32),
    norm("instance norm, 56², 64", "instance_norm", (4, 64, 56, 56), 64),
    unary("local response norm, AlexNet: 27², 96", "local_response_norm", (8, 96, 27, 27), size=5),
    unary("softmax, attention: 96×197×197", "softmax", (96, 197, 197), dim=-1),
    unary("softmax, vocabulary: 256×32000", "softmax", (256, 32000), dim=-1),
    unary("bilinear 28²→56², 64", "interpolate", (4, 64, 28, 28), scale_factor=2, mode="bilinear"),
    unary("bilinear 64²→512², 21", "interpolate", (1, 21, 64, 64), size=(512, 512),
          mode="bilinear"),
    unary("bicubic 28²→56², 64", "interpolate", (4, 64, 28, 28), scale_factor=2, mode="bicubic"),
    unary("nearest 28²→56², 256", "interpolate", (4, 256, 28, 28), scale_factor=2, mode="nearest"),
    unary("pixel shuffle 3, 64²", "pixel_shuffle", (4, 27, 64, 64), upscale_factor=3),
    unary("reflection pad 3, 256², 3", "pad", (4, 3, 256, 256), pad=(3, 3, 3, 3), mode="reflect"),
    Shape("linear 2048→1000", "linear", {"input": (64, 2048), "weight": (1000, 2048),
                                         "bias": (1000,)}),
)  # fmt: skip

SMALL = (2, 4, 8, 8)
TINY = (
    convolution("conv1d, tiny", (2, 4, 16), (4, 4, 3), padding=1),
    convolution("conv2d, tiny", SMALL, (4, 4, 3, 3), padding=1),
    convolution("conv3d, tiny", (2, 4, 4, 4, 4), (4, 4, 3, 3, 3), padding=1),
    convolution(
        "transposed, tiny", SMALL, (4, 4, 3, 3), op="conv_transpose2d", stride=2, padding=1
    ),
    unary("max pool, tiny", "max_pool2d", SMALL, kernel_size=3, stride=2, padding=1),
    unary("adaptive max pool, tiny", "adaptive_max_pool2d", SMALL, output_size=3),
    unary("average pool, tiny", "avg_pool2d", SMALL, kernel_size=3, stride=2, padding=1),
    unary("max unpool, tiny", "max_unpool2d", (2, 4, 4, 4), kernel_size=2),
    batch_norm("batch norm, tiny", SMALL),
    norm("layer norm, tiny", "layer_norm", SMALL, 8, normalized_shape=(8,)),
    norm("group norm, tiny", "group_norm", SMALL, 4, num_groups=2),
    norm("instance norm, tiny", "instance_norm", SMALL, 4),
    unary("local response norm, tiny", "local_response_norm", SMALL, size=3),
    unary("softmax, tiny", "softmax", SMALL, dim=-1),
    unary("bilinear, tiny", "interpolate", SMALL, scale_factor=2, mode="bilinear"),
    unary("bicubic, tiny", "interpolate", SMALL, scale_factor=2, mode="bicubic"),
    unary("nearest, tiny", "interpolate", SMALL, scale_factor=2, mode="nearest"),
    unary("pixel shuffle, tiny", "pixel_shuffle", SMALL, upscale_factor=2),
    unary("reflection pad, tiny", "pad", SMALL, pad=(1, 1, 1, 1), mode="reflect"),
    Shape("linear, tiny", "linear", {"input": (8, 8), "weight": (4, 8), "bias": (4,)}),
)

SHAPES = REAL + TINY

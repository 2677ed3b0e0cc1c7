"""What is right where reimpl was not when the faults were written, and the unusual right ones."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from parity_tests.planted_situations.looks import (
    autocast,
    bf16,
    half,
    image,
    lazy,
    normal,
    plain,
    recorded,
    w2,
)
from parity_tests.seen import Look, look


def exact_value(input: Tensor, pad: tuple[int, int], value: int) -> Tensor:
    """Padding of the last axis at its end, by concatenation."""
    return torch.cat((input, torch.full((*input.shape[:-1], pad[1]), value)), -1)


# What is right where reimpl was not when these were written.
TRUTH: dict[str, Any] = {
    "pad-integer-value-through-double": exact_value,
    "softplus-numpy-beta-truncated": F.softplus,
    "leaky-relu-numpy-slope-truncated": F.leaky_relu,
    "rms-norm-numpy-eps-truncated": F.rms_norm,
    "instance-norm-double-estimates-stay": F.instance_norm,
    "adaptive-avg-pool3d-autocast-ignored": F.adaptive_avg_pool3d,
    "interpolate-gradient-contiguous": F.interpolate,
    "conv2d-autocast-ignored": F.conv2d,
    "linear-autocast-ignored": F.linear,
    "layer-norm-autocast-returns-half": F.layer_norm,
    "interpolate-autocast-rounds": F.interpolate,
    "avg-pool2d-stride-of-32-bits": F.avg_pool2d,
    "conv2d-gradient-contiguous": F.conv2d,
    "max-pool2d-module-gradient-contiguous": nn.MaxPool2d,
    "right-conv2d-autocast-by-hand": F.conv2d,
}

UNUSUAL: dict[str, Look] = {
    "right-linear-while-recording": look(normal(2, 50), normal(4, 50), normal(4), wanted=(0, 1, 2)),
    "right-rms-norm-one-rounding": look(half, (8,), normal(8, dtype=bf16)),
    "right-softmax-in-one-sweep": recorded(normal(2, 1300, times=9), -1, cotangent=lambda y: y),
    "right-conv1d-conjugated-first": look(lazy.conj().view(1, 1, 4), lazy.conj().view(1, 1, 4)),
    "right-conv2d-autocast-by-hand": look(image, w2, mode=autocast),
    "right-group-norm-in-double": look(plain, 3, normal(3), normal(3), wanted=(0, 2, 3)),
}

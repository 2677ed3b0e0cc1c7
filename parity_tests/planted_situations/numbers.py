"""Situations that are dtypes and values."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from parity_tests.planted_situations.looks import (
    bf16,
    f16,
    f32,
    f64,
    f64s,
    filled,
    half,
    image,
    ints,
    normal,
    ones,
    plain,
    t3,
    volume,
    zeros,
)
from parity_tests.seen import Look, layer, look

SIXTEEN_BIT: dict[str, Look] = {
    "rms-norm-four-percent": look(plain.bfloat16(), (8,)),
    "local-response-norm-half-a-percent": look(plain.half(), 2),
    "lp-pool2d-one-percent": look(image.bfloat16(), 2.0, 2),
    "normalize-one-percent": look(plain.bfloat16()),
    "gamma-half-a-percent": look(image.abs().half(), 0.5),
    "log-softmax-gradient-one-percent": look(
        plain.bfloat16(), -1, wanted=(0,), cotangent=lambda y: y.neg()
    ),
    "batch-norm-weight-gradient-one-percent": look(
        plain.bfloat16(),
        None,
        None,
        ones(3, dtype=bf16),
        None,
        True,
        wanted=(3,),
        cotangent=lambda y: y,
    ),
    "rms-norm-module-weight-gradient": layer(8, input=image.half(), dtype=f16, wanted=True),
    "softmax-exponentials-rounded": look(plain.bfloat16(), -1),
    "layer-norm-mean-rounded": look((plain + 300).bfloat16(), (8,)),
    "group-norm-rounded-before-the-weight": look(
        plain.half(), 3, normal(3, dtype=f16), normal(3, dtype=f16)
    ),
    "instance-norm-estimates-rounded-twice": look(
        normal(1, 60, 8, dtype=bf16), normal(60, dtype=bf16), ones(60, dtype=bf16)
    ),
    "linear-summed-in-bfloat16": look(normal(2, 40, dtype=bf16), normal(4, 40, dtype=bf16)),
    "conv-transpose3d-bias-added-last": look(volume.half(), t3.half(), normal(4, dtype=f16)),
    "difference-of-gaussians-rounded": look((image + 9).bfloat16(), 0.5),
    "sobel-magnitude-rounded": look(image.bfloat16()),
    "interpolate-bicubic-rows-first": look(image.half(), (5, 7), None, "bicubic"),
    "tanh-cancels-in-bfloat16": look((plain / 50).bfloat16()),
    "avg-pool2d-reciprocal-rounded": look(image.bfloat16(), 3),
}

VALUES: dict[str, Look] = {
    "batch-norm-eps-at-least-default": look(plain * 1e-3, None, None, training=True, eps=1e-7),
    "group-norm-eps-ignored": look(plain * 1e-4, 3, eps=1e-7),
    "layer-norm-eps-at-least-1e-8": look(plain * 1e-5, (8,), eps=1e-12),
    "normalize-eps-at-least-1e-7": look(plain * 1e-9, eps=1e-10),
    "instance-norm-momentum-zero": look(plain, zeros(3), ones(3), momentum=0.0),
    "local-response-norm-k-zero": look(plain, 2, k=0.0),
    "hardtanh-bound-in-single": look(f64s(9), max_val=0.1),
    "elu-alpha-in-single": look(f64s(9), 0.3),
    "gaussian-blur-sigma-in-single": look(f64s(5, 5), 0.7),
    "leaky-relu-module-slope-in-single": layer(input=f64s(9)),
    "pad-value-in-half": look(plain, (0, 1), value=0.1),
    "pad-integer-value-through-double": look(ints, (0, 1), value=2**53 + 1),
    "constant-pad2d-nan-is-zero": layer(1, float("nan"), input=image),
    "softplus-numpy-beta-truncated": look(plain, np.float32(1.5)),
    "leaky-relu-numpy-slope-truncated": look(plain, np.float32(0.5)),
    "rms-norm-numpy-eps-truncated": look(plain, (8,), eps=np.float64(0.5)),
    "elu-in-place-bool-alpha": look(plain, False),
    "interpolate-whole-factor-aligns": look(image, None, 2, "bilinear"),
    "lp-pool2d-whole-power-of-magnitudes": look(image, 3, 2),
    "batch-norm1d-whole-momentum-averages": layer(
        3, momentum=1, input=plain, prepared=lambda m: m(normal(2, 3, 8, times=2))
    ),
    "xavier-normal-whole-gain": filled(torch.empty(3, 4), gain=5 / 3),
    "relu-flushes-subnormals": look(torch.tensor([1e-40])),
    "avg-pool3d-flushes-subnormals": look(torch.full((1, 1, 2, 2, 2), 1e-40), 2),
    "adaptive-avg-pool3d-single-beyond-1e4": look(f64s(1, 1, 2, 2, 3, times=1e6), 2),
    "softmax-cast-too-late": look(plain.half(), -1, dtype=f32),
    "softmin-integers-through-half": look(ints + 4001, -1, dtype=f32),
}

MIXED: dict[str, Look] = {
    "layer-norm-mixed-weight-cast-down": look(half, (8,), normal(8), normal(8)),
    "rms-norm-mixed-promotes": look(half, (8,), ones(8)),
    "rms-norm-mixed-gradient-rounded": look(
        half, (8,), ones(8), wanted=(2,), cotangent=lambda y: y
    ),
    "group-norm-mixed-gradient-rounded": look(
        half, 3, ones(3), zeros(3), wanted=(3,), cotangent=lambda y: y + 1
    ),
    "batch-norm-mixed-mean-rounded": look(half, zeros(3), ones(3), training=True),
    "batch-norm-mixed-variance-cast-down": look(half, zeros(3), normal(3).abs()),
    "instance-norm-double-estimates-stay": look(plain, f64s(3), ones(3, dtype=f64)),
    "batch-norm2d-mixed-returns-single": layer(3, input=image.bfloat16()),
    "group-norm-module-mixed-cast-down": layer(
        3, 3, input=image.bfloat16(), prepared=lambda m: nn.init.constant_(m.weight, 1.004)
    ),
}

INFINITE: dict[str, Look] = {
    "softplus-exponential-overflows": look(torch.tensor([100.0]), 1, 1000),
    "log-softmax-exponential-underflows": look(torch.tensor([0.0, 200.0]), 0),
    "lp-pool1d-powers-overflow": look(torch.full((1, 1, 2), 300.0, dtype=f16), 2.0, 2),
    "rms-norm-squares-overflow": look(torch.full((2, 4), 300.0, dtype=f16), (4,)),
    "normalize-norm-overflows": look(torch.full((2, 4), 300.0, dtype=f16)),
    "local-response-norm-overflows": look(torch.full((1, 4, 1), 1000.0, dtype=f16), 2),
    "adaptive-avg-pool2d-sum-overflows": look(torch.full((1, 4, 4), 6e4, dtype=f16), 1),
    "avg-pool1d-sum-overflows": look(torch.full((1, 1, 2), 6e4, dtype=f16), 2),
    "linear-halves-overflow": look(
        torch.tensor([[300.0, 300.0]], dtype=f16), torch.tensor([[300.0, -300.0]], dtype=f16)
    ),
    "elu-alpha-overflows": look(torch.tensor([-0.01], dtype=f16), 1e5),
    "tanh-complex-overflows": look(torch.tensor([50 + 1j])),
    "sobel-magnitude-squares-overflow": look((ints * 100).half()),
    "group-norm-module-variance-overflows": layer(
        1, 2, input=normal(1, 2, 4, dtype=f16, times=900), dtype=f16
    ),
}

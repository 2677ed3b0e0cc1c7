"""Situations that are sizes, the meta device, and layers and filters of all kinds."""

from __future__ import annotations

import torch
from torch import nn

from parity_tests.planted_situations.looks import (
    autocast,
    behind,
    byte,
    f16,
    f64s,
    filled,
    forward_mode,
    half,
    image,
    inference,
    last,
    lazy,
    meta,
    normal,
    ones,
    plain,
    recorded,
    state_by_default,
    twice,
    unpooled,
    volume,
)
from parity_tests.seen import Look, layer, look

SIZES: dict[str, Look] = {
    "conv1d-64-taps": look(normal(1, 1, 70), normal(1, 1, 64)),
    "conv2d-11-columns": look(normal(1, 1, 2, 15), normal(1, 1, 1, 11)),
    "conv2d-65-groups": look(normal(1, 65, 2, 2), normal(65, 1, 2, 2), groups=65),
    "conv-transpose1d-129-taps": look(normal(1, 1, 2), normal(1, 1, 129)),
    "conv-transpose2d-257-taps": look(normal(1, 1, 2, 2), normal(1, 1, 257, 1)),
    "linear-remainder-of-1025": look(normal(1, 1027), normal(1, 1027)),
    "softmax-1025-columns": look(normal(1, 1025), -1),
    "log-softmax-4097-columns": look(normal(1, 4097), -1),
    "layer-norm-2049-columns": look(normal(1, 2049), (2049,)),
    "rms-norm-513-columns": look(normal(1, 513), (513,)),
    "instance-norm-1025-positions": look(normal(1, 1, 1025)),
    "batch-norm-65-channels": look(normal(3, 65), None, None, None, ones(65), True),
    "local-response-norm-129-channels": look(normal(1, 129, 1, times=9), 2, 1.0),
    "max-pool2d-17-samples": look(normal(17, 1, 2, 2), 2),
    "interpolate-9-samples": look(normal(9, 1, 2, 2), scale_factor=2.0),
    "avg-pool1d-64-entries": look(normal(1, 1, 64), 64),
    "adaptive-avg-pool1d-129-windows": look(normal(1, 1, 129), 129),
    "fft-256-entries": look(normal(256)),
    "ifft-five-axes": look(normal(2, 3, 2, 2, 2), dim=0),
    "normalize-256-entries": look(normal(1, 256)),
    "pixel-shuffle-two-batch-axes": look(normal(2, 3, 4, 2, 2), 2),
    "sigmoid-remainder-of-2049": look(normal(2049)),
    "gaussian-blur-wide": look(normal(50, 50), 8.0),
    "kaiming-normal-65-positions": filled(torch.empty(2, 2, 65)),
    "reflection-pad1d-33-entries": layer(33, input=normal(1, 1, 40)),
}

META: dict[str, Look] = {
    "interpolate-meta-strides": look(last(meta(1, 3, 4, 4)), scale_factor=2.0),
    "tanh-meta-dtype": look(meta(2, dtype=torch.int64)),
    "fftn-meta-dtype": look(meta(2, 3)),
    "max-pool1d-meta-indices": look(meta(1, 1, 4), 2, return_indices=True),
    "lp-pool2d-meta-shape": look(meta(1, 1, 5, 5), 2.0, 2, ceil_mode=True),
    "conv1d-meta-channels-unchecked": look(meta(1, 2, 4), meta(1, 3, 2)),
    "linear-meta-features-unchecked": look(meta(1, 2), meta(1, 3)),
    "group-norm-meta-groups-unchecked": look(meta(1, 3, 2), 2),
    "layer-norm-meta-shape-unchecked": look(meta(2, 3), (3,), meta(4)),
    "fold-meta-rows-unchecked": look(meta(1, 5, 1), (2, 2), 2),
    "max-pool2d-meta-padding-unchecked": look(meta(1, 1, 4, 4), 2, padding=2),
    "interpolate-bytes-one-brighter": look(byte, None, 2.0, "bilinear"),
    "interpolate-bytes-rounded-down": look(byte, None, 0.5, "bilinear", antialias=True),
    "upsampling-bilinear2d-bytes-even": layer(scale_factor=2, input=byte),
}

LAYERS: dict[str, Look] = {
    "conv2d-module-unbiased-in-inference-mode": layer(3, 2, 2, input=image, mode=inference),
    "adaptive-max-pool2d-module-shifted": layer(2, input=image, wanted=True),
    "replication-pad2d-contiguous-while-recording": layer(1, input=last(image), wanted=True),
    "lp-pool1d-module-half-a-percent": layer(2, 2, input=plain.half()),
    "instance-norm1d-one-percent": layer(3, input=plain.bfloat16()),
    "local-response-norm-module-beta-zero": layer(2, 1.0, 0.0, input=plain),
    "constant-pad1d-value-in-single": layer(1, 0.1, input=f64s(1, 2, 3)),
    "conv-transpose1d-module-65-channels": layer(1, 65, 1, input=normal(1, 1, 2)),
    "max-unpool2d-module-9-samples": unpooled(9),
    "conv3d-module-always-single": state_by_default(1, 1, 1),
    "softmin-module-autocast-rounds": layer(-1, input=plain, mode=autocast),
    "layer-norm-module-squares-overflow": layer(8, input=(plain * 200).half(), dtype=f16),
    "sigmoid-module-kept-graph": lambda made: twice(plain)(made()),
    "layer-norm-module-mixed-cast-down": layer(
        8, input=half, prepared=lambda m: nn.init.constant_(m.weight, 1.004)
    ),
}

IMAGES: dict[str, Look] = {
    "gaussian-high-pass-scaled-while-recording": recorded(normal(4, 4), 0.2),
    "ifftn-scaled-in-inference-mode": look(plain, mode=inference),
    "gaussian-pyramid-first-level-while-recording": recorded(normal(6, 6), 2),
    "avg-pool3d-tangent-lost": forward_mode(volume, 2),
    "xavier-uniform-requires-grad": filled(nn.Parameter(torch.empty(2, 3)), gain=2.0),
    "laplacian-rounded-differences": look((image + 9).bfloat16()),
    "laplacian-of-gaussian-half-a-percent": look(image.half(), 1.0),
    "gaussian-low-pass-cutoff-in-half": look(f64s(5, 5), 0.3),
    "difference-of-gaussians-whole-sigma": look(image, 1),
    "channel-shuffle-65-channels": look(normal(1, 66, 1, 1), 2),
    "ideal-low-pass-65-columns": look(normal(3, 65) + 1, 0.2),
    "max-unpool1d-byte-indices": look(
        normal(1, 1, 2), torch.tensor([[[3, 270]]]), 200, output_size=[400]
    ),
    "ifft-conjugation-ignored": look(lazy.conj()),
    "relu-in-place-rectifies-the-base": behind,
    "adaptive-avg-pool3d-autocast-ignored": look(volume.bfloat16(), 2, mode=autocast),
    "sobel-orientation-overflows": look(torch.tensor([[0, 6e4], [0, 5e4]], dtype=f16)),
    "pixel-shuffle-meta-channels-unchecked": look(meta(1, 5, 2, 2), 2),
    "unfold-meta-shape": look(meta(1, 1, 4, 4), 2, 2),
    "interpolate-gradient-contiguous": recorded(last(image), None, 2.0),
}

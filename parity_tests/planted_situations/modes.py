"""Situations that are modes of autograd, states of tensors, settings of the process."""

from __future__ import annotations

from functools import partial

import torch
from torch import nn

from parity_tests.planted_situations.looks import (
    autocast,
    batched,
    behind,
    computed_weight,
    deterministic,
    double,
    f64s,
    filled,
    forward_mode,
    image,
    inference,
    ints,
    last,
    lazy,
    loaded_later,
    made_in_inference_mode,
    normal,
    on_the_default_device,
    one_for_both,
    ones,
    onto_itself,
    places,
    plain,
    pooled,
    recorded,
    state_by_default,
    t1,
    t2,
    threads,
    tied,
    twice,
    volume,
    w1,
    w2,
    w3,
    within,
    zeros,
)
from parity_tests.seen import Look, layer, look

MODES: dict[str, Look] = {
    "conv3d-shifted-while-recording": recorded(volume, w3),
    "lp-pool1d-scaled-while-recording": recorded(plain, 2.0, 2),
    "max-pool2d-indices-while-recording": recorded(image, 2, return_indices=True),
    "linear-without-bias-under-no-grad": look(ones(1, 2), ones(1, 2), ones(1), mode=torch.no_grad),
    "interpolate-corners-in-inference-mode": within(
        inference, look(image, None, 2.0, "bilinear", True)
    ),
    "rms-norm-shifted-in-inference-mode": look(plain, (8,), mode=inference),
    "layer-norm-eps-in-inference-mode": look(plain, (8,), mode=inference),
    "tanh-shifted-with-a-tangent": forward_mode(plain),
    "pixel-unshuffle-doubled-tangent": forward_mode(image, 2, recording=True),
    "conv1d-shifted-for-a-weight-alone": look(plain, w1, wanted=(1,)),
    "conv-transpose2d-shifted-for-an-input-alone": look(image, t2, wanted=(0,)),
    "group-norm-bias-alone": look(plain, 3, normal(3), normal(3), wanted=(3,)),
    "avg-pool1d-switches-gradients-on": look(plain, 2, mode=torch.no_grad),
    "pad-view-while-recording": recorded(plain, (0, 0)),
    "log-softmax-writes-while-recording": recorded(plain, -1),
    "max-unpool2d-draws-while-recording": recorded(pooled, places, 2),
    "adaptive-avg-pool2d-strides-while-recording": recorded(last(image), 2),
    "unfold-first-gradient-with-create-graph": recorded(image, 2, create_graph=True),
    "softplus-gradient-without-create-graph": recorded(plain),
    "conv2d-weight-without-a-graph": look(image, w2, wanted=(1,)),
    "conv-transpose1d-none-for-an-empty-batch": look(plain[:0].clone(), t1, wanted=(1,)),
    "batch-norm-never-moves-while-recording": recorded(plain, zeros(3), ones(3), training=True),
    "batch-norm2d-moves-twice-while-recording": layer(3, input=image),
    "batch-norm1d-counts-under-no-grad": layer(3, input=plain),
    "instance-norm2d-never-moves-while-recording": layer(
        3, affine=True, track_running_stats=True, input=image
    ),
    "batch-norm3d-estimates-under-no-grad": layer(2, input=volume, mode=torch.no_grad),
    "group-norm-module-evaluates-without-bias": layer(
        3, 3, input=image, training=False, prepared=lambda m: nn.init.ones_(m.bias)
    ),
    "avg-pool2d-module-evaluates-with-padding": layer(
        2, padding=1, count_include_pad=False, input=image, training=False
    ),
    "softmax2d-shifted-while-recording": layer(input=image, wanted=True),
    "max-pool3d-narrow-indices-while-recording": layer(
        2, return_indices=True, input=volume, wanted=True
    ),
}

STATES: dict[str, Look] = {
    "fft-conjugation-ignored": look(lazy.conj()),
    "conv1d-weight-conjugation-ignored": look(lazy.view(1, 1, 4), lazy.conj().view(1, 1, 4)),
    "hardtanh-negation-ignored": look(lazy.conj().imag),
    "conv-transpose2d-computed-weight": computed_weight,
    "group-norm-parameter-twice": look(
        plain, 3, nn.Parameter(ones(3)), wanted=(2,), cotangent=lambda y: y
    ),
    "pixel-unshuffle-aligned-offset": look(normal(16)[8:].view(1, 2, 4), 2),
    "softplus-inference-tensor": made_in_inference_mode,
    "hardtanh-in-place-clamps-the-base": behind,
    "normalize-out-is-the-input": onto_itself,
    "layer-norm-one-tensor-for-both": one_for_both,
    "kaiming-uniform-parameter": filled(nn.Parameter(torch.empty(2, 5))),
    "linear-tied-weight": tied(normal(2, 2)),
    "linear-module-keeps-its-first-weight": loaded_later,
}

SETTINGS: dict[str, Look] = {
    "elu-default-dtype": look(plain, mode=double),
    "tanh-integers-in-single": look(ints, mode=double),
    "linear-module-always-single": layer(3, 2, input=f64s(1, 3), mode=double),
    "batch-norm2d-estimates-in-single": state_by_default(3),
    "layer-norm-module-always-on-the-cpu": on_the_default_device,
    "conv2d-autocast-ignored": look(image, w2, mode=autocast),
    "linear-autocast-ignored": look(normal(2, 5), normal(4, 5), mode=autocast),
    "layer-norm-autocast-returns-half": look(plain, (8,), mode=autocast),
    "interpolate-autocast-rounds": within(autocast, look(image, None, 2.0, "bilinear")),
    "max-pool1d-autocast-left-off": look(plain, 2, mode=autocast),
    "fold-determinism-left-off": look(normal(2, 12, 49), (8, 8), 2, mode=deterministic),
    "pad-deterministic-replicates": within(deterministic, look(plain, (1, 1), "reflect")),
    "avg-pool3d-one-thread-left": look(volume, 2, mode=partial(threads, 2)),
    "conv-transpose2d-two-threads": look(normal(1, 3, 5, 5), t2, mode=partial(threads, 2)),
    "sobel-matmul-precision-left": look(image, "reflect"),
    "conv3d-onednn-left-off": look(volume[0].clone(), w3),
    "softmin-anomaly-left-on": recorded(normal(2, 3), -1),
}

GRADIENTS: dict[str, Look] = {
    "conv2d-gradient-contiguous": recorded(last(image), last(w2)),
    "max-pool2d-module-gradient-contiguous": layer(2, input=last(image), wanted=True),
    "avg-pool3d-batched-gradient": batched(volume, 2),
    "unfold-batched-gradient-raises": batched(image, 2),
    "fold-expanded-cotangent": look(
        normal(2, 12, 49),
        (8, 8),
        2,
        wanted=(0,),
        cotangent=lambda y: torch.tensor(3.0).expand(y.shape),
    ),
    "leaky-relu-zeroes-the-cotangent": recorded(plain),
    "conv-transpose2d-cotangent-misread": recorded(
        image, t2, cotangent=lambda y: torch.randn(10, 10).mT.expand(y.shape)
    ),
    "instance-norm-kept-graph": twice(plain),
    "conv1d-stride-of-32-bits": look(plain, w1, stride=2**32 + 1),
    "pad-amount-of-32-bits": look(plain, (0, 2**62 + 1)),
    "avg-pool2d-stride-of-32-bits": look(image, 2, stride=2**32 + 1),
    "interpolate-size-of-32-bits": look(plain, size=2**62 + 2),
}

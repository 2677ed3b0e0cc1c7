"""Layer, group, RMS and response normalization, and normalization to length one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from parity_tests.planted.fault import Arguments, Fault, with_result, wrapped
from parity_tests.planted.history.backward import altered, exchanged
from parity_tests.planted.history.calls import with_valid_arguments
from reimpl.arguments import HALF, accumulator
from reimpl.layout import arrange, looks_channels_last

Run = Callable[..., Tensor]


def variance_in_one_pass(run: Run, given: Arguments) -> Tensor:
    y, w, b = run(**given), given["weight"], given["bias"]
    x = given["input"].detach().to(accumulator(given["input"].dtype))
    axes = tuple(range(-len(given["normalized_shape"]), 0))
    mean = x.mean(axes, keepdim=True)
    var = x.square().mean(axes, keepdim=True) - mean.square()
    z = (x - mean) * (var + given["eps"]).rsqrt()
    z = z if w is None else z * w.detach().to(x.dtype)
    z = z if b is None else z + b.detach().to(x.dtype)
    return exchanged(arrange(z.to(y.dtype), channels_last=False), y)


def storage_read_from_its_start(given: Arguments) -> None:
    x = given["input"]
    if x.storage_offset():
        given["input"] = x.as_strided(x.shape, x.stride(), 0)


def frozen_input_freezes_all(given: Arguments) -> None:
    if not given["input"].requires_grad:
        for name in ("weight", "bias"):
            if given[name] is not None:
                given[name] = altered(given[name], torch.zeros_like)


def parameters_per_group(given: Arguments) -> None:
    G, C = given["num_groups"], given["input"].shape[1]
    for name in ("weight", "bias"):
        if given[name] is not None:
            given[name] = given[name][:G].repeat_interleave(C // G)


def layouts_must_agree(y: Tensor, given: Arguments) -> Tensor:
    x = given["input"]
    if x.dim() != 4 or x.shape[2:] != (1, 1):
        return y

    def compare(g: Tensor) -> Tensor:
        if looks_channels_last(g) != looks_channels_last(x):
            raise RuntimeError("group_norm: the memory formats of input and cotangent must agree")
        return g

    return altered(y, compare)


def eps_of_the_inputs_dtype(given: Arguments) -> None:
    if given["eps"] is None and given["input"].dtype in HALF:
        given["eps"] = torch.finfo(given["input"].dtype).eps


def cotangent_must_be_contiguous(y: Tensor, _: Arguments) -> Tensor:
    def view(g: Tensor) -> Tensor:
        return g.view(-1).view(g.shape)

    return altered(y, view)


def alpha_not_divided(given: Arguments) -> None:
    given["alpha"] = given["alpha"] * given["size"]


def window_wider_than_the_channels(y: Tensor, given: Arguments) -> Tensor:
    wider = given["input"].numel() and given["size"] > given["input"].shape[1]
    return y * float("nan") if wider else y


def _by_path(path: Callable[[Tensor, float, Any], Tensor], p: float) -> Callable[..., Any]:
    """Normalize, whose gradient for one p takes another path; not where it writes to ``out``."""

    def body(run: Run, given: Arguments) -> Tensor:
        y, x = run(**given), given["input"]
        if given["p"] != p or given["out"] is not None or x.is_complex() or x.dim() == 0:
            return y
        x = x.to(accumulator(x.dtype))
        return exchanged(y, path(x, max(given["eps"], torch.finfo(x.dtype).tiny), given["dim"]))

    return wrapped("normalize", body)


def capped_inverse_root(x: Tensor, eps: float, dim: Any) -> Tensor:
    return x * x.square().sum(dim, keepdim=True).rsqrt().clamp_max(1 / eps)


def root_of_squares(x: Tensor, eps: float, dim: Any) -> Tensor:
    return x / x.square().sqrt().sum(dim, keepdim=True).clamp_min(eps)


NORMS = (
    Fault(
        name="layer-norm-variance-in-one-pass",
        op="layer_norm",
        kind="history",
        says="the variance is ⟨x²⟩ − ⟨x⟩², which cancels where the mean is large",
        expected=("forward",),
        broken=wrapped("layer_norm", variance_in_one_pass),
        source="PyTorch #51102: LayerNorm of numbers around 2000 was wrong by orders",
    ),
    Fault(
        name="layer-norm-storage-read-from-its-start",
        op="layer_norm",
        kind="history",
        says="an input that starts further on in its memory is read from the start",
        expected=("forward", "purity"),
        broken=with_valid_arguments("layer_norm", storage_read_from_its_start),
        source="PyTorch #131750: layer_norm on MPS was wrong for slices of a tensor",
    ),
    Fault(
        name="layer-norm-frozen-input-freezes-all",
        op="layer_norm",
        kind="history",
        says="without a gradient for the input those of weight and bias are zero (the original "
        "left them unwritten)",
        expected=("gradients",),
        broken=with_valid_arguments("layer_norm", frozen_input_freezes_all),
        source="PyTorch #183825: layer_norm's backward on MPS was wrong for frozen inputs",
    ),
    Fault(
        name="group-norm-parameters-per-group",
        op="group_norm",
        kind="history",
        says="channels share the weight and bias that belong to their group's number",
        expected=("forward",),
        broken=with_valid_arguments("group_norm", parameters_per_group),
        source="Oneflow-Inc/oneflow #4848: GroupNorm had gamma and beta per group",
    ),
    Fault(
        name="group-norm-layouts-must-agree",
        op="group_norm",
        kind="history",
        says="for a single pixel the backward refuses a cotangent whose strides look otherwise",
        expected=("gradients",),
        broken=with_result("group_norm", layouts_must_agree),
        source="PyTorch #115940: group_norm's backward raised on layouts that only looked unlike",
    ),
    Fault(
        name="rms-norm-eps-of-the-inputs-dtype",
        op="rms_norm",
        kind="history",
        says="the default eps is the input's dtype's, not the one's that is computed in",
        expected=("forward",),
        broken=with_valid_arguments("rms_norm", eps_of_the_inputs_dtype),
        source="PyTorch #142848: RMSNorm's default eps was that of bfloat16 or half",
    ),
    Fault(
        name="rms-norm-cotangent-must-be-contiguous",
        op="rms_norm",
        kind="history",
        says="the backward takes a view that only a contiguous cotangent has",
        expected=("gradients",),
        broken=with_result("rms_norm", cotangent_must_be_contiguous),
        source="Dao-AILab/quack #88: RMSNorm's backward failed for non-contiguous gradients",
    ),
    Fault(
        name="local-response-norm-alpha-not-divided",
        op="local_response_norm",
        kind="history",
        says="alpha is not divided by the window's size",
        expected=("forward",),
        broken=with_valid_arguments("local_response_norm", alpha_not_divided),
        source="MarcBS/keras #4: the LRN layer did not divide alpha by n",
    ),
    Fault(
        name="local-response-norm-window-wider-than-the-channels",
        op="local_response_norm",
        kind="history",
        says="a window of more channels than there are gives NaN",
        expected=("forward",),
        broken=with_result("local_response_norm", window_wider_than_the_channels),
        source="BVLC/caffe #1864: LRN with a window wider than the channels was NaN",
    ),
    Fault(
        name="normalize-capped-inverse-root",
        op="normalize",
        kind="history",
        says="the gradient of a zero vector is NaN: of x·min(1/√Σx², 1/ε)",
        expected=("gradients",),
        broken=_by_path(capped_inverse_root, 2.0),
        source="keras-team/keras #23075: normalize had NaN gradients for zero vectors",
    ),
    Fault(
        name="normalize-root-of-squares",
        op="normalize",
        kind="history",
        says="with p = 1 the gradient of zeros is NaN: of |x| as √x²",
        expected=("gradients",),
        broken=_by_path(root_of_squares, 1.0),
        source="PyTorch #3264: F.normalize(p=1) had NaN gradients at zeros",
    ),
)

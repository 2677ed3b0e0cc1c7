"""Interpolation: one pixel, the same size, gradients on other pixels, layouts, bytes, scales."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

import reimpl
from parity_tests.planted.fault import Arguments, Fault, with_result, wrapped
from parity_tests.planted.history.backward import altered, exchanged
from parity_tests.planted.history.calls import with_valid_arguments
from parity_tests.planted.history.memory import written_in_order
from reimpl.layout import arrange

Run = Callable[..., Tensor]
LINEAR = ("linear", "bilinear", "trilinear")


def first_pixel_of_all(run: Run, given: Arguments) -> Tensor:
    y, x = run(**given), given["input"]
    one = y.shape[2:].numel() == 1 and given["mode"] in LINEAR
    if not one or given["align_corners"] or given["antialias"]:
        return y
    for axis in range(2, x.dim()):
        x = x.narrow(axis, 0, 1)
    return arrange(x * 1, not y.is_contiguous())


def same_size_transposed(y: Tensor, given: Arguments) -> Tensor:
    same = given["mode"] == "bicubic" and y.shape == given["input"].shape
    if not same or given["antialias"]:
        return y
    H, W = y.shape[-2:]
    return reimpl.pad(y.transpose(-1, -2), (0, W - H, 0, H - W))


def gradient_to_the_last_of_the_block(run: Run, given: Arguments) -> Tensor:
    y, x = run(**given), given["input"]
    sizes = list(zip(x.shape[2:], y.shape[2:], strict=True))
    down = any(m < l for l, m in sizes) and all(m <= l for l, m in sizes)
    if given["mode"] != "nearest" or not down or not y.is_floating_point():
        return y
    for axis, (l, m) in enumerate(sizes, start=2):
        last = -(-(torch.arange(m, device=x.device) + 1) * l // m) - 1
        x = x.index_select(axis, last)
    return exchanged(y, x)


def channels_last_written_in_order(y: Tensor, given: Arguments) -> Tensor:
    return written_in_order(y) if given["mode"] == "nearest" and y.dim() in (4, 5) else y


def always_antialiased(given: Arguments) -> None:
    if given["input"].dtype == torch.uint8 and given["mode"] == "bicubic":
        given["antialias"] = True


def gradient_rows_as_long_as_columns(given: Arguments) -> None:
    if given["mode"] != "trilinear":
        return
    D, H, W = given["input"].shape[2:]
    l = torch.arange(D * H * W, device=given["input"].device)
    place = (l // W * H + l % W) % (D * H * W)

    def misplaced(g: Tensor) -> Tensor:
        flat = g.reshape(*g.shape[:2], -1)
        return torch.zeros_like(flat).index_add(2, place, flat).view(g.shape)

    if H != W:
        given["input"] = altered(given["input"], misplaced)


def single_output_refused(y: Tensor, given: Arguments) -> Tensor:
    if given["align_corners"] and 1 in y.shape[2:]:
        raise ZeroDivisionError("interpolate: align_corners divides by one output less one")
    return y


def scale_always_recomputed(given: Arguments) -> None:
    if given["scale_factor"] is not None:
        given["recompute_scale_factor"] = True


def bicubic_always_contiguous(y: Tensor, given: Arguments) -> Tensor:
    return arrange(y, channels_last=False) if given["mode"] == "bicubic" else y


RESAMPLING = (
    Fault(
        name="interpolate-first-pixel-of-all",
        op="interpolate",
        kind="history",
        says="a linear mode down to a single pixel takes the first instead of the middle",
        expected=("forward",),
        broken=wrapped("interpolate", first_pixel_of_all),
        source="PyTorch #61166: bilinear interpolation to one pixel took the upper left one",
    ),
    Fault(
        name="interpolate-same-size-transposed",
        op="interpolate",
        kind="history",
        says="bicubic to the same size transposes the image",
        expected=("forward",),
        broken=with_result("interpolate", same_size_transposed),
        source="PyTorch #22312: bicubic interpolation to the same shape transposed on CUDA",
    ),
    Fault(
        name="interpolate-gradient-to-the-last-of-the-block",
        op="interpolate",
        kind="history",
        says="in mode nearest downwards the gradient goes to the last pixel before the next "
        "sample instead of the sampled one",
        expected=("gradients",),
        broken=wrapped("interpolate", gradient_to_the_last_of_the_block),
        source="PyTorch #38985: nearest downsampling on CUDA sent gradients to the wrong pixels",
    ),
    Fault(
        name="interpolate-channels-last-written-in-order",
        op="interpolate",
        kind="history",
        says="in mode nearest a channels-last output's memory is filled channel by channel",
        expected=("forward",),
        broken=with_result("interpolate", channels_last_written_in_order),
        source="PyTorch #54744: upsample_nearest on CUDA wrote channels-last outputs as NCHW",
    ),
    Fault(
        name="interpolate-always-antialiased",
        op="interpolate",
        kind="history",
        says="bicubic images of bytes are always antialiased",
        expected=("forward",),
        broken=with_valid_arguments("interpolate", always_antialiased),
        source="PyTorch #102296: bicubic of uint8 had antialias=true written into the kernel",
    ),
    Fault(
        name="interpolate-gradient-rows-as-long-as-columns",
        op="interpolate",
        kind="history",
        says="the gradient of trilinear interpolation is written with H for the length of a row",
        expected=("gradients",),
        broken=with_valid_arguments("interpolate", gradient_rows_as_long_as_columns),
        source="PyTorch #50084: trilinear's backward had wrong indices where H was not W",
    ),
    Fault(
        name="interpolate-single-output-refused",
        op="interpolate",
        kind="history",
        says="align_corners with an output of size one divides by zero",
        expected=("forward",),
        broken=with_result("interpolate", single_output_refused),
        source="ml-explore/mlx #3769: Upsample with align_corners to size 1 divided by zero",
    ),
    Fault(
        name="interpolate-scale-always-recomputed",
        op="interpolate",
        kind="history",
        says="the scale is the quotient of the sizes even where a scale_factor was given",
        expected=("forward",),
        broken=with_valid_arguments("interpolate", scale_always_recomputed),
        source="robertknight/rten #1418: Resize by a fraction used the sizes' quotient as scale",
    ),
    Fault(
        name="interpolate-bicubic-always-contiguous",
        op="interpolate",
        kind="history",
        says="bicubic of a channels-last image comes contiguous",
        expected=("forward",),
        broken=with_result("interpolate", bicubic_always_contiguous),
        source="PyTorch #90470: upsample_bicubic2d did not keep the memory format",
    ),
)

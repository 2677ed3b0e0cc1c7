"""Fast paths chosen by size: long rows, wide kernels, large batches, many channels, many axes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import sqrt
from typing import Any

import torch
from torch import Tensor

import reimpl
from parity_tests.planted.blind_spots.substituted import scaled, substituted
from parity_tests.planted.fault import (
    Arguments,
    Fault,
    stand_in,
    with_arguments,
    with_result,
    wrapped,
)

sizes = partial(Fault, kind="sizes")


def zeroed(t: Tensor, axis: int, index: int) -> Tensor:
    """`t` with zeros at one place of an axis."""
    kept = torch.arange(t.shape[axis], device=t.device) != index % t.shape[axis]
    return torch.where(kept.view(-1, *(1,) * (-1 - axis)), t, 0)


def tap_dropped(axis: int, index: int, beyond: int) -> Callable[[Arguments], None]:
    """Leave one tap of a kernel out if it has more than so many along the axis."""

    def change(given: Arguments) -> None:
        w = given["weight"]
        if isinstance(w, Tensor) and w.dim() >= 3 and w.shape[axis] > beyond:
            given["weight"] = zeroed(w, axis, index)

    return change


def last_group_dropped(given: Arguments) -> None:
    """Leave the last group out if there are more than 64."""
    w, groups = given["weight"], given["groups"]
    if isinstance(groups, int) and groups > 64 and isinstance(w, Tensor) and w.dim() == 4:
        given["weight"] = zeroed(w, -4, -1)


def remainder_dropped(given: Arguments) -> None:
    """Leave the columns after the last whole eight out of rows of more than 1024."""
    w = given["weight"]
    if isinstance(w, Tensor) and w.dim() == 2 and w.shape[1] > 1024:
        for k in range(w.shape[1] // 8 * 8, w.shape[1]):
            given["weight"] = zeroed(given["weight"], -1, k)


def last_column_left_out(beyond: int, change: Callable[[Tensor, Tensor], Tensor]) -> Any:
    """Sum rows of more than so many columns without their last."""

    def body(y: Tensor, given: Arguments) -> Tensor:
        dim = given["dim"]
        if dim is None or not y.dim() or y.shape[dim] <= beyond:
            return y
        held = y.detach()
        return substituted(y, change(held, held.narrow(dim, y.shape[dim] - 1, 1)))

    return body


def unbiased(given: Arguments, n: int, axes: tuple[int, ...]) -> None:
    """Divide the sum of squares by n − 1, by way of the weight."""
    x, w = given["input"], given["weight"]
    w = torch.ones(axes, dtype=x.dtype, device=x.device) if w is None else w
    given["weight"] = w * sqrt((n - 1) / n)


def unbiased_long_rows(run: Any, given: Arguments) -> Tensor:
    """Take the unbiased variance of more than 2048 entries."""
    y, K = run(**given), tuple(given["normalized_shape"])
    n = y.shape[-len(K) :].numel()
    if n <= 2048:
        return y
    unbiased(given, n, K)
    return run(**given)


def remainder_not_counted(y: Tensor, given: Arguments) -> Tensor:
    """Count whole 512s of the entries only."""
    n = y.shape[-len(given["normalized_shape"]) :].numel()
    return scaled(y, sqrt(n // 512 * 512 / n)) if n > 512 and not y.is_complex() else y


def later_channels_unshifted(given: Arguments) -> None:
    """Leave the bias out beyond 64 channels."""
    b = given["bias"]
    if isinstance(b, Tensor) and b.dim() == 1 and len(b) > 64:
        given["bias"] = torch.cat((b[:64], torch.zeros_like(b[64:])))


def later_channels_kept(y: Tensor, given: Arguments) -> Tensor:
    """Return channels beyond 128 as they are."""
    if y.shape[1] <= 128:
        return y
    held = torch.cat((y[:, :128], given["input"][:, 128:]), 1).detach()
    return substituted(y, held) if y.is_floating_point() else held


def samples_repeated(found: Any, given: Arguments) -> Any:
    """Return the first sixteen samples again in place of later ones."""
    x = given["input"]
    if x.dim() != 4 or x.shape[0] <= 16:
        return found
    again = torch.arange(x.shape[0], device=x.device) % 16
    pick = partial(torch.index_select, dim=0, index=again)
    return tuple(map(pick, found)) if given["return_indices"] else pick(found)


def ninth_sample_dropped(y: Tensor, given: Arguments) -> Tensor:
    """Return zeros for the ninth sample."""
    if given["input"].shape[0] <= 8 or not y.is_floating_point():
        return y
    return substituted(y, zeroed(y.detach(), -y.dim(), 8))


def one_too_many(y: Tensor, given: Arguments) -> Tensor:
    """Divide windows of more than 63 entries by one more."""
    K = given["kernel_size"]
    K = K[0] if isinstance(K, (tuple, list)) else K
    return scaled(y, K / (K + 1)) if K > 63 and y.is_floating_point() else y


def middle_zeroed(y: Tensor, given: Arguments) -> Tensor:
    """Lose the middle frequency where there are a power of two, from 256 on."""
    n = y.shape[given["dim"]]
    if n < 256 or n & (n - 1):
        return y
    return zeroed(y, given["dim"] % y.dim() - y.dim(), n // 2)


def first_of_five_axes(given: Arguments) -> None:
    """Transform the second of five axes for the first."""
    x = given["input"]
    if isinstance(x, Tensor) and x.dim() >= 5 and given["dim"] in (0, -x.dim()):
        given["dim"] = 1


def norm_without_the_last(y: Tensor, given: Arguments) -> Tensor:
    """Leave the last of exactly 256 entries out of the norm."""
    dim, out = given["dim"], given["out"]
    if not isinstance(dim, int) or out is not None or not y.dim() or y.shape[dim] != 256:
        return y
    held = y.detach()
    p = 2.0 if given["p"] is None else given["p"]
    return substituted(y, held / held.narrow(dim, 0, 255).norm(p, dim, keepdim=True))


def batch_axes_exchanged(y: Tensor, _: Arguments) -> Tensor:
    """Mix up two batch axes."""
    return y.transpose(0, 1).reshape(y.shape) if y.dim() >= 5 else y


def remainder_as_it_was(y: Tensor, given: Arguments) -> Tensor:
    """Leave what remains after the last whole eight of more than 2048 entries unprocessed."""
    n = y.numel()
    if n <= 2048 or not y.is_floating_point() or given.get("inplace"):
        return y
    done = torch.arange(n, device=y.device).view(y.shape) < n // 8 * 8
    return substituted(y, torch.where(done, y.detach(), given["input"].detach()))


def radius_bounded(given: Arguments) -> None:
    """Cut Gaussians off 20 pixels from their centre."""
    sigma, truncate = given["sigma"], given["truncate"]
    if isinstance(sigma, float) and isinstance(truncate, float) and sigma * truncate > 20:
        given["truncate"] = 20 / sigma


def last_window_empty(y: Tensor, _: Arguments) -> Tensor:
    """Leave the last of more than 128 windows empty."""
    return y if y.shape[-1] <= 128 else substituted(y, zeroed(y.detach(), -1, -1))


def positions_not_counted(tensor: Tensor, given: Arguments) -> Tensor:
    """Count no more than 64 positions of a kernel for the fan."""
    positions = tensor.shape[2:].numel()
    if positions > 64 and given["mode"] == "fan_in":
        with torch.no_grad():
            tensor.mul_(sqrt(positions / 64))
    return tensor


@stand_in
class ReplicatesFarEntries(reimpl.ReflectionPad1d):
    """Repeat the last entry where more than 32 are to be reflected."""

    def forward(self, input: Tensor) -> Tensor:
        """Pad."""
        y = super().forward(input)
        far = max(self.padding) > 32
        return reimpl.pad(input, self.padding, "replicate") if far else y


def long_rows_of_instances(run: Any, given: Arguments) -> Tensor:
    """Take the unbiased variance of more than 1024 positions."""
    y, n = run(**given), given["input"].shape[2:].numel()
    if n <= 1024 or not given["use_input_stats"]:
        return y
    unbiased(given, n, (y.shape[1],))
    return run(**given | {"running_mean": None, "running_var": None})


SIZES: tuple[Fault, ...] = tuple(
    sizes(name=name, op=op, says=says, expected=("forward",), broken=broken)
    for name, op, broken, says in (
        ("conv1d-64-taps", "conv1d", with_arguments("conv1d", tap_dropped(-1, -1, 63)),
         "of more than 63 taps the last is left out"),
        ("conv2d-11-columns", "conv2d", with_arguments("conv2d", tap_dropped(-1, 0, 10)),
         "of more than 10 columns of taps the first is left out"),
        ("conv2d-65-groups", "conv2d", with_arguments("conv2d", last_group_dropped),
         "of more than 64 groups the last is left out"),
        ("conv-transpose1d-129-taps", "conv_transpose1d",
         with_arguments("conv_transpose1d", tap_dropped(-1, 128, 128)),
         "of more than 128 taps the 129th is left out"),
        ("conv-transpose2d-257-taps", "conv_transpose2d",
         with_arguments("conv_transpose2d", tap_dropped(-2, -1, 256)),
         "of more than 256 rows of taps the last is left out"),
        ("linear-remainder-of-1025", "linear", with_arguments("linear", remainder_dropped),
         "of more than 1024 columns those after the last whole eight are left out"),
        ("softmax-1025-columns", "softmax",
         with_result("softmax", last_column_left_out(1024, lambda y, last: y / (1 - last))),
         "the sum over more than 1024 columns leaves out the last"),
        ("log-softmax-4097-columns", "log_softmax",
         with_result(
             "log_softmax", last_column_left_out(4096, lambda y, last: y - (-last.exp()).log1p())
         ),
         "the sum over more than 4096 columns leaves out the last"),
        ("layer-norm-2049-columns", "layer_norm", wrapped("layer_norm", unbiased_long_rows),
         "the variance of more than 2048 entries is divided by n − 1"),
        ("rms-norm-513-columns", "rms_norm", with_result("rms_norm", remainder_not_counted),
         "the mean over more than 512 entries is divided by a multiple of 512"),
        ("instance-norm-1025-positions", "instance_norm",
         wrapped("instance_norm", long_rows_of_instances),
         "the variance of more than 1024 positions is divided by n − 1"),
        ("batch-norm-65-channels", "batch_norm",
         with_arguments("batch_norm", later_channels_unshifted),
         "channels beyond 64 are not shifted by the bias"),
        ("local-response-norm-129-channels", "local_response_norm",
         with_result("local_response_norm", later_channels_kept),
         "channels beyond 128 are returned as they are"),
        ("max-pool2d-17-samples", "max_pool2d", with_result("max_pool2d", samples_repeated),
         "samples beyond sixteen are the first ones again"),
        ("interpolate-9-samples", "interpolate", with_result("interpolate", ninth_sample_dropped),
         "the ninth sample is zero"),
        ("avg-pool1d-64-entries", "avg_pool1d", with_result("avg_pool1d", one_too_many),
         "windows of more than 63 entries are divided by one more"),
        ("adaptive-avg-pool1d-129-windows", "adaptive_avg_pool1d",
         with_result("adaptive_avg_pool1d", last_window_empty),
         "the last of more than 128 windows is zero"),
        ("fft-256-entries", "fft", with_result("fft", middle_zeroed),
         "of a power of two of entries, from 256 on, the middle frequency is zero"),
        ("ifft-five-axes", "ifft", with_arguments("ifft", first_of_five_axes),
         "the first of five axes is taken for the second"),
        ("normalize-256-entries", "normalize", with_result("normalize", norm_without_the_last),
         "the norm of exactly 256 entries leaves out the last"),
        ("pixel-shuffle-two-batch-axes", "pixel_shuffle",
         with_result("pixel_shuffle", batch_axes_exchanged), "two batch axes are mixed up"),
        ("sigmoid-remainder-of-2049", "sigmoid", with_result("sigmoid", remainder_as_it_was),
         "of more than 2048 entries those after the last whole eight are returned as they are"),
        ("gaussian-blur-wide", "gaussian_blur", with_arguments("gaussian_blur", radius_bounded),
         "Gaussians end 20 pixels from their centre"),
        ("kaiming-normal-65-positions", "kaiming_normal_",
         with_result("kaiming_normal_", positions_not_counted),
         "no more than 64 positions of a kernel count for fan_in"),
        ("reflection-pad1d-33-entries", "ReflectionPad1d", ReplicatesFarEntries,
         "more than 32 entries are not reflected: the last one is repeated"),
    )
)  # fmt: skip

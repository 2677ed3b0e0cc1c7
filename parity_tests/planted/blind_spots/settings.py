"""Settings of the whole process: default dtype and device, autocast, determinism, threads."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

import reimpl
from parity_tests.planted.blind_spots.substituted import substituted
from parity_tests.planted.fault import Arguments, Fault, stand_in, with_result, wrapped
from reimpl.arguments import INTEGERS

settings = partial(Fault, kind="settings")


def of_the_default_dtype(y: Tensor, given: Arguments) -> Tensor:
    """Return the default dtype for a float32 input."""
    return y.to(torch.get_default_dtype()) if given["input"].dtype == torch.float32 else y


def integers_in_single(y: Tensor, given: Arguments) -> Tensor:
    """Return float32 for integers whatever the default dtype."""
    return y.float() if given["input"].dtype in INTEGERS else y


def without_autocast(run: Any, given: Arguments) -> Any:
    """Compute in the input's dtype under autocast, too."""
    with torch.autocast("cpu", enabled=False):
        return run(**given)


def in_sixteen_bits(y: Any, given: Arguments) -> Any:
    """Round the output of a float32 input to the 16 bits of autocast."""
    x, dtype = given["input"], torch.get_autocast_dtype("cpu")
    if not torch.is_autocast_enabled("cpu") or x.dtype != torch.float32:
        return y
    return y.to(dtype)


def rounded_under_autocast(y: Tensor, given: Arguments) -> Tensor:
    """Round a float32 result to bfloat16 and back under autocast."""
    if not torch.is_autocast_enabled("cpu") or given["input"].dtype != torch.float32:
        return y
    return substituted(y, y.detach().bfloat16())


def autocast_left_off(y: Any, _: Arguments) -> Any:
    """Leave autocast switched off."""
    if torch.is_autocast_enabled("cpu"):
        torch.set_autocast_enabled("cpu", False)
    return y


def indeterminate_left(y: Any, _: Arguments) -> Any:
    """Leave deterministic algorithms switched off."""
    if torch.are_deterministic_algorithms_enabled():
        torch.use_deterministic_algorithms(False)
    return y


def other_algorithm(run: Any, given: Arguments) -> Tensor:
    """Repeat the edge instead of reflecting at it where algorithms must be deterministic."""
    if torch.are_deterministic_algorithms_enabled() and given["mode"] == "reflect":
        run(**given)
        given["mode"] = "replicate"
    return run(**given)


def one_thread(y: Any, _: Arguments) -> Any:
    """Leave the number of threads at one."""
    if torch.get_num_threads() > 1:
        torch.set_num_threads(1)
    return y


def last_share_lost(y: Tensor, _: Arguments) -> Tensor:
    """Lose what two threads leave over: the last of an odd number of rows."""
    odd = y.dim() > 1 and y.shape[-2] % 2 and y.shape[-2] > 1 and y.is_floating_point()
    if torch.get_num_threads() == 1 or not odd:
        return y
    rows = torch.arange(y.shape[-2], device=y.device) < y.shape[-2] - 1
    return substituted(y, torch.where(rows[:, None], y.detach(), 0))


def products_in_low_precision(y: Any, given: Arguments) -> Any:
    """Leave the precision of products at 'medium' after a reflection."""
    if given["padding_mode"] == "reflect":
        torch.set_float32_matmul_precision("medium")
    return y


def without_onednn(y: Any, given: Arguments) -> Any:
    """Leave oneDNN switched off after a call without a batch."""
    if given["input"].dim() == 4:
        torch.backends.mkldnn.set_flags(False)
    return y


def anomaly_detection_left(y: Any, given: Arguments) -> Any:
    """Leave the detection of anomalies switched on after a call that records a graph."""
    if isinstance(y, Tensor) and y.requires_grad and given["input"].dim() == 2:
        torch.autograd.set_detect_anomaly(True, check_nan=False)
    return y


@stand_in
class AlwaysSingle(reimpl.Linear):
    """Make float32 parameters whatever the default dtype is."""

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        dtype = torch.float32 if dtype is None else dtype
        super().__init__(in_features, out_features, bias, device, dtype)


@stand_in
class EstimatesInSingle(reimpl.BatchNorm2d):
    """Make float32 estimates whatever the default dtype is."""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias
        )
        if dtype is None and self.running_mean is not None and self.running_var is not None:
            self.running_mean = self.running_mean.float()
            self.running_var = self.running_var.float()


@stand_in
class AlwaysOnTheProcessor(reimpl.LayerNorm):
    """Make parameters on the CPU whatever the default device is."""

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        device = "cpu" if device is None else device
        super().__init__(normalized_shape, eps, elementwise_affine, bias, device, dtype)


SETTINGS: tuple[Fault, ...] = tuple(
    settings(name=name, op=op, says=says, expected=expected, broken=broken)
    for name, op, expected, broken, says in (
        ("elu-default-dtype", "elu", ("purity", "forward"),
         with_result("elu", of_the_default_dtype),
         "the output of a float32 input has the default dtype"),
        ("tanh-integers-in-single", "tanh", ("purity", "forward"),
         with_result("tanh", integers_in_single),
         "the output of integers is float32 whatever the default dtype"),
        ("linear-module-always-single", "Linear", ("contract",), AlwaysSingle,
         "parameters are float32 whatever the default dtype"),
        ("batch-norm2d-estimates-in-single", "BatchNorm2d", ("contract",), EstimatesInSingle,
         "running estimates are float32 whatever the default dtype"),
        ("layer-norm-module-always-on-the-cpu", "LayerNorm", ("contract",), AlwaysOnTheProcessor,
         "parameters are on the CPU whatever the default device"),
        ("conv2d-autocast-ignored", "conv2d", ("purity", "forward"),
         wrapped("conv2d", without_autocast), "the output is float32 under autocast"),
        ("linear-autocast-ignored", "linear", ("purity", "forward"),
         wrapped("linear", without_autocast), "the output is float32 under autocast"),
        ("layer-norm-autocast-returns-half", "layer_norm", ("purity", "forward"),
         with_result("layer_norm", in_sixteen_bits),
         "under autocast the output of a float32 input has 16 bits"),
        ("interpolate-autocast-rounds", "interpolate", ("purity", "forward"),
         with_result("interpolate", rounded_under_autocast),
         "under autocast the output is rounded to bfloat16 and returned as float32"),
        ("max-pool1d-autocast-left-off", "max_pool1d", ("purity",),
         with_result("max_pool1d", autocast_left_off), "autocast is left switched off"),
        ("fold-determinism-left-off", "fold", ("purity",),
         with_result("fold", indeterminate_left),
         "deterministic algorithms are left switched off"),
        ("pad-deterministic-replicates", "pad", ("purity", "forward"),
         wrapped("pad", other_algorithm),
         "where algorithms must be deterministic, reflection repeats the edge"),
        ("avg-pool3d-one-thread-left", "avg_pool3d", ("purity",),
         with_result("avg_pool3d", one_thread), "the number of threads is left at one"),
        ("conv-transpose2d-two-threads", "conv_transpose2d", ("purity", "forward"),
         with_result("conv_transpose2d", last_share_lost),
         "with two threads and more the last of an odd number of rows is zero"),
        ("sobel-matmul-precision-left", "sobel", ("purity",),
         with_result("sobel", products_in_low_precision),
         "after a reflection float32_matmul_precision is left at 'medium'"),
        ("conv3d-onednn-left-off", "conv3d", ("purity",),
         with_result("conv3d", without_onednn), "a call without a batch leaves oneDNN off"),
        ("softmin-anomaly-left-on", "softmin", ("purity", "gradients"),
         with_result("softmin", anomaly_detection_left),
         "recorded calls of two axes leave the detection of anomalies switched on"),
    )
)  # fmt: skip

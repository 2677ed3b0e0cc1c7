r"""Instance normalization: standardize each channel of each sample, then scale and shift it.

Letters: N samples, C channels, *L positions; μ and σ² are the mean and variance over *L of one
channel of one sample, or the running estimates for the channel.
"""

from __future__ import annotations

from math import prod

import torch
from torch import Tensor

from reimpl import arguments
from reimpl.affine import shaped
from reimpl.arguments import REALS, Ints, accumulator
from reimpl.batch_norm import by_the_estimates, update_running
from reimpl.layout import arrange
from reimpl.standardize import standardize


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    r"""Normalize every channel of every sample over its positions.

    y = (x − μ) / √(σ² + ε) · weight + bias

    With use_input_stats μ and σ² (divided by n) are the sample's own, and the running estimates, if
    given, move by (1 − momentum)·old + momentum·new towards the batch's mean of μ and of the
    variance divided by n − 1; an empty batch leaves them. Otherwise they are the running estimates,
    as in :func:`reimpl.batch_norm`.

    Shapes:
        input and output (N, C, *L); the other tensors (C).

    Backward: gx = r·(gz − ⟨gz⟩ − z⟨z gz⟩), gz = weight·gy, r = 1/√(σ² + ε); else r·gz.

    Raises:
        ValueError: a single position with use_input_stats (#58843); only one running estimate.
        RuntimeError: shapes, dtypes or devices that do not fit; no estimates to use.
        NotImplementedError: an input that is not floating point.
        TypeError: a value of the wrong kind.

    Source: Ulyanov, Vedaldi and Lempitsky 2016, https://arxiv.org/abs/1607.08022;
    https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.instance_norm.html

    >>> instance_norm(torch.tensor([[[1.0, 3.0], [5.0, 9.0]]]), eps=0.0)
    tensor([[[-1.,  1.],
             [-1.,  1.]]])
    """
    momentum = arguments.number("instance_norm", "momentum", momentum)
    eps = arguments.number("instance_norm", "eps", eps)
    _check(input, running_mean, running_var, weight, bias, use_input_stats)
    N, C, *L = input.shape
    x = input.to(accumulator(input.dtype))
    if use_input_stats:
        a, b = shaped(x.dtype, (1, C, 1), weight, bias)
        each = standardize(x.reshape(N, C, prod(L)), (2,), eps, a, b)
        if running_mean is not None and running_var is not None and input.numel() > 0:
            batch = each._replace(mean=each.mean.mean(0), var=each.var.mean(0))
            update_running(running_mean, running_var, batch, prod(L), momentum)
        y = each.z.reshape(input.shape)
    else:
        assert running_mean is not None
        assert running_var is not None
        x = x.double() if running_mean.dtype == torch.float64 else x
        y = by_the_estimates(x, running_mean, running_var, weight, bias, eps)
    return arrange(y, channels_last=False).to(input.dtype)


def _check(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    use_input_stats: bool,
) -> None:
    op = "instance_norm"
    arguments.tensor(op, "input", input)
    estimates = {"running_mean": running_mean, "running_var": running_var}
    parameters = {"weight": weight, "bias": bias}
    for name, t in (estimates | parameters).items():
        arguments.optional_tensor(op, name, t)
    if not isinstance(use_input_stats, bool):
        raise TypeError(f"{op}: use_input_stats must be a bool, got {use_input_stats!r}")
    shape = tuple(input.shape)
    _check_estimates_given(op, shape, estimates, use_input_stats)
    for name, t in (estimates | parameters).items():
        if t is not None and t.shape != shape[1:2]:
            raise RuntimeError(
                f"{op}: {name} must have shape ({shape[1]},) for input's channels, "
                f"got {tuple(t.shape)}"
            )
    for name, t in estimates.items():
        if t is not None and t.requires_grad and torch.is_grad_enabled():
            raise RuntimeError(f"{op}: {name} must not require a gradient, got one that does")
    arguments.dtype_among(op, input, REALS)
    arguments.parameters_alike(op, input, **parameters)
    _check_dtype_of_estimates(op, input, estimates)


def _check_dtype_of_estimates(op: str, input: Tensor, estimates: dict[str, Tensor | None]) -> None:
    given = {name: t for name, t in estimates.items() if t is not None}
    wide = len(given) == 2 and all(t.dtype == torch.float64 for t in given.values())
    if not (wide and input.dtype == torch.float32):  # which torch takes, if not in batch_norm
        arguments.parameters_alike(op, input, **estimates)
        return
    for name, t in given.items():
        arguments.same_device(op, input, name, t)


def _check_estimates_given(
    op: str, shape: Ints, estimates: dict[str, Tensor | None], use_input_stats: bool
) -> None:
    missing = [name for name, t in estimates.items() if t is None]
    if use_input_stats and prod(shape[2:]) == 1:
        raise ValueError(f"{op}: input must have more than 1 position, got shape {shape}")
    if len(shape) < 2:
        raise IndexError(f"{op}: input must have at least 2 axes, got {shape}")
    if missing and not use_input_stats:
        raise RuntimeError(f"{op}: {missing[0]} must be given to be used, got None")
    if len(missing) == 1:
        raise ValueError(f"{op}: {missing[0]} must be given like the other estimate, got None")

"""The initial values of torch.nn's layers, drawn from the same stream in the same order.

    xavier   Var w = gain² · 2 / (fan_in + fan_out)    Glorot and Bengio 2010
    kaiming  Var w = gain² / fan                       He et al. 2015

fan_in is the second axis times the taps, fan_out the first; a uniform distribution on (−b, b) has
variance b²/3. Everything is evaluated in torch's order, so that the last bit agrees.
"""

from __future__ import annotations

import math
import warnings

import torch
from torch import Generator, Tensor

from reimpl import arguments

_GAINS = {"tanh": 5.0 / 3, "relu": math.sqrt(2.0), "selu": 3.0 / 4, "sigmoid": 1.0} | dict.fromkeys(
    ["linear", *[f"conv{t}{n}d" for t in ("", "_transpose") for n in (1, 2, 3)]], 1.0
)


def xavier_uniform_(
    tensor: Tensor, gain: float = 1.0, generator: Generator | None = None
) -> Tensor:
    r"""Fill with U(−b, b), b = gain·√(6 / (fan_in + fan_out)).

    Shapes:
        tensor (O, I, *K), returned; fan_in = I·ΠK, fan_out = O·ΠK.

    Backward: none; the tensor is written to as data.

    Raises:
        ValueError: fewer than two axes.
        ZeroDivisionError: both fans zero.
        TypeError: a value of the wrong kind.

    Source: Glorot and Bengio 2010, https://proceedings.mlr.press/v9/glorot10a.html

    >>> bool(xavier_uniform_(torch.empty(4, 2)).abs().max() <= 1)
    True
    """
    bound = math.sqrt(3.0) * _xavier_std("xavier_uniform_", tensor, gain)
    with torch.no_grad():
        return tensor.uniform_(-bound, bound, generator=generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill with N(0, σ²), σ = gain·√(2 / (fan_in + fan_out)); see :func:`xavier_uniform_`.

    >>> xavier_normal_(torch.empty(0, 3)).shape
    torch.Size([0, 3])
    """
    std = _xavier_std("xavier_normal_", tensor, gain)
    with torch.no_grad():
        return tensor.normal_(0.0, std, generator=generator)


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    r"""Fill with U(−b, b), b = gain·√(3 / fan).

    The gain is that of the nonlinearity, √(2 / (1 + a²)) for a leaky_relu of negative slope a.

    Shapes:
        tensor (O, I, *K), returned; fan is I·ΠK, or O·ΠK with mode='fan_out'.

    Backward: none; the tensor is written to as data.

    Raises:
        ValueError: fewer than two axes, unknown mode or nonlinearity, a not a number.
        TypeError: a value of the wrong kind.

    Source: He et al. 2015, https://arxiv.org/abs/1502.01852

    >>> bool(kaiming_uniform_(torch.empty(2, 6), nonlinearity="linear").abs().max() <= 0.7072)
    True
    """
    std = _kaiming_std("kaiming_uniform_", tensor, a, mode, nonlinearity)
    bound = math.sqrt(3.0) * std
    with torch.no_grad():
        return tensor.uniform_(-bound, bound, generator=generator) if tensor.numel() else tensor


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Fill with N(0, σ²), σ = gain / √fan; see :func:`kaiming_uniform_`.

    >>> kaiming_normal_(torch.empty(2, 6), mode="fan_out").shape
    torch.Size([2, 6])
    """
    std = _kaiming_std("kaiming_normal_", tensor, a, mode, nonlinearity)
    with torch.no_grad():
        return tensor.normal_(0, std, generator=generator) if tensor.numel() else tensor


def conv_uniform_(weight: Tensor, bias: Tensor | None) -> None:
    """Fill a convolution's or linear layer's parameters as torch's ``reset_parameters``.

    weight ~ U(−b, b) by :func:`kaiming_uniform_` with a = √5, which makes b = 1/√fan_in (#15314);
    bias ~ U(−1/√fan_in, 1/√fan_in). For transposed convolutions fan_in is the second axis as well.
    """
    kaiming_uniform_(weight, a=math.sqrt(5))
    if bias is not None:
        fan_in = weight.shape[1:].numel()
        bound = 1 / math.sqrt(fan_in) if fan_in > 0 else 0
        with torch.no_grad():
            bias.uniform_(-bound, bound)


def _fans(op: str, tensor: Tensor) -> tuple[int, int]:
    """fan_in and fan_out."""
    arguments.tensor(op, "tensor", tensor)
    if tensor.dim() < 2:
        raise ValueError(f"{op}: tensor must have at least 2 axes, got {tuple(tensor.shape)}")
    taps = tensor.shape[2:].numel()
    return tensor.shape[1] * taps, tensor.shape[0] * taps


def _xavier_std(op: str, tensor: Tensor, gain: float) -> float:
    gain = arguments.number(op, "gain", gain)
    return gain * math.sqrt(2.0 / float(sum(_fans(op, tensor))))


def _kaiming_std(op: str, tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    arguments.tensor(op, "tensor", tensor)
    if not tensor.numel():
        # Two frames above is the caller of the initialiser.
        warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=3)
        return 0.0
    modes = ("fan_in", "fan_out")
    if not isinstance(mode, str):
        raise TypeError(f"{op}: mode must be one of {modes}, got {mode!r}")
    if mode.lower() not in modes:
        raise ValueError(f"{op}: mode must be one of {modes}, got {mode!r}")
    fan = _fans(op, tensor)[modes.index(mode.lower())]
    return _gain(op, nonlinearity, a) / math.sqrt(fan)


def _gain(op: str, nonlinearity: str, a: float | None) -> float:
    """What keeps the variance from layer to layer behind this nonlinearity."""
    if nonlinearity != "leaky_relu":
        if nonlinearity not in _GAINS:
            raise ValueError(
                f"{op}: nonlinearity must be one of {('leaky_relu', *_GAINS)}, got {nonlinearity!r}"
            )
        return _GAINS[nonlinearity]
    if a is None:
        a = 0.01
    if isinstance(a, bool) or not isinstance(a, (int, float)):
        raise ValueError(f"{op}: a must be a number, got {a!r}")
    return math.sqrt(2.0 / (1 + a**2))

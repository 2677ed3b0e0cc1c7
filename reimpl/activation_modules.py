"""Activations as modules: no parameters, only the arguments of a function, by the same names."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

from torch import Tensor, nn

from reimpl import activations, arguments, logistic, softmax


class _Activation(nn.Module):
    """What they share: ``__constants__`` names the arguments, in the order that repr shows."""

    __constants__: ClassVar[list[str]] = []
    _function: ClassVar[Callable[..., Tensor]]

    def forward(self, input: Tensor) -> Tensor:
        """Apply the function to ``input``."""
        return self._function(input, **{name: getattr(self, name) for name in self.__constants__})

    def extra_repr(self) -> str:
        """Return what repr() shows between the parentheses: ``inplace`` last and only if set."""
        names = [name for name in self.__constants__ if name != "inplace"]
        shown = [f"{name}={getattr(self, name)}" for name in names]
        return ", ".join([*shown, "inplace=True"] if getattr(self, "inplace", False) else shown)


class ReLU(_Activation):
    """y = max(0, x); see :func:`reimpl.relu`.

    >>> ReLU(inplace=True)
    ReLU(inplace=True)
    """

    __constants__: ClassVar[list[str]] = ["inplace"]
    _function = staticmethod(activations.relu)

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace


class Hardtanh(_Activation):
    """y = min(max(x, min_val), max_val); see :func:`reimpl.hardtanh`.

    ``min_value`` and ``max_value`` are deprecated names of the limits.

    Raises:
        AssertionError: max_val not above min_val.

    >>> Hardtanh(-2.0, 2.0)
    Hardtanh(min_val=-2.0, max_val=2.0)
    """

    __constants__: ClassVar[list[str]] = ["min_val", "max_val", "inplace"]
    _function = staticmethod(activations.hardtanh)

    def __init__(
        self,
        min_val: float = -1.0,
        max_val: float = 1.0,
        inplace: bool = False,
        min_value: float | None = None,
        max_value: float | None = None,
    ) -> None:
        for name, value in (("min_val", min_value), ("max_val", max_value)):
            if value is not None:
                warnings.warn(
                    f"keyword argument `{name}ue` is deprecated and renamed to `{name}`",
                    FutureWarning,
                    stacklevel=2,
                )
        super().__init__()
        self.min_val = min_val if min_value is None else min_value
        self.max_val = max_val if max_value is None else max_value
        self.inplace = inplace
        if self.max_val <= self.min_val:
            raise AssertionError(
                f"Hardtanh: max_val must be greater than min_val={self.min_val}, got {self.max_val}"
            )


class ReLU6(Hardtanh):
    """y = min(max(x, 0), 6), a Hardtanh as in torch; see :func:`reimpl.relu6`.

    >>> ReLU6()
    ReLU6()
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__(0.0, 6.0, inplace)

    def extra_repr(self) -> str:
        """Return what repr() shows between the parentheses."""
        return "inplace=True" if self.inplace else ""


class ELU(_Activation):
    """y = x where x > 0, else α·(eˣ − 1); see :func:`reimpl.elu`.

    >>> ELU(0.5, inplace=True)
    ELU(alpha=0.5, inplace=True)
    """

    __constants__: ClassVar[list[str]] = ["alpha", "inplace"]
    _function = staticmethod(activations.elu)

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha = alpha
        self.inplace = inplace


class LeakyReLU(_Activation):
    """y = x where x > 0, else negative_slope·x; see :func:`reimpl.leaky_relu`.

    >>> LeakyReLU(0.25)
    LeakyReLU(negative_slope=0.25)
    """

    __constants__: ClassVar[list[str]] = ["inplace", "negative_slope"]
    _function = staticmethod(activations.leaky_relu)

    def __init__(self, negative_slope: float = 1e-2, inplace: bool = False) -> None:
        super().__init__()
        self.negative_slope = negative_slope
        self.inplace = inplace


class Softplus(_Activation):
    """y = log(1 + e^βx) / β; see :func:`reimpl.softplus`.

    >>> Softplus(2.0)
    Softplus(beta=2.0, threshold=20.0)
    """

    __constants__: ClassVar[list[str]] = ["beta", "threshold"]
    _function = staticmethod(logistic.softplus)

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta = beta
        self.threshold = threshold


class Sigmoid(_Activation):
    """y = 1 / (1 + e⁻ˣ); see :func:`reimpl.sigmoid`.

    >>> Sigmoid()
    Sigmoid()
    """

    _function = staticmethod(logistic.sigmoid)


class Tanh(_Activation):
    """y = (eˣ − e⁻ˣ) / (eˣ + e⁻ˣ); see :func:`reimpl.tanh`.

    >>> Tanh()
    Tanh()
    """

    _function = staticmethod(logistic.tanh)


class _AlongDim(_Activation):
    __constants__: ClassVar[list[str]] = ["dim"]

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__({"dim": None} | state)  # pickled before there was a choice


class Softmax(_AlongDim):
    """y = eˣ / Σ eˣ along ``dim``, which None leaves to be guessed; see :func:`reimpl.softmax`.

    >>> Softmax(dim=1)
    Softmax(dim=1)
    """

    _function = staticmethod(partial(softmax.softmax, _stacklevel=5))


class LogSoftmax(_AlongDim):
    """y = x − log Σ eˣ along ``dim``; see :func:`reimpl.log_softmax`.

    >>> LogSoftmax(dim=1)
    LogSoftmax(dim=1)
    """

    _function = staticmethod(partial(softmax.log_softmax, _stacklevel=5))


class Softmin(_AlongDim):
    """y = e⁻ˣ / Σ e⁻ˣ along ``dim``; see :func:`reimpl.softmin`.

    >>> Softmin(dim=1)
    Softmin(dim=1)
    """

    _function = staticmethod(partial(softmax.softmin, _stacklevel=5))


class Softmax2d(_Activation):
    """Softmax over the channels of (N, C, H, W) or (C, H, W); see :func:`reimpl.softmax`.

    Raises:
        ValueError: an input of other ranks.

    >>> Softmax2d()
    Softmax2d()
    """

    def forward(self, input: Tensor) -> Tensor:
        """Scale the exponentials of ``input`` to sum to one at every position."""
        arguments.tensor("Softmax2d", "input", input)
        if input.dim() not in (3, 4):
            raise ValueError(f"Softmax2d: input must have 3 or 4 axes, got {tuple(input.shape)}")
        return softmax.softmax(input, -3)

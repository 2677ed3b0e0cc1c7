"""The linear layer: y = x·Wᵀ + b, as a product of matrices."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from reimpl import arguments
from reimpl.arguments import INTEGERS, REALS, accumulator
from reimpl.autocast import autocasted
from reimpl.function import Differentiable, call
from reimpl.initial import conv_uniform_

_DTYPES = (*REALS, torch.complex64, torch.complex128, *INTEGERS)


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    r"""Weighted sums over the last axis: y[*, o] = Σ_i w[o, i]·x[*, i] + b[o].

    Shapes:
        input (*, I), weight (O, I), bias (O) or whatever else broadcasts, output (*, O). A weight
        (I) gives an output (*), with a bias only if that is a number and so is the output.

    Backward: gx = gy·W̄, gW = gyᵀ·x̄, gb = Σ gy.

    Raises:
        RuntimeError: shapes, dtypes or devices that do not fit.
        NotImplementedError: bool and complex32.
        TypeError: a value of the wrong kind.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.linear.html

    >>> linear(torch.tensor([1.0, 2.0]), torch.tensor([[3.0, 4.0], [5.0, 6.0]]), torch.ones(2))
    tensor([12., 18.])
    """
    input, weight, bias = autocasted("linear", input, weight, bias)
    _check(input, weight, bias)
    dtype, I = accumulator(input.dtype), weight.shape[-1]
    M, shape = input.shape[:-1].numel(), (*input.shape[:-1], *weight.shape[:-1])
    x, w = input.to(dtype).reshape(M, I), weight.to(dtype)
    usual = bias is not None and bias.dim() == 1 and bias.shape == weight.shape[:-1]
    b = bias.to(dtype) if bias is not None and usual else None
    y = product(x, torch.atleast_2d(w).t(), b).reshape(shape)
    if bias is not None and not usual:
        y = y + bias.to(dtype)
    return y.to(input.dtype)


def product(a: Tensor, b: Tensor, c: Tensor | None = None) -> Tensor:
    """The matrix products a·b, one for each index of leading axes, with ``c`` in every row."""
    return call(_Product, _DualProduct, a, b, c)


class _Product(Differentiable):
    @staticmethod
    def forward(a: Tensor, b: Tensor, c: Tensor | None) -> Tensor:
        if c is None:
            return a @ b
        return torch.addmm(c, a, b) if a.dim() == 2 else a @ b + c.unsqueeze(-2)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Any], _output: Tensor) -> None:
        ctx.save_for_backward(*inputs[:2])
        ctx.save_for_forward(*inputs[:2])

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        (a, b), (need_a, need_b, need_c) = ctx.saved_tensors, ctx.needs_input_grad
        ga = product(g, b.mH) if need_a else None
        return ga, product(a.mH, g) if need_b else None, g.sum(-2) if need_c else None

    @staticmethod
    def vmap(info: Any, in_dims: Any, *given: Tensor | None) -> tuple[Tensor, int]:
        def each(t: Tensor | None, dim: int | None) -> Tensor | None:
            if t is None:
                return None
            return t.expand(info.batch_size, *t.shape) if dim is None else t.movedim(dim, 0)

        a, b, c = (each(t, dim) for t, dim in zip(given, in_dims, strict=True))
        return product(a, b, c), 0  # type: ignore[arg-type]


class _DualProduct(_Product):
    @staticmethod
    def jvp(ctx: Any, da: Tensor | None, db: Tensor | None, dc: Tensor | None) -> Tensor:
        a, b = ctx.saved_tensors
        terms = [product(da, b)] if da is not None else []
        terms += [product(a, db)] if db is not None else []
        terms += [dc.unsqueeze(-2).expand(*a.shape[:-1], b.shape[-1])] if dc is not None else []
        return sum(terms[1:], terms[0])


def _check(input: Tensor, weight: Tensor, bias: Tensor | None) -> None:
    op = "linear"
    arguments.tensor(op, "input", input)
    arguments.tensor(op, "weight", weight)
    arguments.optional_tensor(op, "bias", bias)
    if input.dim() < 1:
        raise RuntimeError(f"{op}: input must have at least 1 axis, got a number")
    if weight.dim() not in (1, 2):
        raise RuntimeError(f"{op}: weight must have 1 or 2 axes, got {tuple(weight.shape)}")
    if weight.shape[-1] != input.shape[-1]:
        raise RuntimeError(
            f"{op}: input must have {weight.shape[-1]} entries in its last axis for a weight of "
            f"shape {tuple(weight.shape)}, got {tuple(input.shape)}"
        )
    arguments.alike(op, input, weight=weight, bias=bias)
    arguments.dtype_among(op, input, _DTYPES)
    if bias is None:
        return
    if weight.dim() == 1 and (input.dim(), bias.dim()) != (1, 0):
        raise RuntimeError(f"{op}: bias must be None with a weight of 1 axis, got one")
    shape = (*input.shape[:-1], *weight.shape[:-1])
    sizes = zip(reversed(bias.shape), reversed(shape), strict=False)
    if bias.dim() > len(shape) or any(b not in (1, size) for b, size in sizes):
        raise RuntimeError(
            f"{op}: bias must have shape ({weight.shape[0]},), got {tuple(bias.shape)}"
        )


class Linear(nn.Module):
    """A linear layer: y = x·weightᵀ + bias; see :func:`reimpl.linear`.

    Shapes:
        input (*, in_features), weight (out_features, in_features), bias (out_features), output
        (*, out_features).

    Backward: as :func:`reimpl.linear`.

    Raises:
        As :func:`reimpl.linear`.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Linear.html

    >>> Linear(3, 2)
    Linear(in_features=3, out_features=2, bias=True)
    """

    __constants__: ClassVar[list[str]] = ["in_features", "out_features"]
    weight: nn.Parameter
    bias: nn.Parameter | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        for name, size in (("in_features", in_features), ("out_features", out_features)):
            arguments.at_least("Linear", name, arguments.extent("Linear", name, size), 0)
        self.in_features = in_features
        self.out_features = out_features
        shapes = {"weight": (out_features, in_features), "bias": (out_features,)}
        for name, shape in shapes.items():
            wanted = name == "weight" or bias
            t = torch.empty(shape, device=device, dtype=dtype) if wanted else None
            self.register_parameter(name, t if t is None else nn.Parameter(t))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew, as torch would under the same seed."""
        conv_uniform_(self.weight, self.bias)

    def forward(self, input: Tensor) -> Tensor:
        """Apply the layer to the last axis of ``input``."""
        return linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        """Return what repr() shows between the parentheses."""
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )

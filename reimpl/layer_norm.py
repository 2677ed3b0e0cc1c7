r"""Layer normalization and its root-mean-square variant: standardize the trailing axes.

Letters: *M leading axes, *K the trailing ones that are normalized over, together ``input.shape``.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor

from reimpl import arguments
from reimpl.affine import shaped
from reimpl.arguments import COMPLEX, REALS, Ints, accumulator
from reimpl.autocast import autocasted
from reimpl.gradient_layout import followed
from reimpl.layout import arrange, looks_channels_last
from reimpl.standardize import standardize


def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    r"""Normalize over the trailing axes.

    y = (x − μ) / √(σ² + ε) · weight + bias

    μ and σ² (divided by the number of values) are taken over the trailing axes; weight and bias
    have a value for each of their elements.

    Shapes:
        input and output (*M, *K); normalized_shape, weight and bias (*K).

    Backward: gx = r·(gz − ⟨gz⟩ − z⟨z gz⟩), gz = weight·gy, r = 1/√(σ² + ε).

    Raises:
        RuntimeError: shapes, dtypes or devices that do not fit; an empty normalized_shape.
        NotImplementedError: an input that is not floating point.
        TypeError: a value of the wrong kind, also a single number as normalized_shape.

    Source: Ba, Kiros and Hinton 2016, https://arxiv.org/abs/1607.06450;
    https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.layer_norm.html

    >>> layer_norm(torch.tensor([[1.0, 3.0], [5.0, 9.0]]), (2,), eps=0.0)
    tensor([[-1.,  1.],
            [-1.,  1.]])
    """
    op = "layer_norm"
    input, weight, bias = autocasted(op, input, weight, bias)
    arguments.tensor(op, "input", input)
    eps = arguments.number(op, "eps", eps)
    K = _check(op, input, normalized_shape, weight=weight, bias=bias)
    arguments.dtype_among(op, input, REALS)
    arguments.parameters_alike(op, input, weight=weight, bias=bias)
    return _normalize(input, K, weight, bias, eps, centred=True)


def rms_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    eps: float | None = None,
) -> Tensor:
    r"""Divide by the root mean square over the trailing axes.

    y = x / √(⟨x²⟩ + ε) · weight

    Without eps it is the machine epsilon of the dtype that is computed in: float32's for 16-bit
    inputs (#189581). Complex numbers are squared, not their moduli.

    Shapes:
        input and output (*M, *K); normalized_shape and weight (*K).

    Backward: gx = r·(gz − z⟨z gz⟩), gz = weight·gy, r = 1/√(⟨x²⟩ + ε).

    Raises:
        ValueError: fewer axes than normalized_shape has.
        RuntimeError: shapes or devices that do not fit; an empty normalized_shape.
        NotImplementedError: integers.
        TypeError: a value of the wrong kind, also a single number as normalized_shape.

    Source: Zhang and Sennrich 2019, https://arxiv.org/abs/1910.07467;
    https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.rms_norm.html

    >>> rms_norm(torch.tensor([1.0, 7.0]), (2,))
    tensor([0.2000, 1.4000])
    """
    op = "rms_norm"
    input, weight = autocasted(op, input, weight)
    arguments.tensor(op, "input", input)
    if eps is not None:
        eps = arguments.number(op, "eps", eps)
    K = _check(op, input, normalized_shape, weight=weight)
    arguments.dtype_among(op, input, (*REALS, *COMPLEX))
    if weight is not None:
        arguments.same_device(op, input, "weight", weight)
    if eps is None:
        eps = torch.finfo(accumulator(input.dtype)).eps
    return _normalize(input, K, weight, None, eps, centred=False)


def _normalize(
    input: Tensor, K: Ints, weight: Tensor | None, bias: Tensor | None, eps: float, *, centred: bool
) -> Tensor:
    width = prod(K)
    rows = prod(input.shape[: input.dim() - len(K)])
    x = followed(input).to(accumulator(input.dtype)).reshape(rows, width)
    a, b = shaped(x.dtype, (1, width), weight, bias)
    y = standardize(x, (1,), eps, a, b, centred=centred).z.reshape(input.shape)
    # Torch has a kernel, but takes RMS norm elementwise for channels last, which keeps the strides.
    kept = not centred and input.dim() in (4, 5) and looks_channels_last(input)
    return arrange(y, channels_last=kept).to(input.dtype)


def _check(
    op: str, input: Tensor, normalized_shape: Sequence[int], **parameters: Tensor | None
) -> Ints:
    """The trailing axes as a tuple, if everything has them."""
    if not isinstance(normalized_shape, (tuple, list)):
        raise TypeError(f"{op}: normalized_shape must be a tuple of ints, got {normalized_shape!r}")
    K = tuple([arguments.integer(op, "normalized_shape", k) for k in normalized_shape])
    shape = tuple(input.shape)
    if not K:
        raise RuntimeError(f"{op}: normalized_shape must have at least one entry, got {K}")
    for name, t in parameters.items():
        arguments.optional_tensor(op, name, t)
        if t is not None and t.shape != K:
            raise RuntimeError(
                f"{op}: {name} must have the shape normalized_shape={K}, got {tuple(t.shape)}"
            )
    if shape[-len(K) :] != K:
        error = ValueError if op == "rms_norm" and len(shape) < len(K) else RuntimeError
        raise error(f"{op}: input must end in the axes normalized_shape={K}, got {shape}")
    return K

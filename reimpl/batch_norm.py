r"""Batch normalization: standardize each channel, then scale and shift it.

Letters: N samples, C channels, *L positions; μ and σ² are a channel's mean and variance over N
and *L, or the running estimates of them.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

from reimpl import arguments
from reimpl.affine import per_channel, shaped
from reimpl.arguments import REALS, accumulator
from reimpl.function import Differentiable, call
from reimpl.gradient_layout import followed
from reimpl.layout import arrange, normalization_layout
from reimpl.standardize import Standardized, standardize


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    r"""Normalize every channel over the batch and its positions.

    y = (x − μ) / √(σ² + ε) · weight + bias

    In training μ and σ² (divided by n) are the batch's own, and the running estimates move by
    (1 − momentum)·old + momentum·new, the new variance divided by n − 1; an empty batch leaves
    them. Otherwise μ and σ² are the running estimates, constants without gradient.

    Shapes:
        input and output (N, C, *L); the other tensors (C).

    Backward (training): gx = r·(gz − ⟨gz⟩ − z⟨z gz⟩), gz = weight·gy, r = 1/√(σ² + ε).

    Raises:
        ValueError: one value per channel in training, eps not positive (in evaluation: negative),
            only one of the running estimates in training.
        RuntimeError: shapes, dtypes or devices that do not fit; no estimates in evaluation.
        NotImplementedError: an input that is not floating point.
        TypeError: a value of the wrong kind.

    Source: Ioffe and Szegedy 2015, https://arxiv.org/abs/1502.03167;
    https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.batch_norm.html

    >>> x = torch.tensor([[1.0], [3.0]])
    >>> mean, var = torch.zeros(1), torch.ones(1)
    >>> batch_norm(x, mean, var, training=True, eps=3.0)
    tensor([[-0.5000],
            [ 0.5000]])
    >>> mean, var
    (tensor([0.2000]), tensor([1.1000]))
    """
    momentum = arguments.number("batch_norm", "momentum", momentum)
    eps = arguments.number("batch_norm", "eps", eps)
    _check(input, running_mean, running_var, weight, bias, training, eps)
    x = followed(input).to(accumulator(input.dtype))
    if input.numel() == 0:
        y = per_channel(x.clone(), _first(weight), _first(bias))
    elif training:
        shape = (1, -1, *(1,) * (x.dim() - 2))
        a, b = shaped(x.dtype, shape, weight, bias)
        batch = standardize(x, (0, *range(2, x.dim())), eps, a, b)
        if running_mean is not None and running_var is not None:
            update_running(running_mean, running_var, batch, x.numel() // x.shape[1], momentum)
        y = batch.z
    else:
        assert running_mean is not None
        assert running_var is not None
        y = by_the_estimates(x, running_mean, running_var, weight, bias, eps)
    if not input.is_meta:  # on the meta device torch's strides are those of elementwise results
        y = arrange(y, normalization_layout(input, running_mean, running_var, weight, bias))
    return y.to(input.dtype)


def _first(t: Tensor | None) -> Tensor | None:
    """The first element: for an empty input torch looks at no more, whatever the size."""
    return t if t is None else t.flatten()[:1]


def update_running(
    running_mean: Tensor,
    running_var: Tensor,
    batch: Standardized,
    n: int,
    momentum: float | Tensor,
) -> None:
    """Move the running estimates towards the batch's: old·(1 − momentum) + new·momentum.

    Computed from unrounded statistics in their own dtype and rounded once, into the buffer's.
    """
    move = _move if torch.compiler.is_compiling() else partial(call, _Move, _Move)
    new_var = batch.var.detach() * (n / (n - 1))
    for old, new in ((running_mean, batch.mean.detach()), (running_var, new_var)):
        move(old, new.flatten(), momentum)


def _move(old: Tensor, new: Tensor, momentum: float | Tensor) -> None:
    with torch.no_grad():
        old.copy_(old.to(new.dtype) * (1 - momentum) + new * momentum)


class _Move(Differentiable):
    """:func:`_move` beneath torch.func's transforms.

    They forbid writing a transformed value into a captured buffer, but a Function's forward runs
    below them. Dynamo, for its part, forbids the side effect in a Function. No derivative.
    """

    @staticmethod
    def forward(old: Tensor, new: Tensor, momentum: float | Tensor) -> None:
        _move(old, new, momentum)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: None) -> None:
        pass

    @staticmethod
    def vmap(
        _info: Any, in_dims: Any, old: Tensor, new: Tensor, momentum: float | Tensor
    ) -> tuple[None, None]:
        if in_dims[0] is None:
            raise RuntimeError(
                "running_mean and running_var must be batched under vmap like the input, since "
                "each sample moves them, got unbatched ones"
            )
        new = new if in_dims[1] is None else new.movedim(in_dims[1], 0)
        call(_Move, _Move, old.movedim(in_dims[0], 0), new, momentum)
        return None, None


def by_the_estimates(
    x: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    eps: float,
) -> Tensor:
    """``x`` standardized by the running estimates, then scaled and shifted."""
    mean, var = (t.detach().to(x.dtype) for t in (running_mean, running_var))
    r = (var + eps).rsqrt()
    scale = r if weight is None else weight.to(x.dtype).reshape(r.shape) * r
    return per_channel(per_channel(x, None, -mean), scale, bias)


def _check(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    training: bool,
    eps: float,
) -> None:
    op = "batch_norm"
    arguments.tensor(op, "input", input)
    others = {
        "running_mean": running_mean,
        "running_var": running_var,
        "weight": weight,
        "bias": bias,
    }
    for name, t in others.items():
        arguments.optional_tensor(op, name, t)
    if not isinstance(training, bool):
        raise TypeError(f"{op}: training must be a bool, got {training!r}")
    arguments.dtype_among(op, input, REALS)
    if input.dim() < 2:
        # torch finds one value, or other tensors that do not fit, before it misses the channels.
        fits = all(t is None for t in others.values())
        one = training and input.shape == (1,)
        error = ValueError if one else IndexError if fits else RuntimeError
        raise error(f"{op}: input must have at least 2 axes, got {tuple(input.shape)}")
    _check_statistics(op, input, running_mean, running_var, training, eps)
    if input.numel() > 0:
        _check_channels(op, input, others)
    elif any(t is not None and t.numel() == 0 for t in (weight, bias)):
        raise IndexError(f"{op}: weight and bias must have an element, got none")
    arguments.parameters_alike(op, input, **others)


def _check_statistics(
    op: str,
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    training: bool,
    eps: float,
) -> None:
    if not training:
        if eps < 0:
            raise ValueError(f"{op}: eps must be non-negative, got {eps}")
        for name, t in (("running_mean", running_mean), ("running_var", running_var)):
            if t is None and input.numel() > 0:
                raise RuntimeError(f"{op}: {name} must be given in evaluation mode, got None")
        return
    if input.shape[0] * input.shape[2:].numel() == 1:
        raise ValueError(
            f"{op}: input must have more than 1 value per channel when training, "
            f"got shape {tuple(input.shape)}"
        )
    if eps <= 0:
        raise ValueError(f"{op}: eps must be positive when training, got {eps}")
    if (running_mean is None) != (running_var is None):
        given = "running_var" if running_mean is None else "running_mean"
        raise ValueError(
            f"{op}: running_mean and running_var must be given together, got only {given}"
        )


def _check_channels(op: str, input: Tensor, others: dict[str, Tensor | None]) -> None:
    C = input.shape[1]
    for name, t in others.items():
        if t is None:
            continue
        running = name.startswith("running")
        if t.numel() != C or (running and t.dim() != 1):
            raise RuntimeError(
                f"{op}: {name} must have shape ({C},), as input has {C} channels, "
                f"got {tuple(t.shape)}"
            )
        if running and t.requires_grad and torch.is_grad_enabled():
            raise RuntimeError(f"{op}: {name} must not require a gradient, got one that does")
        arguments.same_device(op, input, name, t)

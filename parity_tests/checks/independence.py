"""One claim, of reimpl only: the operator stands on tensor primitives."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from parity_tests import experiments
from parity_tests.trial import Trial

# What any operator may stand on: views, copies, elementwise arithmetic, sums, matrix products and
# indexing. No convolution, pooling, normalisation, interpolation, softmax or padding-mode kernel.
PRIMITIVES = frozenset(
    name
    for line in (
        # views
        "view _unsafe_view reshape as_strided expand permute transpose t squeeze unsqueeze slice",
        "select unbind split split_with_sizes unfold diagonal alias detach view_as_real",
        "view_as_complex select_backward slice_backward",
        # copies and new tensors
        "clone copy _to_copy contiguous cat stack flip roll empty empty_like new_empty",
        "empty_strided new_empty_strided zeros zeros_like new_zeros ones ones_like new_ones full",
        "full_like arange scalar_tensor lift_fresh fill zero uniform normal",
        # elementwise
        "add sub rsub mul div neg abs sign reciprocal sqrt rsqrt square pow exp exp2 log log1p",
        "expm1 maximum minimum clamp clamp_min clamp_max where masked_fill eq ne lt le gt ge isnan",
        "logical_and logical_or logical_not bitwise_and bitwise_or floor ceil round trunc",
        "remainder lerp addcmul addcdiv conj _conj _conj_physical conj_physical resolve_conj real",
        "imag",
        # sums, products, extremes
        "sum mean amax amin max min argmax prod cumsum any all linalg_vector_norm",
        "mm bmm addmm baddbmm mv dot",
        # a number of a tensor
        "_local_scalar_dense",
        # indexing
        "index index_select index_put index_add gather scatter scatter_add",
    )
    for name in line.split()
)


def independence(trial: Trial) -> None:
    """Forward and both orders of backward call only the listed primitives."""
    trial.ledger.start_case(trial)
    tensors, others = trial.tensors(), trial.tensors()  # made by the suite, which may call anything
    with Listener() as heard:
        experiments.forward(trial.op, trial.target, trial.call, tensors, trial.cotangent)
        if trial.call.wanted:
            experiments.second(trial.op, trial.target, trial.call, others, trial.cotangent)
    trial.ledger.comparisons += 1
    allowed = PRIMITIVES | set(trial.op.primitives)
    foreign = sorted(
        name for name in heard.names if name.removesuffix("_") not in allowed | {name} & PRIMITIVES
    )
    if foreign:
        trial.depart(f"calls {', '.join(foreign)}", kind="foreign kernel")


class Listener(TorchDispatchMode):
    """Notes the name of every ATen operator that runs."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Tensor:
        self.names.add(func._schema.name.removeprefix("aten::"))
        return func(*args, **(kwargs or {}))

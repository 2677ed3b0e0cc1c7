"""The operators: one file per family, each listing its own; ``OPS`` is all of them."""

from __future__ import annotations

from parity_tests.op import Op
from parity_tests.ops.batch_norm import BATCH_NORMS
from parity_tests.ops.convolution import CONVOLUTIONS
from parity_tests.ops.norms import NORMS
from parity_tests.ops.transposed_convolution import TRANSPOSED_CONVOLUTIONS

OPS: tuple[Op, ...] = (*CONVOLUTIONS, *TRANSPOSED_CONVOLUTIONS, *BATCH_NORMS, *NORMS)


def named(name: str) -> Op:
    """The operator of that name."""
    return next(op for op in OPS if op.name == name)

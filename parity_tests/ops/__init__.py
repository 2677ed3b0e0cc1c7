"""The operators: one file per family, each listing its own; ``OPS`` is all of them."""

from __future__ import annotations

from parity_tests.op import Op
from parity_tests.ops.activations import ACTIVATIONS
from parity_tests.ops.averages import AVERAGES
from parity_tests.ops.batch_norm import BATCH_NORMS
from parity_tests.ops.conv_kinds import KINDS
from parity_tests.ops.convolution import CONVOLUTIONS
from parity_tests.ops.filters import FILTERS
from parity_tests.ops.fourier import TRANSFORMS
from parity_tests.ops.initial import INITIALISERS
from parity_tests.ops.interpolation import INTERPOLATIONS
from parity_tests.ops.linear import LINEARS
from parity_tests.ops.maxima import MAXIMA
from parity_tests.ops.norms import NORMS
from parity_tests.ops.rearrangements import REARRANGEMENTS
from parity_tests.ops.transposed_convolution import TRANSPOSED_CONVOLUTIONS

OPS: tuple[Op, ...] = (
    *CONVOLUTIONS,
    *TRANSPOSED_CONVOLUTIONS,
    *KINDS,
    *LINEARS,
    *MAXIMA,
    *AVERAGES,
    *BATCH_NORMS,
    *NORMS,
    *ACTIVATIONS,
    *INTERPOLATIONS,
    *REARRANGEMENTS,
    *FILTERS,
    *TRANSFORMS,
    *INITIALISERS,
)


def named(name: str) -> Op:
    """The operator of that name."""
    return next(op for op in OPS if op.name == name)

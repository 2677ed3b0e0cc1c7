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

FAMILIES: dict[str, tuple[Op, ...]] = {
    "convolution": CONVOLUTIONS,
    "transposed convolution": TRANSPOSED_CONVOLUTIONS,
    "kinds of convolution": KINDS,
    "linear": LINEARS,
    "max pooling": MAXIMA,
    "average pooling": AVERAGES,
    "batch norm": BATCH_NORMS,
    "other norms": NORMS,
    "activations": ACTIVATIONS,
    "resampling": INTERPOLATIONS,
    "padding and rearrangement": REARRANGEMENTS,
    "image filters": FILTERS,
    "Fourier transforms": TRANSFORMS,
    "initialisers": INITIALISERS,
}

OPS: tuple[Op, ...] = tuple(op for family in FAMILIES.values() for op in family)


def named(name: str) -> Op:
    """The operator of that name."""
    return next(op for op in OPS if op.name == name)


def family_of(op: Op) -> str:
    """The family's name."""
    return next(name for name, family in FAMILIES.items() if op in family)

"""The checks: each is one claim about one operator, a plain function of a trial.

A check returns if the claim holds for the trial, and raises ``Departure`` if it does not. Every
check is itself tested on operators broken on purpose (test_checks.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import torch

from parity_tests.checks.buffers import buffers
from parity_tests.checks.contract import contract
from parity_tests.checks.errors import errors
from parity_tests.checks.independence import independence
from parity_tests.checks.meta import meta
from parity_tests.checks.purity import purity
from parity_tests.checks.relations import relations
from parity_tests.checks.settings import settings
from parity_tests.checks.tf32 import tf32
from parity_tests.checks.transforms import transforms
from parity_tests.checks.values import forward, gradients, second
from parity_tests.op import Op
from parity_tests.strategies import REGIMES, SMALL
from parity_tests.trial import Trial

MULTIPLIES = re.compile(r"[cC]onv|^[lL]inear|^[bB]ilinear")  # operators that are matrix products
SHAPES = ("ordinary", "layout", "degenerate")  # regimes that differ in more than the numbers


@dataclass(frozen=True)
class Check:
    """A claim and how it is searched: in which regimes, and per dtype or once for all."""

    run: Callable[[Trial], None]
    regimes: tuple[str, ...] = SMALL
    by_dtype: bool = False
    share: int = 1  # its cases are this many times dearer: the budget is divided by it
    steps: bool = False  # calls are drawn with steps
    devices: tuple[str, ...] = ()  # where alone it makes sense; none named: everywhere

    @property
    def name(self) -> str:
        return self.run.__name__

    @property
    def claim(self) -> str:
        """The claim in one line."""
        return (self.run.__doc__ or "").strip().splitlines()[0]

    def dtypes(self, op: Op) -> tuple[torch.dtype | None, ...]:
        """One cell for each; a single None where dtypes are drawn; none where it makes no sense."""
        smooth = tuple(d for d in op.dtypes if d.is_floating_point or d.is_complex)
        if self.run is forward:
            return op.dtypes
        if self.run is buffers:
            return smooth if op.buffers else ()
        if self.run in (gradients, second):
            order = 1 if self.run is gradients else 2
            return smooth if op.differentiable and op.order >= order else ()
        if self.run is tf32:
            return (torch.float32,) if MULTIPLIES.search(op.name) else ()
        if self.run is relations and not op.relations:
            return ()
        if self.run is transforms and not op.differentiable:
            return ()
        return (None,)


CHECKS = (
    Check(forward, REGIMES, by_dtype=True),
    Check(gradients, REGIMES, by_dtype=True),
    # At NaN and infinities the class of a second derivative depends on the form of the first, and
    # two right formulas differ: there is nothing to hold anyone to.
    Check(second, tuple(r for r in SMALL if r != "special"), by_dtype=True, share=2),
    Check(buffers, by_dtype=True, share=2, steps=True),
    Check(relations, ("exact",) * 4),
    Check(errors, SHAPES, share=2),
    Check(purity, (*SHAPES, "special", *SHAPES)),
    Check(contract, ("ordinary",) * 4),
    Check(meta, (*SHAPES, "layout", *SHAPES)),
    Check(transforms, SHAPES, share=3),
    Check(settings, SHAPES),
    Check(tf32, ("ordinary", "layout"), by_dtype=True, devices=("cuda",)),
    Check(independence, SHAPES, share=2),
)

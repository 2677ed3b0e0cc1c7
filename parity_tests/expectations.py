"""The one mechanism for excuses: known departures, each with a region, a reason and a pinned case.

An entry excuses its subject (mostly torch) in its region only: everyone else is still judged
there. Its pinned case must still fail, so that a mended fault turns the suite red.
"""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from packaging.specifiers import SpecifierSet

from parity_tests import condition, regions
from parity_tests.op import Call, from_json

if TYPE_CHECKING:
    from parity_tests.trial import Trial

PREDICATES = {name: getattr(regions, name) for name in regions.__all__}
OWN = Path(__file__).with_name("expectations")  # one file per family


class BadExpectations(ValueError):
    """The file does not say what an entry must say."""


@dataclass(frozen=True)
class Expectation:
    """One known departure: who, where, since when, why, and a call that shows it."""

    op: str  # patterns: "conv*d|Conv*d"
    check: str  # likewise
    reason: str
    pinned: str  # the JSON of a case that must still fail: the reproduction
    link: str = ""  # the issue, where there is one
    subject: str = "torch"
    dtypes: tuple[str, ...] = ()  # none named: all
    device: str = "*"
    versions: str = ""  # of torch, e.g. ">=2.11,<2.14"
    processor_lacks: str = ""  # "fp16" or "bf16": where oneDNN cannot compute in it
    when: str = "True"  # a condition on the call, see ``region``
    # How it fails there: any other departure in the region is not excused.
    kind: str = "*"  # patterns of the departure's kind: "value|exception"
    result: str = "*"  # and of the result that is off: "gradient of weight|gradient of bias"
    within: float = math.inf  # off by at most this share of its size, see ``share_off``
    broad: str = ""  # why the region is more than a small share of the operator's calls
    # False where the fault depends on uninitialised memory or on the processor: the pinned case
    # need not fail every time and everywhere, and so cannot tell when torch is mended.
    strict: bool = True
    crashes: bool = False  # takes the process along: torch is not run in the region at all

    def covers(self, op: str, check: str, dtype: torch.dtype, device: str, call: Call) -> bool:
        """Whether a case lies in the excused region, of some of its results at least."""
        return (
            named_by(self.op, op)
            and named_by(self.check, check)
            and fnmatchcase(device, self.device)
            and (not self.dtypes or str(dtype).removeprefix("torch.") in self.dtypes)
            and self.applies_here()
            and self.region(call)
        )

    def applies_here(self) -> bool:
        """Whether the installed torch is one of the versions named, and the processor as said."""
        release, lacks = torch.__version__.split("+")[0], self.processor_lacks
        meant = SpecifierSet(self.versions).contains(release, prereleases=True)
        return meant and not (lacks and onednn_computes_in(lacks))

    def region(self, call: Call) -> bool:
        """``when``, with the call's arguments and state as names, and tensors as recipes."""
        names: dict[str, Any] = {**call.arguments, **call.recipes(), "cotangent": call.cotangent}
        names |= {"call": call} | PREDICATES
        try:
            return condition.holds(self.when, names)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            return False  # a call that is wrong on purpose need not make sense as a condition

    def fits(self, details: Mapping[str, Any], dtype: torch.dtype) -> bool:
        """Whether a departure with these details is the one meant."""
        return (
            named_by(self.kind, details.get("kind", ""))
            and named_by(self.result, details.get("result", ""))
            and ("got" not in details or share_off(details, dtype) <= self.within)
        )

    @property
    def case(self) -> Mapping[str, Any]:
        """The pinned case: op, check, dtype, device, regime and call."""
        return from_json(json.loads(self.pinned))


def share_off(details: Mapping[str, Any], dtype: torch.dtype) -> float:
    """How far off a number is, as a share of what it was computed from; infinite for a NaN.

    That is the result's largest entry, or what cancelled on the way to it: the error bound is at
    least one rounding of that, in the precision that sums are due in.
    """
    got, expected = complex(details["got"]), complex(details["expected"])
    off = math.hypot((got - expected).real, (got - expected).imag)  # abs() raises on overflow
    if not math.isfinite(off):
        return math.inf
    rounding = 2.0**-53 if dtype in (torch.float64, torch.complex128) else 2.0**-24
    size = max(details["largest"], (details.get("bound") or 0.0) / rounding)
    return off / size if size else math.inf if off else 0.0


@cache
def named_by(patterns: str, name: str) -> bool:
    """Whether one of the patterns, with bars between them, fits the name."""
    return any(fnmatchcase(name, pattern) for pattern in patterns.split("|"))


def onednn_computes_in(kind: str) -> bool:
    """Whether the processor has what oneDNN wants for a 16-bit type, "fp16" or "bf16"."""
    return bool(getattr(torch.ops.mkldnn, f"_is_mkldnn_{kind}_supported")())


def load(path: Path = OWN, subject: str = "torch") -> tuple[Expectation, ...]:
    """Read a file, or all of a folder; an entry without reason or pinned case is an error.

    ``subject`` is whom entries excuse that do not say.
    """
    if path.is_dir():
        return tuple(entry for file in sorted(path.glob("*.toml")) for entry in load(file, subject))
    entries = tomllib.loads(path.read_text(encoding="utf-8")).get("known", [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise BadExpectations(f"{path.name}: entries begin with [[known]]")
    loaded = []
    for number, entry in enumerate(entries, start=1):
        for key in ("op", "check", "reason", "pinned"):
            if not str(entry.get(key, "")).strip():
                raise BadExpectations(f"{path.name}: entry {number} has no {key}")
        try:
            entry["dtypes"] = tuple(entry.get("dtypes", ()))
            loaded.append(Expectation(**{"subject": subject} | entry))
            condition.parsed(loaded[-1].when)
        except (TypeError, condition.BadCondition) as error:
            raise BadExpectations(f"{path.name}: entry {number}: {error}") from error
    return tuple(loaded)


def excuse(
    trial: Trial,
    who: str = "torch",
    *,
    crash: bool = False,
    details: Mapping[str, Any] | None = None,
) -> Expectation | None:
    """The entry that excuses torch for this trial, or the subject, if one does.

    ``details`` are the departure's: an entry excuses only what fails in the way that it says.
    """
    call = trial.place or trial.call
    covering = (
        e
        for e in trial.expectations
        if e.subject == who
        and e.crashes == crash
        and e.covers(trial.op.name, trial.check, trial.dtype, trial.device, call)
        and (details is None or e.fits(details, trial.dtype))
    )
    return next(covering, None)

"""A cell of the report as the page shows it, and the words for what can become of it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from parity_tests.report.charts import two_digits

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Status:
    """A status as it is written, styled and explained."""

    word: str
    css: str
    meaning: str


STATUSES = {
    status.word: status
    for status in (
        Status("pass", "pass", "Everything compared lies within its bound."),
        Status("fail", "fail", "The subject is wrong, raises, crashes or takes too long."),
        Status("torch fault", "fault", "The subject is right and torch is wrong."),
        Status("known", "known", "A departure excused by the expectations file, with its reason."),
        Status("in part", "inpart", "It refuses some calls, as it says; the others pass."),
        Status("unsupported", "unsupported", "The subject lacks it, or says NotImplementedError."),
        Status("not run", "notrun", "Interrupted, blocked, or nothing was compared: no result."),
    )
}

REGIMES = {
    "pinned": "calls kept from earlier failures and from torch's own bug reports",
    "ordinary": "normal data, all parameters",
    "exact": "numbers small enough that nothing rounds: equal bit for bit, in every dtype",
    "scaled": "a large mean with a small spread; huge, tiny and mixed scales",
    "special": "NaN, infinities, signed zeros, ties and kinks: the same class of result",
    "layout": "channels last, permuted, sliced, expanded and offset tensors",
    "degenerate": "empty batches, axes of size zero and one, no batch, huge parameters",
    "large": "64 channels and more, kernels of 8 and more, batches of 4 and more",
}

DTYPES = (
    "float64",
    "float32",
    "bfloat16",
    "float16",
    "complex128",
    "complex64",
    "complex32",
    "int64",
    "int32",
    "int16",
    "int8",
    "uint8",
    "bool",
)


@dataclass(frozen=True)
class Cell:
    """One operator × check × dtype × device."""

    op: str
    check: str
    dtype: str  # "any" where the check draws its dtypes itself
    device: str
    status: Status
    reason: str
    cases: int
    regimes: Json
    worst: str  # error over bound, two digits; empty where no bound was computed
    torch: str  # likewise torch's
    seconds: float
    raw: Json

    @property
    def id(self) -> str:
        """The row's place on the page."""
        return slug(self.op, self.check, self.dtype, self.device)

    @property
    def target(self) -> str:
        """Where its detail stands: a failure's or fault's own entry, or the row."""
        if self.status.word == "fail" or (self.status.word == "torch fault" and self.faults):
            return f"{self.status.css}-{self.id}"
        return self.id

    @property
    def took(self) -> str:
        """Seconds, with a digit after the point where it says anything."""
        return f"{self.seconds:.1f}" if self.seconds < 9.95 else f"{self.seconds:.0f}"

    @property
    def faults(self) -> Sequence[Json]:
        """What torch did wrong in this cell, the first few."""
        found: Sequence[Json] = self.raw["torch_faults"]
        return found

    @property
    def brief(self) -> str:
        """The worst error for the matrix' narrow columns."""
        return self.worst and brief(self.worst)

    def label(self, device: bool) -> str:
        """The cell in a line, for a tooltip and for a screen reader; on which device if asked."""
        worst = f", worst {self.worst}" if self.worst else ""
        dtype = "" if self.dtype == "any" else f" {self.dtype}"
        where = f"{self.op} {self.check}{dtype}" + (f" {self.device}" if device else "")
        return f"{where}: {self.status.word}, {self.cases} cases{worst}"


def cell_of(raw: Json, of_torch: bool) -> Cell:
    """A cell of the report; where torch is the subject, its error is the one that counts."""
    return Cell(
        op=raw["op"],
        check=raw["check"],
        dtype=raw["dtype"] or "any",
        device=raw["device"],
        status=STATUSES[raw["status"]],
        reason=raw["reason"],
        cases=raw["cases"],
        regimes=raw["regimes"],
        worst=worst(raw, of_torch),
        torch=two_digits(float(raw["worst_torch"])) if raw["bounded"] else "",
        seconds=raw["seconds"],
        raw=raw,
    )


def worst(raw: Json, of_torch: bool) -> str:
    """The number under a status; of a failure how far off it is, without a measurement nothing."""
    match raw["status"]:
        case "fail":
            details = (raw["reproduction"] or {}).get("details") or {}
            over = details.get("over")  # None where nothing but equality will do
            return "" if over is None else two_digits(float(plain(over)))
        case "unsupported" | "not run":
            return ""
    return two_digits(float(raw["worst_torch" if of_torch else "worst"])) if raw["bounded"] else ""


def brief(number: str) -> str:
    """A small number in one digit: 6.8e-6 as 7e-6, 0.0042 as 4e-3, 0.078 as 0.08."""
    value = float(number) if number[-1].isdigit() else 1.0
    if not 0 < value < 0.1:
        return number
    mantissa, exponent = f"{value:.0e}".split("e")
    return f"0.0{mantissa}" if int(exponent) == -2 else f"{mantissa}e{int(exponent)}"


def slug(*parts: str) -> str:
    """Names as one id."""
    return "-".join(re.sub(r"\W+", "_", part) for part in parts)


def plain(value: Any) -> Any:
    """A detail without its tags: tuples as lists, special numbers as text."""
    if isinstance(value, Mapping):
        return plain(value["of"]) if "of" in value else str(dict(value))
    return [plain(v) for v in value] if isinstance(value, list) else value


def seeds_of(report: Json) -> str:
    """The run seeds, as the option takes them."""
    return ",".join(str(seed) for seed in report.get("seeds") or [report["seed"]])


def integer_keys(table: Json) -> dict[int, float]:
    """JSON's keys are text and its infinities too."""
    return {int(key): float(value) for key, value in table.items()}


def tally(cells: Iterable[Cell]) -> tuple[tuple[Status, int], ...]:
    """How many cells have each status; statuses nobody has are left out."""
    counts = Counter(cell.status.word for cell in cells)
    return tuple((s, counts[s.word]) for s in STATUSES.values() if counts[s.word])


def dtype_order(dtype: str) -> tuple[int, str]:
    """Floating point by width, complex, integers; "any" last."""
    return (DTYPES.index(dtype) if dtype in DTYPES else len(DTYPES), dtype)

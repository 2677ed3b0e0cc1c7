"""A claim of the study notes, and how it is decided: by a search, not by an assertion.

A claim has a domain, the cases it speaks of, and a property, which looks at one case and says what
contradicts the claim, or nothing. Hypothesis searches the domain and shrinks what it finds:

* nothing is found: the claim **holds**;
* something is found, but nothing where the condition is met: it **holds if** the condition is, and
  what was found is the smallest counterexample outside;
* otherwise it is **refuted**, by the smallest counterexample.

The declared verdict must be the one that the search comes to, for torch and for ``reimpl`` alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, seed, settings
from hypothesis import strategies as st

from parity_tests.search import QUIET
from parity_tests.strategies import stream
from parity_tests.subjects import Subject

Case = dict[str, Any]
Contradiction = str | None  # in a sentence; None where the case is as claimed

EXAMPLES = 60  # cases of one search
VERDICTS = ("holds", "holds if", "refuted")


class Implementation:
    """A subject's operators as attributes: ``nn.conv2d``, ``nn.BatchNorm2d``."""

    def __init__(self, subject: Subject) -> None:
        self.name = subject.name
        self._find = subject.find

    def __getattr__(self, name: str) -> Any:
        found = self._find(name)
        if found is None:
            raise AttributeError(f"{self.name} has no {name}")
        return found


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What the notes say, restated; what decides it; and what the decision is."""

    row: str  # of the notes, see ``ROWS``
    says: str
    verdict: str
    property: Callable[..., Contradiction]  # of an implementation and a case
    cases: Mapping[str, st.SearchStrategy[Any]] = field(default_factory=dict)
    condition: str = ""  # of "holds if", in words
    within: Callable[..., bool] | None = None  # and as a condition on the case
    label: str = ""  # tells claims of one property apart
    picture: Callable[..., str] | None = None  # of the counterexample, as SVG
    subjects: tuple[str, ...] = ("reimpl", "torch")

    @property
    def id(self) -> str:
        return " ".join(filter(None, (self.row, self.property.__name__, self.label)))

    @property
    def tested(self) -> str:
        """The property in words."""
        return (self.property.__doc__ or "").strip().splitlines()[0]


@dataclass
class Decision:
    """What a search came to."""

    verdict: str
    cases: int  # that were as claimed, within the condition if there is one
    counterexample: Case | None = None
    contradiction: str = ""


def decide(claim: Claim, nn: Implementation, run_seed: int = 0) -> Decision:
    """Search the claim's domain, then the part of it in which its condition is met."""
    wide = search(claim, nn, run_seed, lambda **_: True)
    if wide.counterexample is None or claim.within is None:
        return wide
    inside = search(claim, nn, run_seed, claim.within)
    if inside.counterexample is not None:
        return inside
    return Decision("holds if", inside.cases, wide.counterexample, wide.contradiction)


def search(
    claim: Claim, nn: Implementation, run_seed: int, within: Callable[..., bool]
) -> Decision:
    """Look for a contradiction, and for the smallest one."""
    found: list[tuple[Case, str]] = []
    agreeing = 0

    def holds(case: Case) -> None:
        nonlocal agreeing
        contradiction = claim.property(nn, **case)
        if contradiction is not None:
            found.append((case, contradiction))
            raise Contradicted
        agreeing += 1

    domain = st.fixed_dictionaries(dict(claim.cases)).filter(lambda case: within(**case))
    run = settings(QUIET, max_examples=EXAMPLES)(given(domain)(holds))
    try:
        seed(stream(claim.id, run_seed))(run)()
    except Contradicted:  # Hypothesis ends with the smallest case
        return Decision("refuted", agreeing, *found[-1])
    return Decision("holds", agreeing)


class Contradicted(Exception):
    """A case contradicts the claim."""

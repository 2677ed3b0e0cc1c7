"""The page of claims: what the study notes say, what a search made of it, and the evidence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from parity_tests import subjects
from parity_tests.claims import NO_CLAIM, ROWS
from parity_tests.claims.claim import VERDICTS, Case, Claim, Decision, Implementation

Json = dict[str, Any]

SHAPES = {"holds": "pass", "holds if": "fault", "refuted": "fail"}  # the report's own shapes


def row(claim: Claim, decisions: Mapping[str, Decision]) -> Json:
    """A decided claim as JSON. The counterexample is that of the first subject."""
    first = next(iter(decisions.values()))
    found = first.counterexample
    module = claim.property.__module__.replace(".", "/")
    return {
        "id": claim.id,
        "row": claim.row,
        "says": claim.says,
        "claimed": claim.verdict,
        "decided": {name: decision.verdict for name, decision in decisions.items()},
        "condition": claim.condition,
        "tested": claim.tested,
        "cases": sum(decision.cases for decision in decisions.values()),
        "counterexample": None if found is None else in_words(found),
        "contradiction": first.contradiction,
        "picture": drawn(claim, first),
        "property": f"{module}.py::{claim.property.__name__}",
        "command": f'pytest "parity_tests/test_claims.py::test_claim[{claim.id}]"',
    }


def drawn(claim: Claim, decision: Decision) -> str:
    """The counterexample's picture, if the claim has one."""
    if claim.picture is None or decision.counterexample is None:
        return ""
    subject = subjects.load(claim.subjects[0])
    return claim.picture(Implementation(subject), **decision.counterexample)


def in_words(case: Case) -> str:
    """A case as one would write it down; the seed of random numbers is no part of it."""
    return ", ".join(f"{name} = {value!r}" for name, value in case.items() if name != "seed")


@dataclass(frozen=True)
class Group:
    """A row of the notes with its claims, or why it has none; undecided rows have neither."""

    row: str
    about: str
    claims: Sequence[Json]
    none: str


def groups(claims: Sequence[Json]) -> Iterator[Group]:
    """The notes' rows in order."""
    for name, about in ROWS.items():
        own = [claim for claim in claims if claim["row"] == name]
        yield Group(name, about, own, NO_CLAIM.get(name, ""))


def page(report: Mapping[str, Any]) -> Json:
    """What the template shows."""
    claims = report["claims"]
    tally = Counter(claim["claimed"] for claim in claims)
    return {
        "report": report,
        "groups": list(groups(claims)),
        "tally": [(verdict, SHAPES[verdict], tally[verdict]) for verdict in VERDICTS],
        "cases": sum(claim["cases"] for claim in claims),
        "shapes": SHAPES,
        "drawn": Markup,
    }

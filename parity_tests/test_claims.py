"""Every claim of the notes is decided, as it is declared, for every implementation it is about."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import strategies as st
from markupsafe import escape

from parity_tests.claims import CLAIMS, NO_CLAIM, ROWS
from parity_tests.claims.claim import VERDICTS, Claim, Implementation, decide
from parity_tests.report.claims import row
from parity_tests.report.render import render_claims
from parity_tests.run import Run
from parity_tests.subjects import TORCH


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_claim(claim: Claim, parity_run: Run) -> None:
    for name, found in parity_run.decide(claim).items():
        assert found.verdict == claim.verdict, (
            f"{name}: {claim.says}\nby the search it {found.verdict}: "
            f"{found.counterexample} {found.contradiction}"
        )


def test_every_row_is_decided_or_makes_no_claim() -> None:
    decided = {claim.row for claim in CLAIMS}
    assert decided | NO_CLAIM.keys() == ROWS.keys()
    assert not decided & NO_CLAIM.keys()


def test_claims_say_what_they_must() -> None:
    assert not [id for id, n in Counter(claim.id for claim in CLAIMS).items() if n > 1]
    for claim in CLAIMS:
        assert claim.verdict in VERDICTS
        assert claim.says.endswith(".")
        assert claim.tested, f"{claim.id} does not say what it tests"
        assert bool(claim.condition) == bool(claim.within) == (claim.verdict == "holds if")


def even(_: Implementation, n: int) -> str | None:
    """Whether a number is even."""
    return f"{n} is odd" if n % 2 else None


@pytest.mark.parametrize(
    ("cases", "within", "verdict", "counterexample"),
    [
        ({"n": st.integers(0, 9).map(lambda n: 2 * n)}, None, "holds", None),
        ({"n": st.integers(0, 9)}, None, "refuted", {"n": 1}),
        ({"n": st.integers(0, 9)}, lambda n: n % 4 == 0, "holds if", {"n": 1}),
        ({"n": st.integers(0, 9)}, lambda n: n > 3, "refuted", {"n": 5}),
    ],
)
def test_the_search_decides(
    cases: dict[str, st.SearchStrategy[int]],
    within: object,
    verdict: str,
    counterexample: dict[str, int] | None,
) -> None:
    """The smallest counterexample, and inside the condition if there is one."""
    claim = Claim(
        row="A1",
        says="Numbers are even.",
        verdict="holds",
        property=even,
        cases=cases,
        within=within,  # type: ignore[arg-type]
    )
    found = decide(claim, Implementation(TORCH))
    assert (found.verdict, found.counterexample) == (verdict, counterexample)


def test_the_page_shows_decisions_and_what_is_undecided() -> None:
    claims = [claim for claim in CLAIMS if claim.row in ("A11", "C5")]
    rows = [row(claim, {"torch": decide(claim, Implementation(TORCH))}) for claim in claims]
    shown = render_claims({"claims": rows, "versions": {"torch": "2"}})
    assert "Undecided." in shown
    assert "it names networks." in shown
    assert "://" not in shown
    for one, claim in zip(rows, claims, strict=True):
        assert str(escape(claim.says)) in shown
        assert str(escape(one["contradiction"][1:])) in shown  # it begins a sentence
        assert one["picture"] in shown
    assert any(one["picture"] for one in rows)
    assert shown.count("<article") == shown.count("</article>") == len(claims)

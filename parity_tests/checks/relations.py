"""One claim: what mathematics promises of the operator, with no reference asked."""

from __future__ import annotations

from parity_tests.checks.purity import same_bits
from parity_tests.trial import Trial, seeded


def relations(trial: Trial) -> None:
    """Linearity, adjointness, invariance and the like hold to the bit on exact numbers."""
    trial.ledger.start_case(trial)
    for relation in trial.op.relations:
        with trial.subject_at_work(), seeded():
            sides = list(relation(trial))
        for what, left, right in sides:
            trial.ledger.comparisons += 1
            if not same_bits(left, right):
                trial.depart(
                    f"{what}: {left.flatten()[:4].tolist()} … is not "
                    f"{right.flatten()[:4].tolist()} …",
                    kind=what,
                )

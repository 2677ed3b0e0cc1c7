"""Faults planted in reimpl to measure what the suite catches."""

from parity_tests.planted.backward import BACKWARD
from parity_tests.planted.blind import BLIND
from parity_tests.planted.blind_spots import BLIND_SPOTS, RIGHT
from parity_tests.planted.boundary import BOUNDARY
from parity_tests.planted.buffers import BUFFERS
from parity_tests.planted.contract import CONTRACT
from parity_tests.planted.controls import CONTROLS as WRAPPED
from parity_tests.planted.conventions import CONVENTIONS
from parity_tests.planted.corners import CORNERS, NEGATIVE_ZERO
from parity_tests.planted.errors import ERRORS
from parity_tests.planted.fault import Fault
from parity_tests.planted.geometry import GEOMETRY
from parity_tests.planted.history import HISTORY
from parity_tests.planted.hostile import HOSTILE
from parity_tests.planted.layout import LAYOUT
from parity_tests.planted.precision import PRECISION

__all__ = ["BLIND", "BLIND_SPOTS", "CONTROLS", "EQUIVALENT", "FAULTS", "HISTORY", "Fault"]

# Faults that turned out to do what torch does, by name, and the proof.
AS_TORCH = {
    "softplus-exponential-overflows": (
        "torch's own kernel computes log1p(exp(βx))/β and returns infinity for exactly these "
        "numbers, which the contract allows of the documented formula"
    ),
}
FAULTS: tuple[Fault, ...] = (
    *(*GEOMETRY, *BOUNDARY, *CONVENTIONS, *PRECISION, *BACKWARD, *BUFFERS, *CONTRACT),
    *(*CORNERS, *LAYOUT, *ERRORS, *HOSTILE),
    *HISTORY,
    *BLIND,
    *(fault for fault in BLIND_SPOTS if fault.name not in AS_TORCH),
)
CONTROLS: tuple[Fault, ...] = (*WRAPPED, *RIGHT)
# A fault that no check can see, and the proof.
EQUIVALENT: tuple[tuple[Fault, str], ...] = (
    (
        NEGATIVE_ZERO,
        "0 and -0 differ by 0, which is inside every bound, and the contract calls them equal",
    ),
    *((fault, AS_TORCH[fault.name]) for fault in BLIND_SPOTS if fault.name in AS_TORCH),
)

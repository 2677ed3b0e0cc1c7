"""For each fault of a blind spot a situation in which it shows; for each operator a plain call."""

from parity_tests.planted_situations.modes import GRADIENTS, MODES, SETTINGS, STATES
from parity_tests.planted_situations.numbers import INFINITE, MIXED, SIXTEEN_BIT, VALUES
from parity_tests.planted_situations.ordinary import HARMLESS, ORDINARY
from parity_tests.planted_situations.shapes import IMAGES, LAYERS, META, SIZES
from parity_tests.planted_situations.truth import TRUTH, UNUSUAL
from parity_tests.seen import Look

__all__ = ["HARMLESS", "ORDINARY", "SITUATIONS", "TRUTH", "UNUSUAL"]

SITUATIONS: dict[str, Look] = {
    **MODES, **SIXTEEN_BIT, **VALUES, **MIXED, **SIZES, **STATES, **SETTINGS, **INFINITE,
    **META, **GRADIENTS, **LAYERS, **IMAGES,
}  # fmt: skip

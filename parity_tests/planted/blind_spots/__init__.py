"""Faults in blind spots of tests like these.

Each shows in one situation only: a mode of autograd, a dtype, a size, a state of a tensor, a
setting of the process. ``test_planted_blind_spots.py`` shows each in such a situation. Their author
knew a list of kinds of blind spots and the suite's description, and had not read its search.
"""

from parity_tests.planted.blind_spots.controls import RIGHT
from parity_tests.planted.blind_spots.gradients import GRADIENTS
from parity_tests.planted.blind_spots.images import IMAGES
from parity_tests.planted.blind_spots.infinite import INFINITE
from parity_tests.planted.blind_spots.layers import LAYERS
from parity_tests.planted.blind_spots.meta import BYTES, META
from parity_tests.planted.blind_spots.mixed import MIXED
from parity_tests.planted.blind_spots.modes import MODES
from parity_tests.planted.blind_spots.settings import SETTINGS
from parity_tests.planted.blind_spots.sixteen_bit import SIXTEEN_BIT
from parity_tests.planted.blind_spots.sizes import SIZES
from parity_tests.planted.blind_spots.states import STATES
from parity_tests.planted.blind_spots.training import TRAINING
from parity_tests.planted.blind_spots.values import VALUES
from parity_tests.planted.fault import Fault

__all__ = ["BLIND_SPOTS", "RIGHT"]

BLIND_SPOTS: tuple[Fault, ...] = (
    *(*MODES, *TRAINING, *SIXTEEN_BIT, *VALUES, *MIXED, *SIZES),
    *(*STATES, *SETTINGS, *INFINITE, *META, *BYTES, *GRADIENTS),
    *(*LAYERS, *IMAGES),
)

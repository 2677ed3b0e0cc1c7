"""The networks of the notes, small, built from torch.nn, to be trained step for step."""

from parity_tests.networks.classifiers import CLASSIFIERS
from parity_tests.networks.generators import GENERATORS
from parity_tests.networks.network import Network
from parity_tests.networks.pixels import PIXELS

NETWORKS: tuple[Network, ...] = (*CLASSIFIERS, *GENERATORS, *PIXELS)

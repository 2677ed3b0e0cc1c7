"""The claims of the study notes this project began with: one file per subject, all decided.

``ROWS`` lists the notes' rows with what each is about; ``NO_CLAIM`` those that name an operator or
a network and state nothing that could be true or false.
"""

from __future__ import annotations

from parity_tests.claims import (
    activations,
    checkerboards,
    convolution,
    normalization,
    signatures,
    sizes,
    tensorflow,
    transposed_convolution,
    upsampling,
)
from parity_tests.claims.claim import Claim

CLAIMS: tuple[Claim, ...] = (
    *normalization.CLAIMS,
    *convolution.CLAIMS,
    *sizes.CLAIMS,
    *transposed_convolution.CLAIMS,
    *tensorflow.CLAIMS,
    *checkerboards.CLAIMS,
    *upsampling.CLAIMS,
    *activations.CLAIMS,
    *signatures.CLAIMS,
)

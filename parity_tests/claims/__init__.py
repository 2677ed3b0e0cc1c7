"""The claims of the study notes this project began with: one file per subject, all decided.

``ROWS`` lists the notes' rows with what each is about; ``NO_CLAIM`` those that name an operator or
a network and state nothing that could be true or false.
"""

from __future__ import annotations

from parity_tests.claims import (
    activations,
    checkerboards,
    convolution,
    convolution_kinds,
    images,
    normalization,
    pooling,
    signatures,
    sizes,
    tensorflow,
    transposed_convolution,
    upsampling,
)
from parity_tests.claims.claim import Claim

CLAIMS: tuple[Claim, ...] = (
    *images.CLAIMS,
    *normalization.CLAIMS,
    *pooling.CLAIMS,
    *convolution_kinds.CLAIMS,
    *convolution.CLAIMS,
    *sizes.CLAIMS,
    *transposed_convolution.CLAIMS,
    *tensorflow.CLAIMS,
    *upsampling.CLAIMS,
    *checkerboards.CLAIMS,
    *activations.CLAIMS,
    *signatures.CLAIMS,
)

ROWS = {
    "A1": "Gamma correction",
    "A2": "The Sobel operator",
    "A3": "The Fourier transform and filters in the frequency domain",
    "A4": "Scale space: LoG, DoG, keypoints",
    "A5": "Convolution in N, C, H, W",
    "A6": "One formula for all normalisation",
    "A7": "Batch norm of a fully connected layer",
    "A8": "Batch norm",
    "A9": "Group norm",
    "A10": "Instance norm",
    "A11": "Layer norm",
    "A11b": "Layer norm in recurrent networks",
    "A12": "Local response norm",
    "B1": "Pooling: examples",
    "B2": "Pooling: properties",
    "B3": "Several channels",
    "B4": "3-d convolution",
    "B5": "Transposed convolution",
    "B6": "Dilated convolution",
    "B7": "Spatially separable convolution",
    "B8": "Depthwise separable convolution",
    "B9": "Flattened convolution",
    "B10": "Grouped convolution",
    "B11": "Shuffled grouped convolution",
    "B12": "Receptive fields of stacks",
    "C1": "The layers of convolution",
    "C2": "Interpolation",
    "C3": "Convolution as a matrix",
    "C4": "The layers of transposed convolution",
    "C5": "Checkerboard artefacts",
    "D1": "Geometric arguments, groups, momentum",
    "D2": "Pixel shuffle",
    "D3": "normalize",
    "D4": "softplus",
    "D5": "softmax",
    "D6": "ReLU and ELU",
    "D7": "Linear",
    "E1": "Output sizes of convolution",
    "E2": "Output sizes of its transpose",
    "E3": "Three computations of a transposed convolution",
    "E4": "TensorFlow's conventions",
    "E5": "FCN-8s: upsampling",
    "E6": "Transposed convolution and checkerboards",
    "E6b": "The cost of upsampling",
    "E7": "Unpooling",
    "E8": "Networks",
    "S": "Misprinted signatures",
}

NO_CLAIM = {
    "A2": "names an operator: sobel",
    "A12": "names an operator: LocalResponseNorm",
    "D7": "names an operator: Linear",
    "E8": "names networks",
}

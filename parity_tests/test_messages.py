"""What is no operator of torch's has no cells: whatever is of the wrong kind, its message says so.

For operators that is the check ``errors``.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from reimpl import sift, tensorflow
from reimpl.analysis import costs, overlap, receptive_field, separability, sizes
from reimpl.analysis.convolution_matrix import convolution_matrix

AXIS = {"kernel": 3, "stride": 2, "padding": 1, "dilation": 2}
IMAGE = torch.zeros(20, 20)

# A call of each function, every argument given.
CALLS: tuple[tuple[Callable[..., Any], dict[str, Any]], ...] = (
    (sizes.convolution_size, {"size": 9, **AXIS}),
    (sizes.pooling_size, {"size": 9, **AXIS}),
    (sizes.transposed_size, {"size": 9, "output_padding": 1, **AXIS}),
    (sizes.input_sizes, {"output": 9, **AXIS}),
    (sizes.output_padding, {"size": 9, **AXIS}),
    (receptive_field.receptive_field, {"layers": [receptive_field.Layer(3)]}),
    (receptive_field.support, {"function": torch.neg, "input": torch.ones(3), "unit": (1,)}),
    (receptive_field.bounds, {"seen": torch.ones(2) == 1}),
    (
        costs.convolution,
        {"in_channels": 4, "out_channels": 2, "kernel": (3,), "positions": (5,), "groups": 2},
    ),
    (
        costs.depthwise_separable,
        {"in_channels": 4, "out_channels": 2, "kernel": (3,), "positions": (5,)},
    ),
    (
        costs.spatially_separable,
        {"channels": 4, "kernel": (3,), "size": (5,), "stride": 2, "padding": 1},
    ),
    (
        costs.flattened,
        {
            "in_channels": 4,
            "out_channels": 2,
            "kernel": (3,),
            "size": (5,),
            "stride": 2,
            "padding": 1,
        },
    ),
    (
        convolution_matrix,
        {
            "weight": torch.ones(2, 1, 3),
            "size": (9,),
            "stride": 2,
            "padding": 1,
            "dilation": 2,
            "groups": 2,
        },
    ),
    (separability.separate, {"kernel": torch.ones(2, 2)}),
    (separability.is_separable, {"kernel": torch.ones(2, 2), "tolerance": 0.1}),
    (separability.exact_factors, {"kernel": [[1, 2], [2, 4]]}),
    (overlap.overlap, {"size": (9,), "output_padding": 1, **AXIS}),
    (overlap.interior_overlap, {"kernel": 3, "stride": 2, "dilation": 2}),
    (overlap.period, {"kernel": 3, "stride": 2, "dilation": 2}),
    (overlap.is_even, {"kernel": 3, "stride": 2, "dilation": 2}),
    (
        tensorflow.conv2d,
        {
            "input": torch.ones(1, 5, 5, 2),
            "filters": torch.ones(3, 3, 2, 4),
            "strides": 1,
            "padding": "SAME",
            "data_format": "NHWC",
            "dilations": 1,
        },
    ),
    (
        tensorflow.conv2d_transpose,
        {
            "input": torch.ones(1, 5, 5, 4),
            "filters": torch.ones(3, 3, 2, 4),
            "output_shape": (1, 5, 5, 2),
            "strides": 1,
            "padding": "SAME",
            "data_format": "NHWC",
            "dilations": 1,
        },
    ),
    (sift.sift, {"image": IMAGE, "scales": sift.LOWE, "c_dog": 0.01, "c_edge": 10.0}),
    (sift.sift_keypoints, {"image": IMAGE, "scales": sift.LOWE, "c_dog": 0.01, "c_edge": 10.0}),
    (
        sift.sift_descriptors,
        {"image": IMAGE, "keypoints": sift.sift_keypoints(IMAGE), "scales": sift.LOWE},
    ),
)

# Who calls another one may leave it to say what is wrong.
NAMES = "|".join(function.__name__ for function, _ in CALLS)


def wrong_values(name: str, good: Any) -> Iterator[tuple[Any, Any]]:
    """Of another kind, and integers below the least: 1, or 0 for what is added; with what to raise.

    TensorFlow's conventions have a ValueError for every value of the right kind.
    """
    if name == "function":  # Python says itself that what is called cannot be
        return
    kind = ValueError if name == "data_format" else TypeError  # one of two words, or neither
    yield "three", (TypeError, RuntimeError, ValueError) if name == "padding" else kind
    yield object(), kind
    if not isinstance(good, float):
        yield math.pi, kind
    if type(good) is int:
        yield True, TypeError
        yield -1 if "padding" in name else 0, (RuntimeError, ValueError)


EACH = [
    pytest.param(function, {**call, name: wrong}, name, error, id=f"{function.__name__}-{name}-{i}")
    for function, call in CALLS
    for name, good in call.items()
    for i, (wrong, error) in enumerate(wrong_values(name, good))
]


@pytest.mark.parametrize(("function", "call"), CALLS)
def test_the_calls_are_good(function: Callable[..., Any], call: dict[str, Any]) -> None:
    assert call.keys() | {"ceil_mode"} >= inspect.signature(function).parameters.keys()
    function(**call)


@pytest.mark.parametrize(("function", "call", "name", "error"), EACH)
def test_a_wrong_value_is_named(
    function: Callable[..., Any], call: dict[str, Any], name: str, error: Any
) -> None:
    with pytest.raises(error) as caught:
        function(**call)
    assert re.match(rf"({NAMES}): .*\b{name}\b.*got", str(caught.value)), caught.value


DEFAULTS: dict[str, Any] = {
    "stride": 1,
    "padding": 0,
    "dilation": 1,
    "groups": 1,
    "output_padding": 0,
    "ceil_mode": False,
    "tolerance": None,
    "data_format": "NHWC",
    "dilations": None,
    "scales": sift.LOWE,
    "c_dog": 0.04 / 3,
    "c_edge": 10.0,
}

OWN_DEFAULTS: dict[Any, dict[str, Any]] = {
    sizes.pooling_size: {"stride": None},
    tensorflow.conv2d_transpose: {"padding": "SAME"},
}


@pytest.mark.parametrize("function", [function for function, _ in CALLS])
def test_what_is_not_given_is_torchs_and_lowes_default(function: Callable[..., Any]) -> None:
    expected = DEFAULTS | OWN_DEFAULTS.get(function, {})
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.default is not parameter.empty:
            assert parameter.default == expected[name], name

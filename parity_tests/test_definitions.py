"""The literal definitions against examples worked by hand, identities, and torch in float64."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch

from parity_tests.definitions.array import Array, positions
from parity_tests.definitions.convolution import convolution, transposed_convolution
from parity_tests.definitions.dual import Dual, slope, sqrt
from parity_tests.definitions.evaluate import element, numbers, plain
from parity_tests.definitions.normalization import batch_normalization
from parity_tests.experiments import outputs_of
from parity_tests.op import Call, Op
from parity_tests.ops import OPS
from parity_tests.search import rounds_of_calls
from parity_tests.strategies import REGIMES
from parity_tests.trial import torchs


def rows(*values: int) -> list[Fraction]:
    return [Fraction(v) for v in values]


def listed(array: Array) -> list[object]:
    return [array[i] for i in array.indices()]


def test_a_convolution_by_hand() -> None:
    x = Array.of((1, 1, 3, 3), rows(*range(9)))
    w = Array.of((1, 1, 2, 2), rows(1, 0, 0, -1))
    assert listed(convolution(x, w)) == [-4] * 4  # each element minus its lower right neighbour


def test_padding_stride_and_dilation_by_hand() -> None:
    x, w = Array.of((1, 1, 4), rows(1, 2, 3, 4)), Array.of((1, 1, 2), rows(10, 1))
    assert listed(convolution(x, w, padding=1)) == [1, 12, 23, 34, 40]
    assert listed(convolution(x, w, padding=1, stride=2)) == [1, 23, 40]
    assert listed(convolution(x, w, dilation=3)) == [14]
    assert listed(convolution(x, w, padding="same")) == [12, 23, 34, 40]  # the odd zero behind


def test_groups_by_hand() -> None:
    x = Array.of((1, 2, 1), rows(3, 5))
    w = Array.of((2, 1, 1), rows(10, 100))
    assert listed(convolution(x, w, groups=2)) == [30, 500]


def test_the_transpose_of_two_by_two_with_three_by_three_is_four_by_four() -> None:
    y, w = Array.of((1, 1, 2, 2), rows(1, 0, 0, 0)), Array.of((1, 1, 3, 3), rows(*range(9)))
    x = transposed_convolution(y, w)
    assert x.shape == (1, 1, 4, 4)
    assert [x[0, 0, 0, i] for i in range(4)] == [0, 1, 2, 0]
    assert transposed_convolution(y, w, padding=1).shape == (1, 1, 2, 2)


def test_strides_one_and_two_of_the_transpose_by_hand() -> None:
    """The identity kernel [[1, 0], [0, 1]] on 3 x 3, worked through for two strides."""
    y, w = Array.of((1, 1, 3, 3), rows(*range(1, 10))), Array.of((1, 1, 2, 2), rows(1, 0, 0, 1))
    one = transposed_convolution(y, w)
    assert one.shape == (1, 1, 4, 4)
    assert listed(one) == [1, 2, 3, 0, 4, 6, 8, 3, 7, 12, 14, 6, 0, 7, 8, 9]
    two = transposed_convolution(y, w, stride=2)
    assert two.shape == (1, 1, 6, 6)
    assert [two[0, 0, i, i] for i in range(6)] == [1, 1, 5, 5, 9, 9]


def test_the_transpose_is_the_adjoint() -> None:
    x, y = Array.of((1, 1, 7), rows(3, 1, 4, 1, 5, 9, 2)), Array.of((1, 1, 3), rows(2, 7, 1))
    w = Array.of((1, 1, 3), rows(8, 2, 8))
    forward = convolution(x, w, stride=2)
    back = transposed_convolution(y, w, stride=2)
    assert forward.shape == y.shape
    assert back.shape == x.shape
    there = sum(forward[i] * y[i] for i in positions(y.shape))
    assert there == sum(back[i] * x[i] for i in positions(x.shape))


def test_batch_normalization_by_hand() -> None:
    x = Array.of((2, 1), [1.0, 3.0])
    zero, one = Array.of((1,), [0.0]), Array.of((1,), [1.0])
    y, mean, var = batch_normalization(x, zero, one, training=True, momentum=0.5, eps=3.0)
    assert listed(y) == [-0.5, 0.5]  # (x − 2)/√(1 + 3)
    assert mean is not None
    assert var is not None
    assert (mean[0], var[0]) == (1.0, 1.5)  # unbiased: 2, not 1


def test_dual_numbers_differentiate() -> None:
    x = Dual(Fraction(3), Fraction(1))
    assert slope(x * x * x) == 27
    assert slope(1 / x) == Fraction(-1, 9)
    assert slope(sqrt(Dual(4.0, 1.0))) == 0.25
    twice = Dual(x, Dual(Fraction(1), 0))
    assert slope(slope(twice * twice * twice)) == 18  # 6x


def test_what_does_not_depend_on_a_number_has_no_slope_even_at_infinity() -> None:
    assert slope(Dual(2.0, 0) * float("inf")) == 0


def judged_by_torch(op: Op, call: Call) -> None:
    """Every element of the definition's output is torch's, to float64's accuracy."""
    inputs = {n: t.double() if t.is_floating_point() else t for n, t in call.tensors(F64).items()}
    results = outputs_of(op.run(torchs(op), call, {n: t.clone() for n, t in inputs.items()}))
    for name, found in results.items():
        indices = list(positions(tuple(found.shape)))
        for index in indices[:: max(1, len(indices) // 12)]:
            got = element(op, call, inputs, {}, name, index)
            if got is None:
                continue  # a division by zero, or a random number
            assert got == pytest.approx(found[index].item(), rel=1e-9, abs=1e-9)


F64 = torch.float64


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_definitions_agree_with_torch(op: Op) -> None:
    drawn = 0
    for call in rounds_of_calls(op, REGIMES[0], examples=6, seed=1):
        judged_by_torch(op, call)
        drawn += 1
    assert drawn >= 5


def test_numbers_are_exact() -> None:
    t = torch.tensor([0.1, 2.0**-1074, 1e308], dtype=F64)
    assert [plain(v) for v in listed(numbers(t))] == t.tolist()
    assert plain(2**64 + 5) == 5  # integers wrap as int64's do

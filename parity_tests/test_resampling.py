# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls
"""Interpolation's own rounding rule: right values, sound bounds, exact where weights are."""

import itertools

import pytest
import torch
import torch.nn.functional as F
from torch.autograd import grad

from parity_tests.running_error import accept, bound, error_over_bound

MODES = {"linear": 1, "bilinear": 2, "trilinear": 3, "bicubic": 2}
SIZES = [(5, 7, None), (9, 4, None), (1, 4, None), (6, 1, None), (4, None, 2.0), (7, None, 0.6)]
CASES = list(itertools.product(MODES, SIZES, (False, True)))


def experiment(mode, size, scale, align):
    """The output, the gradient of its input, and the second gradient."""

    def run(x, cotangent, over):
        x.requires_grad_(), cotangent.requires_grad_()
        y = F.interpolate(x, size, scale, mode, align_corners=align)
        (first,) = grad(y, x, cotangent, create_graph=True)
        (second,) = grad(first, cotangent, over)
        return [y.detach(), first.detach(), second]

    return run


def case(mode, n, size, scale, *, integers=False):
    """An input, a cotangent and a second one."""
    generator = torch.Generator().manual_seed(n)
    x = torch.randn(2, 3, *[n] * MODES[mode], generator=generator)
    y = F.interpolate(x, size, scale, mode)
    made = [x, torch.randn(y.shape, generator=generator), torch.randn(x.shape, generator=generator)]
    return [t.sign() if integers else t for t in made]


@pytest.mark.parametrize(("mode", "sizes", "align"), CASES)
def test_single_precision_lies_within_the_bound_and_the_value_is_the_kernels(mode, sizes, align):
    n, size, scale = sizes
    run, inputs = experiment(mode, size, scale, align), case(mode, n, size, scale)
    true = run(*(t.double() for t in inputs))
    got = run(*(t.clone() for t in inputs))
    for y, exact, b in zip(got, true, bound(run, inputs, torch.float32), strict=True):
        assert b is not None
        torch.testing.assert_close(b.value, exact, rtol=1e-12, atol=1e-12)
        assert accept(y, b.value, b.error).all()
        assert float(error_over_bound(y, b.value, b.error).max()) < 3


@pytest.mark.parametrize("mode", MODES)
def test_dyadic_factors_are_exact_and_others_are_not(mode):
    inputs = case(mode, 4, 8, None, integers=True)
    exact = bound(experiment(mode, 8, None, align=False), inputs, torch.float32)
    assert all(b is not None and not b.error.any() for b in exact)
    inexact = bound(experiment(mode, 8, None, align=True), inputs, torch.float32)
    assert all(b is not None and b.error.any() for b in inexact)


def test_an_infinite_sample_touches_only_what_takes_it():
    x = torch.zeros(1, 1, 6)
    x[..., 0] = torch.inf
    (b,) = bound(lambda x: [F.interpolate(x, 12, mode="linear")], [x], torch.float32)
    assert b is not None
    assert b.value[..., 3:].eq(0).all()
    assert b.error[..., 3:].isfinite().all()


def test_a_coordinate_near_an_integer_may_round_to_either_side():
    """0.6 per step is 3 after five of them, or a little less: then the sample before takes part."""
    x = torch.zeros(1, 1, 7)
    x[..., 2] = 1e6
    run = lambda x: [F.interpolate(x, 11, mode="linear", align_corners=True)]  # noqa: E731
    (b,) = bound(run, [x], torch.float32)
    assert b is not None
    assert 0 < float(b.error[0, 0, 5]) < 10

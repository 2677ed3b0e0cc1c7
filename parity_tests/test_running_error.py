# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import grad
from torch.func import functional_call

import reimpl.cooley_tukey
from parity_tests.running_error import (
    Bounded,
    NoRule,
    Tracked,
    accept,
    bound,
    error_over_bound,
    one_operator,
)

torch.set_num_threads(1)

F64 = torch.float64


def normal(*shape, seed=0, dtype=torch.float32, requires_grad=False, mean=0.0, integers=False):
    rng = np.random.default_rng((seed, *shape))
    x = rng.integers(-2, 3, shape) if integers else rng.standard_normal(shape) + mean
    if dtype.is_complex:
        x = x + 1j * rng.standard_normal(shape)
    return torch.tensor(x).to(dtype).requires_grad_(requires_grad)


def with_gradients(fn, n):
    """The outputs of fn on its first n arguments and their gradients; the next is the cotangent."""

    def call(*args):
        y = fn(*args[:n])
        return [y, *grad(y, args[:n], args[n])]

    return call


def with_second_gradients(fn, n):
    def call(*args):
        operands, cotangent, rest = args[:n], args[n], args[n + 1 :]
        first = grad(fn(*operands), operands, cotangent, create_graph=True)
        return grad(first, [*operands, cotangent], rest, materialize_grads=True)

    return call


def oracle(fn, inputs):
    wide = {True: torch.complex128, False: F64}
    return fn(
        *[
            x.detach().to(wide[x.is_complex()]).requires_grad_(x.requires_grad)
            if x.is_floating_point() or x.is_complex()
            else x.clone()
            for x in inputs
        ]
    )


def bounds(fn, inputs, dtype=torch.float32, **options) -> list[Bounded]:
    """Of a function none of whose outputs is None."""
    bounded = bound(fn, inputs, dtype, **options)
    assert None not in bounded
    return [b for b in bounded if b is not None]


def worst(candidates, bounded) -> float:
    assert len(candidates) == len(bounded)
    return max(
        float(error_over_bound(c.detach(), b.value, b.error).max())
        for c, b in zip(candidates, bounded, strict=True)
        if c is not None and c.numel()
    )


def one(fn, inputs, dtype=torch.float32, **options) -> Bounded:
    return bounds(lambda *args: [fn(*args)], inputs, dtype, **options)[0]


# ---- soundness

OPERATORS: dict[str, tuple[Any, ...]] = {
    "conv1d": (lambda x, w, b: F.conv1d(x, w, b, 2, 1), (2, 4, 9), (3, 4, 3), (3,)),
    "conv2d": (lambda x, w, b: F.conv2d(x, w, b, 1, 1, 2, 2), (2, 4, 6, 5), (4, 2, 3, 2), (4,)),
    "conv3d": (lambda x, w, b: F.conv3d(x, w, b), (1, 2, 3, 4, 3), (3, 2, 2, 2, 2), (3,)),
    "conv_transpose2d": (
        lambda x, w, b: F.conv_transpose2d(x, w, b, 2, 1, 1),
        (2, 3, 4, 3),
        (3, 2, 3, 3),
        (2,),
    ),
    "linear": (F.linear, (4, 7), (5, 7), (5,)),
    "batch_norm": (
        lambda x, w, b: F.batch_norm(x, None, None, w, b, True),
        (3, 3, 4, 2),
        (3,),
        (3,),
    ),
    "layer_norm": (lambda x, w, b: F.layer_norm(x, (6,), w, b), (5, 6), (6,), (6,)),
    "group_norm": (lambda x, w, b: F.group_norm(x, 2, w, b), (2, 4, 3, 3), (4,), (4,)),
    "rms_norm": (lambda x, w: F.rms_norm(x, (7,), w, 1e-5), (3, 7), (7,)),
    "avg_pool2d": (lambda x: F.avg_pool2d(x, 3, 2, 1), (2, 3, 7, 6)),
    "max_pool2d": (lambda x: F.max_pool2d(x, 3, 2, 1), (2, 3, 7, 6)),
    "adaptive_avg_pool2d": (lambda x: F.adaptive_avg_pool2d(x, (3, 2)), (2, 3, 7, 5)),
    "lp_pool1d": (lambda x: F.lp_pool1d(x.abs() + 0.5, 3.0, 3, 2), (2, 3, 9)),
    "local_response_norm": (lambda x: F.local_response_norm(x, 3), (2, 6, 5)),
    "softmax": (lambda x: F.softmax(x, 1), (4, 9)),
    "log_softmax": (lambda x: F.log_softmax(x, 1), (4, 9)),
    "normalize": (lambda x: F.normalize(x, 3.0, 1), (4, 9)),
    "gelu": (lambda x: F.gelu(4 * x), (4, 9)),
    "softplus": (lambda x: F.softplus(4 * x, 2.0), (4, 9)),
    "bilinear": (lambda x: F.interpolate(x, size=(7, 3), mode="bilinear"), (2, 2, 5, 4)),
    "bicubic antialiased": (
        lambda x: F.interpolate(x, size=(3, 4), mode="bicubic", antialias=True),
        (2, 2, 7, 6),
    ),
    "pad circular": (lambda x: F.pad(x, (1, 2), mode="circular"), (2, 3, 5)),
    "fold": (lambda x: F.fold(x, (5, 5), 3, padding=1, stride=2), (2, 18, 9)),
}


def arguments(name, seed=0, dtype=torch.float32, **options):
    """Operands, cotangent and one weight for each gradient."""
    fn, *shapes = OPERATORS[name]
    operands = [
        normal(*s, seed=seed + i, dtype=dtype, requires_grad=True, **options)
        for i, s in enumerate(shapes)
    ]
    y = fn(*operands)
    weights = [normal(*s, seed=seed + 8 + i, dtype=dtype) for i, s in enumerate(shapes)]
    return (
        fn,
        [*operands, normal(*y.shape, seed=seed + 7, dtype=dtype, requires_grad=True)],
        weights,
    )


@pytest.mark.parametrize("mean", [0.0, 100.0])
@pytest.mark.parametrize("name", OPERATORS)
def test_float32_of_torch_stays_within_the_bound(name, mean):
    for seed in range(3):
        fn, inputs, _ = arguments(name, seed, mean=mean)
        call = with_gradients(fn, len(inputs) - 1)
        bounded = bounds(call, inputs, torch.float32)
        assert worst(call(*inputs), bounded) < 2.0
        for b, y in zip(bounded, oracle(call, inputs), strict=True):
            torch.testing.assert_close(b.value, y.detach(), rtol=1e-9, atol=1e-9)
            assert bool(b.error.isfinite().all())


@pytest.mark.parametrize("name", ["conv2d", "conv_transpose2d", "batch_norm", "softmax", "linear"])
def test_second_gradients_in_float32_stay_within_the_bound(name):
    fn, inputs, weights = arguments(name)
    call = with_second_gradients(fn, len(inputs) - 1)
    bounded = bounds(call, [*inputs, *weights], torch.float32)
    assert worst(call(*inputs, *weights), bounded) < 2.0


# Kernels that round to bfloat16 once; others of torch's keep their sums or statistics in it.
@pytest.mark.parametrize(
    "name", ["conv1d", "conv2d", "linear", "rms_norm", "lp_pool1d", "softplus"]
)
def test_bfloat16_of_torch_stays_within_the_bound_where_it_rounds_once(name):
    fn, inputs, _ = arguments(name, dtype=torch.bfloat16)
    call = with_gradients(fn, len(inputs) - 1)
    assert worst(call(*inputs), bounds(call, inputs, torch.bfloat16)) < 2.0


def test_a_convolution_tapped_in_bfloat16_needs_every_addition_rounded():
    x, w = normal(40, 30, dtype=torch.bfloat16), normal(30, seed=1, dtype=torch.bfloat16)
    total = torch.zeros(40, dtype=torch.bfloat16)
    for i in range(30):
        total = total + x[:, i] * w[i]
    once = one(torch.mv, [x, w], torch.bfloat16)
    every = one(torch.mv, [x, w], torch.bfloat16, rounding="every")
    assert worst([total], [once]) > 8
    assert worst([total], [every]) < 1


def test_a_composed_bfloat16_expression_needs_every_primitive_rounded():
    def layer_norm(x):
        centred = x - x.mean(-1, keepdim=True)
        return [centred * torch.rsqrt((centred * centred).mean(-1, keepdim=True) + 2.0**-10)]

    x = normal(20, 16, dtype=torch.bfloat16)

    def operator(x):
        return [F.layer_norm(x, (16,), eps=2.0**-10)]

    assert worst(layer_norm(x), bounds(operator, [x], torch.bfloat16)) > 8
    assert worst(layer_norm(x), bounds(operator, [x], torch.bfloat16, rounding="composed")) < 2


# ---- one rounding per operator


BF16 = torch.bfloat16


def composed_norm(x):
    return x / (x * x).sum(-1, keepdim=True).sqrt()


def relative(bounded):
    return float((bounded.error / bounded.value.abs()).max())


def test_nothing_inside_an_operator_is_rounded_to_storage():
    x = normal(3, 8, dtype=BF16)
    assert relative(one(one_operator(composed_norm), [x], BF16)) < 1e-5
    assert relative(one(composed_norm, [x], BF16)) > 1e-3


def test_nothing_in_the_first_backward_of_an_operator_is_rounded_to_storage():
    x = normal(3, 8, dtype=BF16, requires_grad=True)
    g = normal(3, 8, seed=1, dtype=BF16)
    (b,) = bounds(lambda x, g: grad(one_operator(composed_norm)(x), x, g), [x, g], BF16)
    assert float(b.error.max()) < 1e-5


def test_a_backward_may_use_the_rounded_output():
    x = normal(3, 8, dtype=BF16, requires_grad=True)
    g = normal(3, 8, seed=1, dtype=BF16)

    def gradient(function):
        return lambda x, g: grad(one_operator(function)(x), x, g)

    (of_sigmoid,) = bounds(gradient(torch.sigmoid), [x, g], BF16)  # which saves its output
    (of_softplus,) = bounds(gradient(F.softplus), [x, g], BF16)  # which saves its input
    assert float((of_sigmoid.error / of_sigmoid.value.abs()).min()) > 1e-4
    assert relative(of_softplus) < 1e-5
    y = x.detach().sigmoid()
    used = g.double() * y.double() * (1 - y.double())
    assert bool(accept(used.to(BF16), of_sigmoid.value, of_sigmoid.error).all())


def test_results_are_rounded_when_used_again():
    x = normal(3, 8, dtype=BF16)
    function = one_operator(composed_norm)
    assert 1e-4 < relative(one(lambda x: function(x) * 3, [x], BF16)) < 2.0**-8


def test_what_is_written_into_the_callers_tensors_is_rounded():
    def step(x, state):
        state.mul_(0.9).add_(x.exp() * 0.1)
        return state * 1

    x, state = normal(8, dtype=BF16), normal(8, seed=1, dtype=BF16).abs()
    once = one(one_operator(lambda x, state: x.exp() * 0.1 + state * 0.9), [x, state], BF16)
    steps = one(lambda x, state: one_operator(step)(x, state.clone()), [x, state], BF16)
    kept = one(lambda x, state: one_operator(step)(x, state), [x, state], BF16)
    assert relative(once) < 1e-6
    assert relative(steps) < 1e-6
    assert relative(kept) > 1e-4


def test_stages_that_are_operators_are_rounded_between():
    inner = one_operator(torch.exp)

    def both(x):
        return inner(inner(x))

    x = normal(8, dtype=BF16, requires_grad=True)
    g = normal(8, seed=1, dtype=BF16)
    assert relative(one(one_operator(both), [x], BF16)) > 1e-4
    assert relative(one(one_operator(lambda x: x.exp().exp()), [x], BF16)) < 1e-5
    (b,) = bounds(lambda x, g: grad(one_operator(both)(x), x, g), [x, g], BF16)
    a = x.detach().exp()
    y = a.exp()
    rounded = (g * y) * a  # the first product is a gradient that leaves a stage
    assert bool(accept(rounded, b.value, b.error).all())


def test_a_second_differentiation_rounds_what_autograd_calls():
    x = normal(8, dtype=BF16, requires_grad=True)
    g = normal(8, seed=1, dtype=BF16, requires_grad=True)
    h = normal(8, seed=2, dtype=BF16)

    def second(x, g, h):
        (first,) = grad(one_operator(F.softplus)(x), x, g, create_graph=True)
        return grad(first, [x, g], h)

    of_x, of_g = bounds(second, [x, g, h], BF16)
    assert float((of_x.error / of_x.value.abs()).median()) > 1e-4
    assert worst(second(x, g, h), [of_x, of_g]) < 8


def test_outside_an_analysis_an_operator_is_the_function():
    x = normal(3, 8)
    assert torch.equal(one_operator(composed_norm)(x), composed_norm(x))


def test_an_unlimited_range_overflows_nowhere():
    x = torch.tensor([1e30, 1.0])

    def root(x):
        return [(x * x).sqrt()]

    (bounded,) = bounds(root, [x], torch.float32, unlimited=True)
    assert bool((bounded.error < 1e-6 * bounded.value).all())


def test_a_negative_divisor_has_a_bound():
    x = normal(1, 2, 4, 4, requires_grad=True)

    def pool(x):
        return F.avg_pool2d(x, 3, 1, divisor_override=-2)

    y = pool(x)
    call = with_gradients(pool, 1)
    inputs = [x, normal(*y.shape, seed=1)]
    bounded = bounds(call, inputs)
    assert all(bool(b.error.isfinite().all()) for b in bounded)
    assert worst(call(*inputs), bounded) < 2


# Not quite for the scalars of bilinear and batch norm, which float64 holds.
@pytest.mark.parametrize(
    ("name", "tolerance"),
    [("conv2d", 1e-3), ("softmax", 1e-3), ("batch_norm", 0.02), ("bilinear", 1)],
)
def test_the_bound_is_proportional_to_the_unit_roundoff(name, tolerance):
    fn, inputs, _ = arguments(name)
    call = with_gradients(fn, len(inputs) - 1)
    single, double = (bounds(call, inputs, dtype) for dtype in (torch.float32, F64))
    for s, d in zip(single, double, strict=True):
        torch.testing.assert_close(d.error * 2.0**29, s.error, rtol=tolerance, atol=1e-12)


def test_bounds_are_deterministic_and_ignore_layout():
    fn, inputs, _ = arguments("conv2d")
    first = bounds(with_gradients(fn, 3), inputs, torch.float32)
    strided = [x.detach().mT.contiguous().mT if x.dim() > 1 else x.detach() for x in inputs]
    again = bounds(with_gradients(fn, 3), [x.requires_grad_() for x in strided], torch.float32)
    for a, b in zip(first, again, strict=True):
        assert torch.equal(a.value, b.value)
        assert torch.equal(a.error, b.error)


def test_terms_count_the_longest_sum():
    fn, inputs, _ = arguments("conv2d")
    y, *_, gb = bounds(with_gradients(fn, 3), inputs, torch.float32)
    assert [b.terms for b in (y, gb)] == [
        2 * 3 * 2 + 1,
        math.prod(inputs[3].shape) // 4,
    ]  # the bias is an addend too


# ---- complex numbers, modules and buffers


@pytest.mark.parametrize("transposed", [False, True])
def test_complex_convolution_and_its_gradients(transposed):
    convolve: Callable[..., Tensor] = F.conv_transpose2d if transposed else F.conv2d
    shapes = (2, 3, 5, 4), (3, 3, 3, 2), (3,)
    inputs = [
        normal(*s, seed=i, dtype=torch.complex64, requires_grad=True) for i, s in enumerate(shapes)
    ]
    y = convolve(*inputs, 2, 1)
    inputs.append(normal(*y.shape, seed=5, dtype=torch.complex64, requires_grad=True))
    weights = [normal(*s, seed=6, dtype=torch.complex64) for s in shapes]
    first, second = (
        with_gradients(lambda x, w, b: convolve(x, w, b, 2, 1), 3),
        with_second_gradients(lambda x, w, b: convolve(x, w, b, 2, 1), 3),
    )
    bounded = bounds(first, inputs, torch.complex64)
    assert bounded[0].value.dtype == torch.complex128
    assert bounded[0].error.dtype == F64
    assert worst(first(*inputs), bounded) < 1
    assert worst([bounded[0].value * (1 + 5e-5j)], bounded[:1]) > 8
    assert accept(first(*inputs)[0], bounded[0].value, bounded[0].error).all()
    operands = [*inputs, *weights]
    assert worst(second(*operands), bounds(second, operands, torch.complex64)) < 1


@pytest.mark.parametrize("momentum", [0.1, None])
def test_modules_write_their_buffers(momentum):
    module = torch.nn.BatchNorm2d(3, momentum=momentum)
    state = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    names = list(state)

    def call(x, *tensors):
        given = dict(zip(names, tensors, strict=True))
        y = functional_call(module, given, (x,))
        return [y, given["running_mean"], given["running_var"], given["num_batches_tracked"]]

    inputs = [normal(4, 3, 5, 2, mean=3.0), *(t.detach().clone() for t in state.values())]
    bounded = bounds(call, inputs, torch.float32)
    assert inputs[-1] == 0  # the caller's tensors are left alone
    _, _, variance, batches = bounded
    assert (batches.value.item(), batches.error.item()) == (1, 0)
    assert worst(call(*inputs)[:3], bounded[:3]) < 2
    x = inputs[0].double()
    factor = momentum or 1.0
    biased = (1 - factor) + factor * x.var((0, 2, 3), correction=0)
    assert worst([biased.float()], [variance]) > 8


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
def test_padded_convolution_modules(mode):
    module = torch.nn.Conv2d(2, 3, 3, padding=1, padding_mode=mode)

    def call(x, w, b):
        y = functional_call(module, {"weight": w, "bias": b}, (x,))
        return [y, *grad(y.square().sum(), (x, w, b))]

    inputs = [normal(2, 2, 4, 5, requires_grad=True), *module.parameters()]
    assert worst(call(*inputs), bounds(call, inputs, torch.float32)) < 1


# ---- Fourier transforms


def transformed_naively(x, roots=None):
    """Sum after sum, in order."""
    k = torch.arange(x.shape[-1])
    roots = reimpl.cooley_tukey.roots(len(k), -1, x) if roots is None else roots
    y = torch.zeros_like(x)
    for j in range(len(k)):
        y = y + x[..., j : j + 1] * roots[j * k % len(k)]
    return y


def by_columns(transform):
    return lambda x: transform(x.T.contiguous(), -1).T


ALGORITHMS = {
    "naive": transformed_naively,
    "Cooley and Tukey": by_columns(reimpl.cooley_tukey.transform),
    "Bluestein": by_columns(reimpl.cooley_tukey._by_chirp),
    "torch": torch.fft.fft,
}


# Errors keep to one output for a constant and for a wave.
FOURIER_DATA = {
    "normal": lambda n: normal(3, n, dtype=torch.complex128),
    "constant": lambda n: torch.full((1, n), 0.1, dtype=torch.complex128),
    "offset": lambda n: normal(3, n, dtype=torch.complex128) + 1000,
    "wave": lambda n: torch.exp(6j * math.pi * torch.arange(n, dtype=F64) / n).unsqueeze(0) / 10,
}


@pytest.mark.parametrize("data", FOURIER_DATA)
@pytest.mark.parametrize("name", ALGORITHMS)
def test_any_algorithm_of_the_fourier_transform_stays_within_the_bound(name, data):
    # A naive sum is no fast algorithm: its error grows as its length.
    for n in (2, 3, 7, 8, 31, 61, 64, 100, 243, *((1009,) if name != "naive" else ())):
        x = FOURIER_DATA[data](n).to(torch.complex64)
        bounded = one(torch.fft.fft, [x], torch.complex64)
        assert worst([ALGORITHMS[name](x)], [bounded]) < 1


def is_rejected(candidate, bounded):
    return not accept(candidate, bounded.value, bounded.error).all()


@pytest.mark.parametrize("n", [5, 61, 64])
def test_wrong_twiddles_are_caught(n):
    x = normal(3, n, dtype=torch.complex128)
    bounded = one(torch.fft.fft, [x], torch.complex128)
    right = reimpl.cooley_tukey.roots(n, -1, x)
    assert not is_rejected(transformed_naively(x, right), bounded)
    single = reimpl.cooley_tukey.roots(n, -1, x.to(torch.complex64)).to(x.dtype)
    assert is_rejected(transformed_naively(x, single), bounded)
    off = right.clone()
    off[n // 2] *= 1 + 1e-4 / n  # one of n
    assert is_rejected(transformed_naively(x, off), bounded)
    assert is_rejected(transformed_naively(x, right.conj()), bounded)


def test_a_relative_error_of_a_ten_thousandth_of_one_output_is_caught():
    for n in (2, 16, 61, 64):
        bounded = one(torch.fft.fft, [normal(1, n, dtype=torch.complex64)], torch.complex64)
        assert is_rejected((bounded.value * (1 + 1e-4)).to(torch.complex64), bounded)


def test_halves_of_spectra_and_their_gradients():
    x = normal(3, 12, requires_grad=True)
    cotangent = normal(3, 7, dtype=torch.complex64, seed=1)
    call = with_gradients(torch.fft.rfft, 1)
    assert worst(call(x, cotangent), bounds(call, [x, cotangent])) < 1
    half = cotangent.clone().requires_grad_()
    call = with_gradients(lambda y: torch.fft.irfft(y, 12), 1)
    operands = [half, normal(3, 12, seed=2)]
    assert worst(call(*operands), bounds(call, operands)) < 1


def test_transforms_one_after_another_and_scaled():
    def call(x):
        y = torch.fft.fftn(x, dim=(1, 2), norm="ortho")
        return [y, torch.fft.ifftn(torch.exp(-y.abs()) * y, norm="forward")]

    x = normal(2, 6, 10)
    assert worst(call(x), bounds(call, [x])) < 1


def test_a_transform_rounds_even_integers_but_not_of_length_one_nor_zeros():
    x = normal(2, 4, integers=True)
    assert one(torch.fft.fft, [x + 5]).error.all()
    assert not one(torch.fft.fft, [x[:, :1]]).error.any()
    assert not one(torch.fft.fft, [0 * x]).error.any()


# ---- exactness


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.complex64])
@pytest.mark.parametrize("name", ["conv1d", "conv2d", "conv_transpose2d", "linear"])
def test_small_integers_are_exact(name, dtype):
    real = torch.float32 if dtype.is_complex else dtype
    fn, inputs, _ = arguments(name, dtype=real, integers=True)
    inputs = [x.detach().sign().to(dtype).requires_grad_() for x in inputs]
    call = with_gradients(fn, len(inputs) - 1)
    for b, c in zip(bounds(call, inputs, dtype), call(*inputs), strict=True):
        assert not b.error.any()
        assert torch.equal(c.detach(), b.value.to(dtype))


def test_dyadic_averages_are_exact_and_others_are_not():
    x = normal(2, 2, 4, 4, integers=True)
    assert not one(lambda x: F.avg_pool2d(x, 2), [x]).error.any()
    assert one(lambda x: F.avg_pool2d(x, 3), [x]).error.all()
    assert not one(lambda x: F.avg_pool2d(x, 3, divisor_override=4), [x / 8]).error.any()
    assert one(lambda x: F.avg_pool2d(x, 2, padding=1, count_include_pad=False), [x]).error.any()


def test_sums_beyond_the_significand_are_not_exact():
    x = torch.full((64,), 2.0**10)
    assert not one(torch.sum, [x]).error.any()
    assert one(torch.sum, [torch.cat([x, torch.tensor([2.0**-7])])]).error.any()


def test_a_result_that_storage_cannot_hold_is_not_exact_when_used_again():
    x = torch.full((4,), 17.0, dtype=torch.bfloat16)
    assert not one(
        lambda x: x * x, [x], torch.bfloat16
    ).error.any()  # 289: rounded once, at the end
    assert one(lambda x: x * x + 1, [x], torch.bfloat16).error.all()


@pytest.mark.parametrize(
    "fn",
    [
        lambda x: F.max_pool2d(x, 2),
        lambda x: F.relu(x),
        lambda x: F.pad(x, (1, 1), value=0.3),
        lambda x: F.pixel_shuffle(x.reshape(1, 4, 2, -1), 2),
        lambda x: F.interpolate(x, size=(7, 3)),
        lambda x: x.clamp(-0.1, 0.1),
    ],
)
def test_selections_are_exact_for_all_numbers(fn):
    assert not one(fn, [normal(1, 2, 6, 6)]).error.any()


# ---- sensitivity


def is_caught(candidate: Tensor, bounded: Bounded) -> bool:
    excess = error_over_bound(candidate, bounded.value, bounded.error)
    assert bool((accept(candidate, bounded.value, bounded.error) == (excess <= 8)).all())
    return bool((excess > 8).any())


def test_a_relative_error_of_a_hundred_thousandth_is_caught():
    fn, inputs, _ = arguments("conv2d")
    bounded = one(fn, inputs[:3])
    assert not is_caught(bounded.value.float(), bounded)
    assert is_caught((bounded.value * (1 + 1e-5)).float(), bounded)


def test_partial_sums_in_bfloat16_are_caught():
    a, b = normal(8, 32), normal(32, 8, seed=1)
    halves = [(a[:, k] @ b[k]).bfloat16().float() for k in (slice(16), slice(16, 32))]
    assert is_caught(sum(halves), one(torch.mm, [a, b]))


def test_one_pass_variance_is_caught():
    x = normal(4, 3, 8, mean=1000.0)
    bounded = one(lambda x: F.batch_norm(x, None, None, training=True), [x])
    mean = x.mean((0, 2), keepdim=True)
    two_pass = (x - mean).square().mean((0, 2), keepdim=True)
    one_pass = (x * x).mean((0, 2), keepdim=True) - mean * mean
    assert not is_caught((x - mean) * (two_pass + 1e-5).rsqrt(), bounded)
    assert is_caught((x - mean) * (one_pass + 1e-5).rsqrt(), bounded)


def test_eps_outside_the_root_is_caught():
    x = normal(4, 3, 8)
    bounded = one(lambda x: F.batch_norm(x, None, None, training=True, eps=2.0**-10), [x])
    deviation = x - x.mean((0, 2), keepdim=True)
    variance = deviation.square().mean((0, 2), keepdim=True)
    assert not is_caught(deviation / (variance + 2.0**-10).sqrt(), bounded)
    assert is_caught(deviation / (variance.sqrt() + 2.0**-10), bounded)


def test_softmax_without_its_shift_is_caught():
    x = normal(4, 9) - 100
    bounded = one(lambda x: F.log_softmax(x, 1), [x])
    assert is_caught(x - x.exp().sum(1, keepdim=True).log(), bounded)


# ---- steps


def test_an_error_that_straddles_a_step_covers_both_sides():
    x = torch.tensor([0.3, 2.0])
    bounded = one(lambda x: torch.floor(x / 0.1), [x])
    assert bounded.error.tolist() == [1.0, 1.0]  # 0.3/0.1 and 2/0.1 may fall on either side
    assert one(lambda x: torch.floor(x / 0.4), [x]).error.tolist() == [0.0, 1.0]


def test_a_threshold_that_the_dtype_cannot_hold():
    x = torch.tensor([0.1, 0.2])
    assert one(lambda x: F.hardshrink(x, 0.1), [x]).error.tolist() == [x.double()[0].item(), 0.0]


# ---- range and classes


def test_overflow_of_the_compute_range_says_nothing():
    x = torch.tensor([1e30, 1.0])
    assert one(lambda x: x * x, [x]).error.isinf().tolist() == [True, False]
    assert one(lambda x: (x * x).sqrt(), [x]).error.isinf().tolist() == [True, False]
    assert one(lambda x: x * x, [x.double() * 1e130], F64).error.isinf().tolist() == [True, False]
    assert one(torch.sum, [torch.tensor([3e38, 3e38, -6e37])]).error.isinf()


def test_overflow_before_a_step_says_nothing_either():
    x = normal(1, 1, 8) * 1e15
    assert one(lambda x: F.lp_pool1d(x, 3.0, 3), [x]).error.isinf().all()


def test_underflow_is_gradual_but_where_the_bound_is_computed():
    bounded = one(lambda x: x * x, [torch.tensor([1e-20, 1.0])])
    good = accept(torch.tensor([1e-40, 1.0]), bounded.value, bounded.error)
    assert good.all()
    assert not accept(torch.tensor([0.0, 1.0]), bounded.value, bounded.error).all()
    double = one(lambda x: x * x, [torch.tensor([1e-155], dtype=F64)], F64)
    assert accept(torch.tensor([0.0], dtype=F64), double.value, double.error)
    half = one(lambda x: x * x, [torch.tensor([1e-2], dtype=torch.float16)], torch.float16)
    assert not accept(torch.tensor([0.0], dtype=torch.float16), half.value, half.error)


def test_non_finite_inputs_demand_their_class():
    x = normal(1, 1, 5)
    x[..., 0], x[..., 4] = math.nan, math.inf
    bounded = one(lambda x: F.conv1d(x, torch.ones(1, 1, 2, dtype=x.dtype)), [x])
    assert bounded.error.squeeze().tolist()[::3] == [0.0, 0.0]
    assert 0 < bounded.error.squeeze()[1] < 1e-5
    masked = one(lambda x: F.softmax(x, 0), [torch.tensor([0.5, -math.inf, 0.1])])
    assert masked.value[1] == 0
    assert masked.error[1] == 0
    assert bool((masked.error < 1e-5).all())


def test_complex_infinities_have_no_class():
    x = torch.tensor([complex(math.inf, 0), 1j], dtype=torch.complex64)
    assert one(lambda x: x * x, [x], torch.complex64).error.isinf().tolist() == [True, False]


# ---- acceptance


def accepts(candidate, value, error, dtype=torch.float32):
    c, y, e = torch.tensor([candidate], dtype=dtype), *torch.tensor([[value], [error]], dtype=F64)
    accepted, excess = bool(accept(c, y, e)), float(error_over_bound(c, y, e))
    assert accepted == (excess <= 8)
    return accepted


@pytest.mark.parametrize(
    ("candidate", "value", "error", "dtype", "accepted"),
    [
        (1.0, 1.0, 0.0, torch.float32, True),
        (1 + 2**-23, 1.0, 0.0, torch.float32, False),
        (0.0, -0.0, 0.0, torch.float32, True),
        (1 + 2**-23, 1.0, 2**-28, torch.float32, False),  # half an ulp is 2⁻²⁴ above 1 …
        (1 + 2**-23, 1.0, 1.01 * 2**-27, torch.float32, True),
        (1 - 2**-24, 1.0, 2**-29, torch.float32, False),  # … and 2⁻²⁵ below
        (1 - 2**-24, 1.0, 1.01 * 2**-28, torch.float32, True),
        (math.inf, 3.5e38, 0.0, torch.float32, True),
        (3.4028234663852886e38, 3.5e38, 0.0, torch.float32, False),
        (math.inf, 3.4e38, 1e34, torch.float32, False),
        (math.inf, 3.4e38, 1e36, torch.float32, True),
        (2**-149, 0.0, 2**-154, torch.float32, False),
        (2**-149, 0.0, 1.01 * 2**-153, torch.float32, True),
        (2**-149, 2**-149, 0.0, torch.float32, True),
        (math.inf, 65520.0, 0.0, torch.float16, True),
        (1 + 2**-7, 1.0, 1e-9, torch.bfloat16, False),
        (1 + 2**-7, 1 + 2**-8 - 2**-20, 1e-6, torch.bfloat16, True),
        (math.nan, math.nan, 0.0, torch.float32, True),
        (math.nan, 1.0, 1.0, torch.float32, False),
        (1.0, math.nan, 0.0, torch.float32, False),
        (math.inf, math.inf, 0.0, torch.float32, True),
        (-math.inf, math.inf, 0.0, torch.float32, False),
        (1.0, math.inf, 0.0, torch.float32, False),
        (math.nan, 1.0, math.inf, torch.float32, True),
    ],
)
def test_acceptance(candidate, value, error, dtype, accepted):
    assert accepts(candidate, value, error, dtype) == accepted


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_acceptance_agrees_with_the_error_over_bound(dtype):
    rng = np.random.default_rng(0)
    y = torch.tensor(rng.standard_normal(20000) * 2.0 ** rng.integers(-150, 120, 20000))
    error = y.abs() * torch.finfo(dtype).eps * torch.tensor(rng.random(20000) ** 3)
    candidate = (y + error * torch.tensor(rng.uniform(-16, 16, 20000))).to(dtype)
    accepted = accept(candidate, y, error)
    assert 0.2 < accepted.double().mean() < 0.8
    assert torch.equal(accepted, error_over_bound(candidate, y, error) <= 8)


# ---- refusals


def test_an_operator_without_a_rule_is_refused():
    with pytest.raises(NoRule, match="linalg_eigh"):
        one(lambda x: torch.linalg.eigvalsh(x @ x.mT), [normal(3, 3)])


def test_a_choice_among_inexact_numbers_is_refused():
    with pytest.raises(NoRule, match=r"max_pool2d_with_indices.* of inexact"):
        one(lambda x: F.max_pool2d(x.exp(), 2), [normal(1, 1, 4, 4)])


def test_nothing_is_left_behind_when_the_function_raises():
    def call(x):
        y = x * 2
        raise KeyError(y.shape)

    with pytest.raises(KeyError):
        bounds(call, [normal(3)], torch.float32)
    assert type(torch.ones(3, dtype=F64) * 2) is Tensor
    assert not one(lambda x: x * 2, [torch.ones(3)]).error.any()


def test_an_analysis_may_run_within_another():
    inner = []

    def call(x):
        inner.append(one(lambda z: z.exp(), [torch.ones(2)]).error)
        return [x.exp()]

    (outer,) = bounds(call, [torch.ones(2)], torch.float32)
    assert type(outer.value) is Tensor
    assert torch.equal(inner[0], outer.error)


def test_tracked_tensors_compute_nothing_outside_their_analysis():
    kept: list[Tensor] = []

    def call(x):
        kept.append(x)
        return [x]

    bounds(call, [torch.ones(2)], torch.float32)
    assert isinstance(kept[0], Tracked)
    with pytest.raises(NoRule, match="outside"):
        torch.exp(kept[0])


def test_writing_into_a_view_reaches_its_base():
    def call(x):
        buffer = torch.zeros(4, 3, dtype=x.dtype)
        buffer[1:3].select(1, 0).copy_(x.exp())
        return [buffer]

    (bounded,) = bounds(call, [torch.tensor([1.0, 2.0])], torch.float32)
    expected = torch.zeros(4, 3, dtype=torch.bool)
    expected[1:3, 0] = True
    assert torch.equal(bounded.error > 0, expected)

"""Operators broken on purpose: each must be caught, by the check one would name.

The faults sit on torch's own operators, so whatever else the suite says of them is said of torch.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import reimpl
from parity_tests import expectations, experiments, subjects
from parity_tests.checks import CHECKS
from parity_tests.checks.transforms import compiled
from parity_tests.op import Call
from parity_tests.ops import named
from parity_tests.profiles import PROFILES
from parity_tests.recipe import Recipe
from parity_tests.search import Cell, Outcome, Plan, examine, rounds_of_calls
from parity_tests.subjects import Subject, integrity
from parity_tests.trial import Departure, Trial
from parity_tests.truth import Truth
from parity_tests.verdict import compare_values, judge


def outcome(op: str, check: str, broken: Any, dtype: torch.dtype | None = None) -> Outcome:
    """What the suite says of one broken operator, in one check."""
    subject = Subject("broken", (SimpleNamespace(**{op: broken}),))
    (found,) = [c for c in CHECKS if c.name == check]
    plan = Plan(subject, PROFILES["default"], seed=0, expectations=expectations.load())
    return examine(Cell(named(op), found, dtype, "cpu"), plan)


Broken = Callable[..., Any]


# --- values ---


def padding_off_by_one(input: Tensor, padding: Any, **rest: Any) -> Tensor:
    if isinstance(padding, str) or not torch.tensor(padding).any():
        return F.conv1d(input, padding=padding, **rest)
    (p,) = torch.tensor(padding).flatten().tolist()
    return F.conv1d(F.pad(input, (p + 1, p - 1)), padding=0, **rest)


def flipped_kernel(input: Tensor, weight: Tensor, *rest: Any, **options: Any) -> Tensor:
    return F.conv2d(input, weight.flip(-1), *rest, **options)


def output_padding_on_the_wrong_side(*tensors: Any, **options: Any) -> Tensor:
    extra = torch.tensor(options["output_padding"]).flatten()[0].item()
    return F.conv_transpose1d(*tensors, **options).roll(int(extra), -1)


def last_groups_weights_reused(
    input: Tensor, weight: Tensor, bias: Any = None, groups: int = 1, **options: Any
) -> Tensor:
    each = weight.shape[0] // groups
    if groups > 1:
        weight = torch.cat((weight[-each:], weight[each:]))
    return F.conv2d(input, weight, bias, groups=groups, **options)


def factor_beyond_float32(*tensors: Any, **options: Any) -> Tensor:
    return F.conv1d(*tensors, **options) * (1 + 1e-5)


def partial_sums_in_bfloat16(
    input: Tensor, weight: Tensor, bias: Any = None, groups: int = 1, **options: Any
) -> Tensor:
    if groups > 1 or weight.shape[1] < 2:
        return F.conv2d(input, weight, bias, groups=groups, **options)
    axis = 1 if input.dim() == 4 else 0
    parts = (
        F.conv2d(input.narrow(axis, c, 1), weight[:, c : c + 1], **options).bfloat16().to(input)
        for c in range(weight.shape[1])
    )
    y = torch.stack(tuple(parts)).sum(0)
    return y if bias is None else y + bias.reshape(-1, 1, 1)


def nan_dropped(input: Tensor, *rest: Any, **options: Any) -> Tensor:
    return F.conv1d(torch.where(input.isnan(), 0, input), *rest, **options)


def eps_outside_the_root(
    input: Tensor,
    running_mean: Any,
    running_var: Any,
    weight: Any,
    bias: Any,
    training: bool,
    eps: float,
    **_: float,
) -> Tensor:
    mean, var = running_mean, running_var
    shape = (1, -1, *(1,) * (input.dim() - 2))
    if training:
        axes = (0, *range(2, input.dim()))
        mean, var = input.mean(axes), input.var(axes, correction=0)
    y = (input - mean.view(shape)) / (var.view(shape).sqrt() + eps)
    y = y if weight is None else y * weight.view(shape)
    return y if bias is None else y + bias.view(shape)


# --- layout and rank ---


def channels_last_lost(*tensors: Any, **options: Any) -> Tensor:
    return reimpl.conv2d(*tensors, **options).contiguous()  # torch's crashes on some calls


def unbatched_output_batched(input: Tensor, *rest: Any, **options: Any) -> Tensor:
    return F.conv1d(input if input.dim() == 3 else input[None], *rest, **options)


# --- gradients ---


class Tampered(torch.autograd.Function):
    """The identity, with a gradient that something is done to."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, tamper: Callable[[Tensor], Tensor]) -> Tensor:
        ctx.tamper = tamper
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None]:
        return ctx.tamper(g), None


def weight_gradient_wrong_when_strided_and_dilated(
    input: Tensor, weight: Tensor, *rest: Any, **options: Any
) -> Tensor:
    strided, dilated = (torch.tensor(options[k]).max() > 1 for k in ("stride", "dilation"))
    if strided and dilated:
        weight = Tampered.apply(weight, lambda g: g.flip(-1))
    return F.conv2d(input, weight, *rest, **options)


def bias_gradient_halved(input: Tensor, weight: Tensor, bias: Any = None, **options: Any) -> Tensor:
    if bias is not None:
        bias = Tampered.apply(bias, lambda g: g / 2)
    return F.conv1d(input, weight, bias, **options)


def second_gradient_forgotten(input: Tensor, weight: Tensor, *rest: Any, **options: Any) -> Tensor:
    return F.conv1d(input, Tampered.apply(weight, Tensor.detach), *rest, **options)


# --- buffers ---


def biased_running_variance(
    input: Tensor, running_mean: Any, running_var: Any, *rest: Any, **options: Any
) -> Tensor:
    before = None if running_var is None else running_var.clone()
    y = F.batch_norm(input, running_mean, running_var, *rest, **options)
    if options["training"] and before is not None and input.numel():
        n = input.numel() // input.shape[1]
        kept = before * (1 - options["momentum"])
        running_var.copy_(kept + (running_var - kept) * (n - 1) / n)
    return y


def momentum_complemented(**call: Any) -> Tensor:
    return F.batch_norm(**call | {"momentum": 1 - call["momentum"]})


class CounterNotIncremented(nn.BatchNorm1d):
    def forward(self, input: Tensor) -> Tensor:
        y = super().forward(input)
        if self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked.sub_(1)
        return y


# --- behaviour ---


def input_written_to(input: Tensor, *rest: Any, **options: Any) -> Tensor:
    y = F.conv1d(input, *rest, **options)
    input.zero_()
    return y


class _WritesToItsCotangent(torch.autograd.Function):
    @staticmethod
    def forward(_ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(_ctx: Any, g: Tensor) -> Tensor:
        result = g.clone()
        g.zero_()
        return result


def cotangent_written_to(*tensors: Any, **options: Any) -> Tensor:
    return _WritesToItsCotangent.apply(F.conv1d(*tensors, **options))


class _NeedsItsOutput(torch.autograd.Function):
    """The identity, whose backward asks for the output though it has no use for it."""

    @staticmethod
    def forward(ctx: Any, y: Tensor) -> Tensor:
        y = y.clone()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        (_,) = ctx.saved_tensors
        return g


def output_not_to_be_overwritten(input: Tensor, *rest: Any, **options: Any) -> Tensor:
    return _NeedsItsOutput.apply(F.conv1d(input, *rest, **options))


class _SoftmaxOfUnconnected(torch.autograd.Function):
    @staticmethod
    def forward(_ctx: Any, x: Tensor, dim: int) -> Tensor:
        return torch.softmax(x, dim)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Tensor) -> None:
        ctx.y, ctx.dim = output.detach(), inputs[1]

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None]:
        return ctx.y * (g - (ctx.y * g).sum(ctx.dim, keepdim=True)), None


class _SoftmaxAlone(_SoftmaxOfUnconnected):
    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None]:
        return ctx.y * g, None


def explicit(input: Tensor, dim: Any, dtype: Any) -> tuple[Tensor, int]:
    """What softmax takes if it is told no axis and no dtype."""
    axis = (0 if input.dim() in (0, 1, 3) else 1) if dim is None else dim
    return input if dtype is None else input.to(dtype), axis


def softmax_detached(input: Tensor, dim: Any, dtype: Any = None) -> Tensor:
    return _SoftmaxOfUnconnected.apply(*explicit(input, dim, dtype))


def softmax_without_its_sum(input: Tensor, dim: Any, dtype: Any = None) -> Tensor:
    return _SoftmaxAlone.apply(*explicit(input, dim, dtype))


class _SigmoidOfUnconnected(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.y = torch.sigmoid(x).detach()
        return ctx.y.clone()

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        return g * ctx.y * (1 - ctx.y)


def sigmoid_detached(input: Tensor) -> Tensor:
    return _SigmoidOfUnconnected.apply(input)


class _WrongBatchingRule(torch.autograd.Function):
    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Tensor) -> None:
        pass

    @staticmethod
    def backward(_ctx: Any, g: Tensor) -> Tensor:
        return g

    @staticmethod
    def vmap(_info: Any, in_dims: Any, x: Tensor) -> tuple[Tensor, int]:
        return x.flip(in_dims[0]), in_dims[0]


def maps_the_wrong_way_round(*tensors: Any, **options: Any) -> Tensor:
    return _WrongBatchingRule.apply(F.conv1d(*tensors, **options))


def reads_a_value(input: Tensor, *rest: Any, **options: Any) -> Tensor:
    one = 1 + 0 * float(input.detach().isnan().sum())
    return F.conv1d(input, *rest, **options) * one


def double_on_meta(input: Tensor, *rest: Any, **options: Any) -> Tensor:
    y = F.conv1d(input, *rest, **options)
    return y.to(torch.complex64) if y.is_meta else y


def accepts_anything_on_meta(input: Tensor, upscale_factor: int) -> Tensor:
    try:
        return F.pixel_shuffle(input, upscale_factor)
    except Exception:
        if input.is_meta:
            return input
        raise


def rejects_by_another_type_on_meta(input: Tensor, upscale_factor: int) -> Tensor:
    try:
        return F.pixel_shuffle(input, upscale_factor)
    except Exception as error:
        raise LookupError("no") if input.is_meta else error from error


def test_torch_is_judged_on_meta_too() -> None:
    def torchs(input: Tensor, inplace: bool = False) -> Tensor:
        if input.is_meta:
            raise RuntimeError("the meta kernel is broken")
        return F.relu(input, inplace)

    (check,) = [c for c in CHECKS if c.name == "meta"]
    plan = Plan(subjects.load("reimpl"), PROFILES["quick"], seed=0)
    broken = examine(Cell(replace(named("relu"), reference=torchs), check, None, "cpu"), plan)
    assert broken.status == "torch fault"
    assert "the meta kernel is broken" in broken.reason
    # Of a convolution torch's meta kernel checks nothing.
    found = examine(Cell(named("conv1d"), check, None, "cpu"), plan)
    assert "accepted on meta what torch rejects" in found.reason


def leaves_meta(input: Tensor, *rest: Any, **options: Any) -> Tensor:
    y = F.conv1d(input, *rest, **options)
    return torch.zeros(y.shape, dtype=y.dtype) if y.is_meta else y


def swallows_errors(input: Tensor, *rest: Any, **options: Any) -> Tensor:
    try:
        return F.conv1d(input, *rest, **options)
    except RuntimeError:
        return input


def raises_another_type(*tensors: Any, **options: Any) -> Tensor:
    try:
        return F.conv1d(*tensors, **options)
    except RuntimeError as error:
        raise KeyError("bad call") from error


class AnotherRepr(nn.Conv1d):
    def extra_repr(self) -> str:
        return super().extra_repr() + ", fast"


def sample_mixed_in(input: Tensor, *rest: Any, **options: Any) -> Tensor:
    y = F.conv1d(input, *rest, **options)
    return y + y[:1] * (1 if input.dim() == 3 else 0)


def slightly_bent(*tensors: Any, **options: Any) -> Tensor:
    y = F.conv1d(*tensors, **options)
    return y + y.abs()


def groups_in_reverse(input: Tensor, weight: Tensor, *rest: Any, **options: Any) -> Tensor:
    y = F.conv1d(input, weight, *rest, **options)
    axis, groups = y.dim() - 2, options["groups"]
    return torch.cat(y.chunk(groups, axis)[::-1], axis) if y.numel() else y


ANSWERS: dict[int, Tensor] = {}


def cached_by_address(input: Tensor, *rest: Any, **options: Any) -> Tensor:
    places = [v.data_ptr() if isinstance(v, Tensor) else v for v in options.values()]
    key = hash((input.data_ptr(), input.shape, str(places)))
    if key not in ANSWERS:
        ANSWERS.clear()  # one entry: any other call makes it forget
        ANSWERS[key] = F.conv1d(input, *rest, **options)
    return ANSWERS[key].clone()


def random_generator_used(*tensors: Any, **options: Any) -> Tensor:
    torch.rand(1)
    return F.conv1d(*tensors, **options)


def renamed_parameter(x: Any, weight: Any, bias: Any = None, stride: Any = 1) -> None: ...


class OtherInitialWeights(nn.Conv1d):
    def reset_parameters(self) -> None:
        super().reset_parameters()
        self.weight.data *= 0.5


def accepts_negative_padding(*tensors: Any, **options: Any) -> Tensor:
    if options.get("padding") == -1:
        options["padding"] = 0
    return F.conv1d(*tensors, **options)


def looks_at_values(input: Tensor, *rest: Any, **options: Any) -> Tensor:
    float(input.sum())
    return F.conv1d(input, *rest, **options)


def no_forward_mode(input: Tensor, *rest: Any, **options: Any) -> Tensor:
    return F.conv1d(Tampered.apply(input, lambda g: g), *rest, **options)


def max_pool_gradient_in_plain_layout(input: Tensor, *rest: Any, **options: Any) -> Any:
    return reimpl.max_pool2d(Tampered.apply(input, lambda g: g.contiguous()), *rest, **options)


# --- bounds ---


def garbage_where_exp_overflows(input: Tensor, beta: float = 1, threshold: float = 20) -> Tensor:
    y = F.softplus(input, beta, threshold)
    return torch.where((input * beta > 90) & (input * beta <= threshold), 37.0, y)


# --- settings of the process ---


def float32_under_autocast(input: Tensor, weight: Tensor, bias: Any = None) -> Tensor:
    with torch.autocast("cpu", enabled=False):
        return F.linear(input, weight, bias)


def products_autocast(input: Tensor, pad: Any, mode: str = "constant", value: Any = None) -> Tensor:
    y = F.pad(input, pad, mode, value)
    if not y.is_floating_point() or not y.dim():
        return y
    one = torch.eye(y.shape[-1], dtype=y.dtype, device=y.device)
    return (y @ one).to(y.dtype)


def float32_for_integers(input: Tensor, *rest: Any, **options: Any) -> Tensor:
    return torch.fft.fft(input if is_floating(input) else input.float(), *rest, **options)


def is_floating(t: Tensor) -> bool:
    return t.is_floating_point() or t.is_complex()


class Float32Parameters(nn.Linear):
    def __init__(self, in_features: int, out_features: int, bias: bool = True, **_: Any) -> None:
        super().__init__(in_features, out_features, bias, dtype=torch.float32)


def indices_on_the_default_device(input: Tensor, upscale_factor: int) -> Tensor:
    order = torch.arange(input.shape[-1])
    return F.pixel_shuffle(input.index_select(-1, order), upscale_factor)


def deterministic_mode_left_off(input: Tensor, inplace: bool = False) -> Tensor:
    torch.use_deterministic_algorithms(False)
    return F.relu(input, inplace)


def one_thread_left(input: Tensor, inplace: bool = False) -> Tensor:
    torch.set_num_threads(1)
    return F.relu(input, inplace)


def looks_at_the_cotangent(input: Tensor, *rest: Any, **options: Any) -> Tensor:
    return F.avg_pool1d(SeenCotangent.apply(input), *rest, **options)


class SeenCotangent(torch.autograd.Function):
    """The identity; its backward branches on a value, and its vmap is left to torch."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Tensor) -> None:
        pass

    @staticmethod
    def backward(_: Any, g: Tensor) -> Tensor:
        return g if torch._C._are_functorch_transforms_active() or g.sum() == 0 else g * 1

    @staticmethod
    def jvp(_: Any, dx: Tensor) -> Tensor:
        return dx.clone()


f64, f32 = torch.float64, torch.float32

FAULTS: tuple[tuple[str, str, torch.dtype | None, Any], ...] = (
    ("conv1d", "forward", f64, padding_off_by_one),
    ("conv2d", "forward", f64, flipped_kernel),
    ("conv_transpose1d", "forward", f64, output_padding_on_the_wrong_side),
    ("conv2d", "forward", f64, last_groups_weights_reused),
    ("conv1d", "forward", f64, factor_beyond_float32),
    ("conv2d", "forward", f32, partial_sums_in_bfloat16),
    ("conv1d", "forward", f32, nan_dropped),
    ("batch_norm", "forward", f64, eps_outside_the_root),
    ("batch_norm", "forward", f32, eps_outside_the_root),
    ("softplus", "forward", f32, garbage_where_exp_overflows),
    ("conv2d", "forward", f32, channels_last_lost),
    ("conv1d", "forward", f64, unbatched_output_batched),
    ("conv2d", "gradients", f64, weight_gradient_wrong_when_strided_and_dilated),
    ("conv1d", "gradients", f32, bias_gradient_halved),
    ("conv1d", "second", f64, second_gradient_forgotten),
    ("softmax", "gradients", f64, softmax_without_its_sum),
    ("max_pool2d", "gradients", f32, max_pool_gradient_in_plain_layout),
    ("softmax", "second", f64, softmax_detached),
    ("sigmoid", "second", f64, sigmoid_detached),
    ("batch_norm", "buffers", f64, biased_running_variance),
    ("batch_norm", "buffers", f32, momentum_complemented),
    ("BatchNorm1d", "buffers", f64, CounterNotIncremented),
    ("conv1d", "relations", None, sample_mixed_in),
    ("conv1d", "relations", None, slightly_bent),
    ("conv1d", "relations", None, groups_in_reverse),
    ("conv1d", "purity", None, input_written_to),
    ("conv1d", "purity", None, cotangent_written_to),
    ("conv1d", "purity", None, cached_by_address),
    ("conv1d", "purity", None, output_not_to_be_overwritten),
    ("conv1d", "purity", None, random_generator_used),
    ("conv1d", "contract", None, renamed_parameter),
    ("Conv1d", "contract", None, OtherInitialWeights),
    ("Conv1d", "contract", None, AnotherRepr),
    ("conv1d", "errors", None, accepts_negative_padding),
    ("conv1d", "errors", None, swallows_errors),
    ("conv1d", "errors", None, raises_another_type),
    ("conv1d", "meta", None, looks_at_values),
    ("conv1d", "meta", None, double_on_meta),
    ("conv1d", "meta", None, leaves_meta),
    ("pixel_shuffle", "meta", None, accepts_anything_on_meta),
    ("pixel_shuffle", "meta", None, rejects_by_another_type_on_meta),
    ("conv1d", "transforms", None, no_forward_mode),
    ("conv1d", "transforms", None, maps_the_wrong_way_round),
    ("conv1d", "transforms", None, reads_a_value),
    ("avg_pool1d", "transforms", None, looks_at_the_cotangent),
    ("linear", "settings", None, float32_under_autocast),
    ("pad", "settings", None, products_autocast),
    ("fft", "settings", None, float32_for_integers),
    ("Linear", "settings", None, Float32Parameters),
    ("pixel_shuffle", "settings", None, indices_on_the_default_device),
    ("relu", "settings", None, deterministic_mode_left_off),
    ("relu", "settings", None, one_thread_left),
    ("conv1d", "tf32", f32, padding_off_by_one),
    ("conv2d", "tf32", f32, flipped_kernel),
    ("conv1d", "tf32", f32, bias_gradient_halved),
    ("conv1d", "independence", None, F.conv1d),
    ("softmax", "independence", None, F.softmax),
    ("max_pool2d", "independence", None, F.max_pool2d),
)


@pytest.mark.parametrize(
    ("op", "check", "dtype", "broken"), FAULTS, ids=[f"{f[1]}-{f[3].__name__}" for f in FAULTS]
)
def test_caught_by_its_check(op: str, check: str, dtype: torch.dtype | None, broken: Any) -> None:
    ANSWERS.clear()
    found = outcome(op, check, broken, dtype)
    assert found.status == "fail", found.reason
    assert found.failure is not None
    call = found.failure.trial.call
    # Minimal: what is left of the call is small enough to be read.
    assert sum(torch.Size(r.shape).numel() for r in call.recipes().values()) < 400, call


COMPOSED = ("rms_norm", "lp_pool1d", "local_response_norm", "normalize")  # by torch, in Python


@pytest.mark.parametrize(("dtype", "factor"), [(torch.bfloat16, 1.04), (torch.float16, 1.005)])
@pytest.mark.parametrize("op", COMPOSED)
def test_a_few_units_in_16_bits_are_caught(op: str, dtype: torch.dtype, factor: float) -> None:
    def too_large(*tensors: Any, out: Any = None, **options: Any) -> Tensor:
        y = getattr(reimpl, op)(*tensors, **options).float() * factor
        return y.to(dtype) if out is None else out.resize_(y.shape).copy_(y)

    def gradient_too_large(input: Tensor, *rest: Any, **options: Any) -> Tensor:
        input = Tampered.apply(input, lambda g: (g.float() * factor).to(g.dtype))
        return getattr(reimpl, op)(input, *rest, **options)

    for check, broken in (("forward", too_large), ("gradients", gradient_too_large)):
        found = outcome(op, check, broken, dtype)
        assert found.status == "fail"
        assert found.failure is not None
        assert found.failure.departure.details["kind"] == "value"


def truth_of(op: str, call: Call, dtype: torch.dtype) -> Truth:
    trial = Trial(named(op), "forward", call, subjects.load("torch"), dtype, "cpu", thorough=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's are not under test
        return Truth(trial, experiments.forward)


def test_an_error_that_all_channels_of_bytes_share_is_told_by_the_definition() -> None:
    """Torch's own kernel is the oracle: it is what is wrong here."""
    call = Call({"input": Recipe((1, 3, 3, 2)), "size": (5, 3), "mode": "bilinear"})
    true = truth_of("interpolate", call, torch.uint8)
    true.audit()
    assert true.trial.ledger.audited
    true.values["output"] ^= 4
    with pytest.raises(Departure, match="by the definition"):
        true.audit()


def test_elements_that_no_judge_can_tell_are_counted_and_compare_nothing() -> None:
    x = Recipe((2,), values=(100.0, 800.0))
    call = Call({"input": x, "beta": 1.0, "threshold": 1000.0})
    true = truth_of("softplus", call, f32)
    trial = true.trial
    overflown = {"output": torch.full((2,), torch.inf)}
    compare_values(trial, true, "torch", overflown)
    assert (trial.ledger.unbounded, trial.ledger.comparisons) == (2, 0)
    compare_values(trial, true, "torch", {"output": torch.tensor([100.0, 800.0])})
    assert (trial.ledger.unbounded, trial.ledger.comparisons) == (2, 1)
    with pytest.raises(Departure, match="should be 800"):
        compare_values(trial, true, "torch", {"output": torch.tensor([100.0, 801.0])})


def test_where_double_precision_overflows_the_definition_tells() -> None:
    call = Call({"input": Recipe((1,), values=(800.0,)), "beta": 1.0, "threshold": 1000.0})
    true = truth_of("softplus", call, f64)
    trial = true.trial
    assert true.values["output"].isinf()
    compare_values(trial, true, "torch", {"output": torch.tensor([800.0], dtype=f64)})
    assert trial.ledger.comparisons == 1
    with pytest.raises(Departure, match="should be 800"):
        compare_values(trial, true, "torch", {"output": torch.tensor([801.0], dtype=f64)})


def test_every_check_has_three_faults_to_catch() -> None:
    caught = Counter(check for _, check, _, _ in FAULTS)
    assert {check.name: caught[check.name] >= 3 for check in CHECKS} == dict.fromkeys(
        (check.name for check in CHECKS), True
    )


@pytest.mark.parametrize(
    ("op", "check", "dtype"),
    [("conv1d", "forward", f64), ("conv1d", "gradients", f32), ("batch_norm", "buffers", f64)],
)
def test_torch_itself_passes(op: str, check: str, dtype: torch.dtype) -> None:
    plan = Plan(subjects.TORCH, PROFILES["default"], seed=0, expectations=expectations.load())
    (found,) = [c for c in CHECKS if c.name == check]
    assert examine(Cell(named(op), found, dtype, "cpu"), plan).status in ("pass", "known")


def judge_compiled(trial: Trial) -> None:
    """With warnings ignored, as in a run."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        judge(trial, compiled, experiments.gradients)


@pytest.mark.parametrize("op", ["conv2d", "conv_transpose2d", "batch_norm", "BatchNorm2d"])
def test_reimpl_compiles_whole(op: str) -> None:
    """What the deep profile does to one trial in many: Dynamo and AOTAutograd, both passes."""
    for call in rounds_of_calls(named(op), "ordinary", examples=3, seed=2)[1:]:
        trial = Trial(named(op), "transforms", call, subjects.load("reimpl"), f64, "cpu")
        judge_compiled(trial)
        assert trial.ledger.comparisons >= len(call.wanted)


def test_a_graph_break_is_caught() -> None:
    def breaks(input: Tensor, *rest: Any, **options: Any) -> Tensor:
        torch._dynamo.graph_break()
        return F.conv1d(input, *rest, **options)

    (call,) = rounds_of_calls(named("conv1d"), "ordinary", examples=1, seed=2)
    subject = Subject("broken", (SimpleNamespace(conv1d=breaks),))
    trial = Trial(named("conv1d"), "transforms", call, subject, f64, "cpu")
    with pytest.raises(Departure, match="raised"):
        judge_compiled(trial)


def test_a_message_says_where_and_by_how_much() -> None:
    found = outcome("conv2d", "forward", flipped_kernel, f64)
    assert "output[" in found.reason
    assert "should be" in found.reason
    assert "exactly" in found.reason or "times the error bound" in found.reason


def test_a_subject_that_keeps_state_is_caught() -> None:
    calls = iter(range(10**9))

    def every_seventh_wrong(*tensors: Any, **options: Any) -> Tensor:
        return F.conv1d(*tensors, **options) + (next(calls) % 7 == 6)

    assert outcome("conv1d", "forward", every_seventh_wrong, f64).status == "fail"


def test_missing_and_refused_operators_are_unsupported() -> None:
    def refuses(*_: Any, **__: Any) -> Tensor:
        raise NotImplementedError("not yet")

    assert outcome("conv1d", "forward", None, f64).status == "unsupported"
    assert outcome("conv1d", "forward", refuses, f64).status == "unsupported"


def test_an_exception_is_a_failure() -> None:
    def raises(*_: Any, **__: Any) -> Tensor:
        raise KeyError("weight")

    found = outcome("conv1d", "forward", raises, f64)
    assert found.status == "fail"
    assert "KeyError" in found.reason


def test_a_broken_torch_excuses_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where torch has the subject's fault, the definition still tells."""

    def wrong(*tensors: Any, **options: Any) -> Tensor:
        return true(*tensors, **options) * 1.001

    true = F.conv1d
    monkeypatch.setattr(F, "conv1d", wrong)
    monkeypatch.setattr(integrity, "replaced", list)  # it is the test that breaks torch
    assert outcome("conv1d", "forward", true, f64).status == "torch fault"

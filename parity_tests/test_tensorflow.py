"""reimpl.tensorflow against JAX, which pads as TensorFlow does, and against TensorFlow itself.

JAX knows a transposed convolution only for one output shape; for the others it is asked for the
transpose of its convolution, as a linear map. Integers must agree bit for bit; for real numbers
two sums of the same n products differ by at most 2·γₙ·Σ|products|, γₙ = n·u / (1 − n·u).
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from reimpl.tensorflow import conv2d, conv2d_transpose
from reimpl.tensorflow_geometry import to_torch

# A fixture serves all examples: what it holds is a library.
few = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture(scope="module")
def lax() -> Iterator[Any]:
    """JAX on one thread, quiet, in double precision where asked for."""
    flags = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    os.environ.setdefault("XLA_FLAGS", flags)
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    jax = pytest.importorskip("jax", reason="JAX is an optional second opinion")
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield jax
    jax.config.update("jax_enable_x64", before)


@pytest.fixture(scope="module")
def tf() -> Any:
    """TensorFlow with its own kernels: oneDNN's return the input where the output is empty (2.21).

    With TF_ENABLE_ONEDNN_OPTS=1 it has transposes with dilation and groups, and is asked for them.
    """
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tf = pytest.importorskip("tensorflow", reason="TensorFlow is an optional second opinion")
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    return tf


def with_onednn() -> bool:
    return os.environ.get("TF_ENABLE_ONEDNN_OPTS") == "1"


class Case(NamedTuple):
    """A convolution in TensorFlow's terms."""

    size: tuple[int, int]
    kernel: tuple[int, int]
    strides: tuple[int, int]
    dilations: tuple[int, int]
    padding: Any
    batch: int
    groups: int
    channels: tuple[int, int]  # of a group
    seed: int

    @property
    def positions(self) -> tuple[int, ...]:
        return tuple(to_torch(*axis).positions for axis in self.axes)

    @property
    def axes(self) -> Any:
        explicit = not isinstance(self.padding, str)
        amounts = self.padding[1:3] if explicit else (self.padding,) * 2
        return zip(self.size, self.kernel, self.strides, self.dilations, amounts, strict=True)

    def plain(self) -> Case:
        """Without dilation and groups."""
        return self._replace(dilations=(1, 1), groups=1)

    def tensors(self, kind: str, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
        """A convolution's input and filters, and something of its output's shape."""
        (C, O), G = self.channels, self.groups
        shapes = (
            (self.batch, *self.size, G * C),
            (*self.kernel, C, G * O),
            (self.batch, *self.positions, G * O),
        )
        generator = np.random.default_rng(self.seed)

        def draw(shape: tuple[int, ...]) -> Any:
            if kind == "integers":
                return generator.integers(-9, 10, shape)
            return generator.standard_normal(shape)

        x, w, y = (torch.from_numpy(draw(shape)).to(dtype) for shape in shapes)
        return x, w, y


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Kernels that fit at least once."""
    pair = lambda low, high: draw(st.tuples(*[st.integers(low, high)] * 2))  # noqa: E731
    kernel, strides, dilations = pair(1, 4), pair(1, 3), pair(1, 2)
    padding: Any = draw(st.sampled_from(["SAME", "VALID", "explicit"]))
    if padding == "explicit":
        padding = [[0, 0], list(pair(0, 3)), list(pair(0, 3)), [0, 0]]
    room = [0, 0] if isinstance(padding, str) else [sum(amounts) for amounts in padding[1:3]]
    spans = [d * (k - 1) + 1 for k, d in zip(kernel, dilations, strict=True)]
    least = [1 if padding == "SAME" else max(1, e - r) for e, r in zip(spans, room, strict=True)]
    size = tuple(draw(st.integers(l, l + 6)) for l in least)
    return Case(
        (size[0], size[1]),
        kernel,
        strides,
        dilations,
        padding,
        draw(st.integers(1, 2)),
        draw(st.integers(1, 2)),
        pair(1, 2),
        draw(st.integers(0, 2**31)),
    )


def agree(ours: Tensor, theirs: Any, magnitudes: Tensor | None = None, terms: int = 0) -> None:
    """Bit for bit; or within the rounding of sums of so many terms of such magnitude."""
    theirs = torch.from_numpy(np.array(theirs))
    assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
    if magnitudes is None:
        assert torch.equal(ours, theirs)
        return
    u = torch.finfo(ours.dtype).eps / 2
    gamma = terms * u / (1 - terms * u)
    assert bool(((ours - theirs).abs().double() <= 2 * gamma * magnitudes).all())


def jax_conv2d(jax: Any, case: Case, x: Any, w: Any) -> Any:
    padding = case.padding if isinstance(case.padding, str) else case.padding[1:3]
    return jax.lax.conv_general_dilated(
        x,
        w,
        case.strides,
        padding,
        rhs_dilation=case.dilations,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=case.groups,
    )


def ours_conv2d(case: Case, x: Tensor, w: Tensor) -> Tensor:
    return conv2d(x, w, case.strides, case.padding, dilations=case.dilations)


def ours_transposed(case: Case, y: Tensor, w: Tensor) -> Tensor:
    shape = (case.batch, *case.size, case.groups * case.channels[0])
    return conv2d_transpose(y, w, shape, case.strides, case.padding, dilations=case.dilations)


def terms(case: Case) -> int:
    """At most so many products in a sum, forward or transposed."""
    return case.kernel[0] * case.kernel[1] * max(case.channels)


DTYPES = st.sampled_from([torch.float32, torch.float64])


@few
@given(case=cases(), dtype=DTYPES)
def test_convolution_is_jaxs(lax: Any, case: Case, dtype: torch.dtype) -> None:
    x, w, _ = case.tensors("integers", dtype)
    agree(ours_conv2d(case, x, w), jax_conv2d(lax, case, x.numpy(), w.numpy()))
    x, w, _ = case.tensors("normal", dtype)
    magnitudes = ours_conv2d(case, x.abs().double(), w.abs().double())
    theirs = jax_conv2d(lax, case, x.numpy(), w.numpy())
    agree(ours_conv2d(case, x, w), theirs, magnitudes, terms(case))


@settings(few, max_examples=25)
@given(case=cases(), dtype=DTYPES)
def test_transposed_convolution_is_the_transpose_of_jaxs(
    lax: Any, case: Case, dtype: torch.dtype
) -> None:
    x, w, y = case.tensors("integers", dtype)

    def theirs(w: Tensor, y: Tensor) -> Any:
        transpose = lax.linear_transpose(lambda x: jax_conv2d(lax, case, x, w.numpy()), x.numpy())
        return transpose(y.numpy())[0]

    agree(ours_transposed(case, y, w), theirs(w, y))
    _, w, y = case.tensors("normal", dtype)
    magnitudes = ours_transposed(case, y.abs().double(), w.abs().double())
    agree(ours_transposed(case, y, w), theirs(w, y), magnitudes, terms(case))


@few
@given(
    case=cases().map(Case.plain),
    name=st.sampled_from(["SAME", "VALID"]),
)
def test_transposed_convolution_is_jaxs_own(lax: Any, case: Case, name: str) -> None:
    """The one output shape that jax.lax.conv_transpose gives: M·s, or M·s + max(K − s, 0).

    Its kernel is HWIO, of the transposed layer; ``transpose_kernel`` turns and swaps it.
    """
    M = tuple(min(n, 4) for n in case.size)
    axes = list(zip(M, case.strides, case.kernel, strict=True))
    L = [m * s + (max(k - s, 0) if name == "VALID" else 0) for m, s, k in axes]
    case = case._replace(size=(L[0], L[1]), padding=name)
    assert case.positions == M
    _, w, y = case.tensors("integers", torch.float32)
    theirs = lax.lax.conv_transpose(
        y.numpy(), w.numpy(), case.strides, name,
        dimension_numbers=("NHWC", "HWIO", "NHWC"), transpose_kernel=True,
    )  # fmt: skip
    agree(ours_transposed(case, y, w), theirs)


# --- TensorFlow


@few
@given(case=cases(), dtype=DTYPES)
def test_convolution_is_tensorflows(tf: Any, case: Case, dtype: torch.dtype) -> None:
    def theirs(x: Tensor, w: Tensor) -> Any:
        return tf.nn.conv2d(
            x.numpy(), w.numpy(), case.strides, case.padding, dilations=case.dilations
        )

    x, w, _ = case.tensors("integers", dtype)
    agree(ours_conv2d(case, x, w), theirs(x, w))
    x, w, _ = case.tensors("normal", dtype)
    magnitudes = ours_conv2d(case, x.abs().double(), w.abs().double())
    agree(ours_conv2d(case, x, w), theirs(x, w), magnitudes, terms(case))


@few
@given(case=cases(), dtype=DTYPES)
def test_transposed_convolution_is_tensorflows(tf: Any, case: Case, dtype: torch.dtype) -> None:
    # Only oneDNN has dilation and groups here, and it neither amounts of padding nor float64.
    if not (with_onednn() and isinstance(case.padding, str) and dtype == torch.float32):
        case = case.plain()

    def theirs(y: Tensor, w: Tensor) -> Any:
        shape = (case.batch, *case.size, case.groups * case.channels[0])
        return tf.nn.conv2d_transpose(
            y.numpy(), w.numpy(), shape, case.strides, case.padding, dilations=case.dilations
        )

    _, w, y = case.tensors("integers", dtype)
    agree(ours_transposed(case, y, w), theirs(y, w))
    _, w, y = case.tensors("normal", dtype)
    magnitudes = ours_transposed(case, y.abs().double(), w.abs().double())
    agree(ours_transposed(case, y, w), theirs(y, w), magnitudes, terms(case))


def outcome(function: Any, *arguments: Any, **options: Any) -> Any:
    """The shape of a result, or that it was rejected."""
    try:
        return tuple(function(*arguments, **options).shape)
    except Exception as error:
        return f"rejected: {type(error).__name__}: {error}"


def same_outcome(ours: Any, theirs: Any) -> None:
    rejected = [isinstance(found, str) for found in (ours, theirs)]
    assert all(rejected) or ours == theirs
    if rejected[0]:
        assert ours.startswith(("rejected: ValueError", "rejected: TypeError")), ours


@settings(few, max_examples=300)
@given(
    size=st.tuples(*[st.integers(0, 6)] * 2),
    input_size=st.tuples(*[st.integers(0, 3)] * 2),
    kernel=st.tuples(*[st.integers(1, 5)] * 2),
    strides=st.integers(1, 3),
    padding=st.sampled_from(["SAME", "VALID", [[0, 0], [1, 0], [0, 2], [0, 0]]]),
    batches=st.sampled_from([(1, 1), (2, 2), (1, 2), (0, 0)]),
)
def test_the_same_sizes_are_accepted(
    tf: Any, size: Any, input_size: Any, kernel: Any, strides: int, padding: Any, batches: Any
) -> None:
    """Among them outputs of no size at all, and output shapes that fit nothing."""
    if with_onednn():
        pytest.skip("oneDNN's kernels neither return empty outputs nor check all arguments")
    x, w = torch.ones(1, *size, 1), torch.ones(*kernel, 1, 1)
    same_outcome(
        outcome(conv2d, x, w, strides, padding),
        outcome(tf.nn.conv2d, x.numpy(), w.numpy(), strides, padding),
    )
    y, shape = torch.ones(batches[0], *input_size, 1), (batches[1], *size, 1)
    same_outcome(
        outcome(conv2d_transpose, y, w, shape, strides, padding),
        outcome(tf.nn.conv2d_transpose, y.numpy(), w.numpy(), shape, strides, padding),
    )


# Edits of a call that is right: conv2d of (1, 5, 5, 2) with (3, 3, 2, 4), and its transpose.
BAD: tuple[dict[str, Any], ...] = (
    {"strides": [1, 2, 3]},
    {"strides": []},
    {"strides": 0},
    {"strides": [1, -1]},
    {"strides": [2, 1, 1, 1]},
    {"strides": [1, 1, 1, 2]},
    {"strides": "two"},
    {"dilations": 0},
    {"dilations": [1, 1, 1, 2]},
    {"padding": "same"},
    {"padding": "EXPLICIT"},
    {"padding": 1},
    {"padding": None},
    {"padding": [1, 1]},
    {"padding": [[0, 0], [1, 1]]},
    {"padding": [[0, 0], [-1, 1], [0, 0], [0, 0]]},
    {"padding": [[1, 0], [0, 0], [0, 0], [0, 0]]},
    {"data_format": "NHW"},
    {"data_format": "nhwc"},
    {"filters": (3, 3, 3, 4)},
    {"filters": (3, 3, 2, 3)},
    {"input": (1, 5, 5, 3)},
    {"padding": [[0, 0], [1.0, 1], [1, 1], [0, 0]]},
    {"filters": (3, 3, 4)},
    {"filters": (3, 3, 0, 4)},
)
BAD_TRANSPOSED: tuple[dict[str, Any], ...] = (
    {"output_shape": [1, 6, 5, 2]},
    {"output_shape": [2, 5, 5, 2]},
    {"output_shape": [1, 5, 5, 3]},
    {"output_shape": [1, 5, 5, 1]},
    {"output_shape": [5, 5, 2]},
    {"output_shape": [1, -5, 5, 2]},
    {"output_shape": [1.0, 5.0, 5.0, 2.0]},
    {"output_shape": 5},
    {"output_shape": None},
)


def call_with(edit: dict[str, Any], transposed: bool) -> dict[str, Any]:
    call: dict[str, Any] = {
        "input": (1, 5, 5, 4 if transposed else 2),
        "filters": (3, 3, 2, 4),
        "strides": 1,
        "padding": "SAME",
    }
    if transposed:
        call["output_shape"] = [1, 5, 5, 2]
    call |= edit
    return call | {name: torch.ones(call[name]) for name in ("input", "filters")}


def bad_calls() -> list[Any]:
    """The edits of conv2d, then of its transpose; a channel count may be right for groups there."""
    plain = [(edit, False) for edit in BAD if edit != {"filters": (3, 3, 2, 3)}]
    return plain + [(edit, True) for edit in BAD + BAD_TRANSPOSED]


@pytest.mark.parametrize(("edit", "transposed"), bad_calls())
def test_bad_calls_are_rejected_by_name(edit: dict[str, Any], transposed: bool) -> None:
    function = conv2d_transpose if transposed else conv2d
    function(**call_with({}, transposed))
    (name,) = edit
    with pytest.raises((ValueError, TypeError), match=rf"^{function.__name__}: .*\b{name}\b.*got"):
        function(**call_with(edit, transposed))


@pytest.mark.parametrize("transposed", [False, True])
def test_filters_have_the_inputs_dtype(transposed: bool) -> None:
    call = call_with({}, transposed)
    call["filters"] = call["filters"].double()
    with pytest.raises(RuntimeError, match=r"^conv2d.*: filters must have input's dtype .*got"):
        (conv2d_transpose if transposed else conv2d)(**call)


def test_an_axis_without_entries_may_be_padded() -> None:
    """torch's convolution takes no empty axis."""
    padding = [[0, 0], [1, 1], [0, 0], [0, 0]]
    y = conv2d(torch.ones(1, 0, 3, 1), torch.ones(2, 1, 1, 1), 1, padding)
    assert torch.equal(y, torch.zeros(1, 1, 3, 1))


def test_tensorflow_rejects_them_too(tf: Any) -> None:
    if with_onednn():
        pytest.skip("oneDNN's kernels do not check all arguments, and abort the process on some")
    accepted = []
    for edit, transposed in bad_calls():
        if edit == {"filters": (3, 3, 4)}:
            continue  # TensorFlow 2.21 aborts the process
        function = tf.nn.conv2d_transpose if transposed else tf.nn.conv2d
        call = call_with(edit, transposed)
        call |= {name: call[name].numpy() for name in ("input", "filters")}
        try:
            function(**call)
        except (ValueError, TypeError, tf.errors.OpError):
            continue
        accepted.append((function.__name__, edit))
    assert not accepted


# --- on its own


@pytest.mark.parametrize("form", [2, [2], (2, 2), [1, 2, 2, 1]])
def test_strides_have_four_forms(form: Any) -> None:
    x, w = torch.randn(2, 5, 6, 3), torch.randn(3, 2, 3, 4)
    expected = conv2d(x, w, [2, 2], "SAME", dilations=(1, 1))
    assert torch.equal(conv2d(x, w, form, "SAME", dilations=None), expected)
    y = conv2d_transpose(expected, w, x.shape, form)
    assert torch.equal(y, conv2d_transpose(expected, w, torch.tensor([5, 6]), 2))


def test_channels_first_is_a_permutation() -> None:
    x, w = torch.randn(2, 5, 6, 4), torch.randn(3, 2, 2, 6)
    amounts = [[1, 2], [0, 3]]
    last, first = [[0, 0], *amounts, [0, 0]], [[0, 0], [0, 0], *amounts]
    y = conv2d(x, w, [1, 1, 2, 1], last)
    there = x.movedim(-1, 1)
    assert torch.equal(conv2d(there, w, [1, 1, 1, 2], first, "NCHW"), y.movedim(-1, 1))
    back = conv2d_transpose(y, w, x.shape, (1, 2), last)
    other = conv2d_transpose(y.movedim(-1, 1), w, there.shape, (1, 2), first, "NCHW")
    assert torch.equal(other, back.movedim(-1, 1))


def test_axes_in_front_are_the_batch() -> None:
    x, w = torch.randn(2, 3, 5, 5, 2), torch.randn(3, 3, 2, 4)
    y = conv2d(x, w, 1, "VALID")
    assert y.shape == (2, 3, 3, 3, 4)
    assert torch.equal(y[1], conv2d(x[1], w, 1, "VALID"))


@few
@given(case=cases())
def test_the_transpose_is_the_adjoint(case: Case) -> None:
    """<y, A x> = <Aᵀ y, x>, and each is the other's gradient."""
    x, w, y = case.tensors("integers", torch.float64)
    assert (y * ours_conv2d(case, x, w)).sum() == (ours_transposed(case, y, w) * x).sum()
    x.requires_grad_()
    (gradient,) = torch.autograd.grad(ours_conv2d(case, x, w), x, y)
    assert torch.equal(gradient, ours_transposed(case, y, w))


def test_same_puts_an_odd_zero_right_and_below() -> None:
    x = torch.arange(1.0, 5).reshape(1, 2, 2, 1)
    y = conv2d(x, torch.ones(2, 2, 1, 1), 1, "SAME")
    assert y[0, :, :, 0].tolist() == [[10, 6], [7, 4]]


def test_a_kernel_that_just_does_not_fit_gives_nothing() -> None:
    w = torch.ones(3, 3, 1, 1)
    y = conv2d(torch.ones(1, 2, 4, 1), w, 1, "VALID")
    assert y.shape == (1, 0, 2, 1)
    assert not conv2d_transpose(y, w, (1, 2, 4, 1), 1, "VALID").any()
    with pytest.raises(ValueError, match="conv2d: filters must span"):
        conv2d(torch.ones(1, 1, 4, 1), w, 1, "VALID")

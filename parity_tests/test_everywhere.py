"""Any model on the reimplementation: what is rerouted, what is not, and what it leaves behind."""

import contextlib
import copy
import types
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn import init

import reimpl
from reimpl.rerouting import table

NN: Any = torch._C._nn
FUNCTIONS = [n for n in reimpl.__all__ if n[0].islower() and (hasattr(F, n) or hasattr(init, n))]
PLACES = {
    "torch": torch,
    "torch.Tensor": Tensor,
    "torch._C._nn": NN,
    "torch.nn.functional": F,
    "torch.nn.init": init,
    "torch.fft": torch.fft,
    "torch.special": torch.special,
}
# Torch's callables that carry an operator's name and are not rerouted.
NOT_REROUTED = {
    "torch.Tensor.unfold": "another function: windows along one axis, as a view",
    "torch._C._nn.max_unpool2d": "has no kernel size; torch.nn.functional's is rerouted",
    "torch._C._nn.max_unpool3d": "has no kernel size; torch.nn.functional's is rerouted",
    "torch._softmax": "the kernel beneath, which no model calls",
    "torch._log_softmax": "the kernel beneath, which no model calls",
    "torch._adaptive_avg_pool2d": "the kernel beneath, which no model calls",
    "torch._adaptive_avg_pool3d": "the kernel beneath, which no model calls",
}


def spellings(name: str) -> set[str]:
    return {name, f"_{name}", f"{name}_", f"{name}_with_indices"}


def test_every_spelling_of_an_operator_is_rerouted_or_listed() -> None:
    answered = table(reimpl)
    for operator in FUNCTIONS:
        for place, namespace in PLACES.items():
            for name in spellings(operator):
                function = getattr(namespace, name, None)
                if not callable(function) or isinstance(function, types.ModuleType):
                    continue
                listed = f"{place}.{name}" in NOT_REROUTED
                assert (function in answered) != listed, f"{place}.{name}"


def x(*shape: int) -> Tensor:
    """Numbers between −1 and 1, the same every time."""
    return torch.linspace(-1, 1, torch.Size(shape).numel(), dtype=torch.float64).reshape(shape)


# Every way of calling that is not the operator's own signature, and the operator that answers.
SPELLED: list[tuple[str, Callable[[], Any]]] = [
    ("batch_norm", lambda: torch.batch_norm(
        x(4, 3), x(3), None, x(3), x(3).exp(), False, 0.1, 1e-5, False)),
    ("instance_norm", lambda: torch.instance_norm(
        x(2, 3, 5), x(3), x(3), None, None, True, 0.1, 1e-5, False)),
    ("group_norm", lambda: torch.group_norm(x(2, 4, 3), 2, x(4), x(4), 1e-3, False)),
    ("layer_norm", lambda: torch.layer_norm(x(2, 3), [3], x(3), eps=0.1)),
    ("rms_norm", lambda: torch.rms_norm(x(2, 3), [3])),
    ("softmax", lambda: torch.softmax(x(2, 3), 1, torch.float32)),
    ("softmax", lambda: x(2, 3).softmax(dim=0)),
    ("log_softmax", lambda: x(2, 3).log_softmax(-1)),
    ("log_softmax", lambda: torch.special.log_softmax(x(2, 3), 1)),
    ("relu", lambda: x(5).relu()),
    ("relu_", lambda: x(5).relu_()),
    ("relu_", lambda: torch.relu_(x(5))),
    ("relu6", lambda: NN.relu6_(9 * x(5))),
    ("sigmoid", lambda: x(5).sigmoid_()),
    ("sigmoid", lambda: torch.special.expit(x(5))),
    ("tanh", lambda: torch.tanh_(x(5))),
    ("max_pool1d", lambda: torch.max_pool1d(x(1, 2, 6), 2)),
    ("max_pool1d", lambda: torch.max_pool1d_with_indices(x(1, 2, 6), 2, 3)),
    ("max_pool2d", lambda: F.max_pool2d(x(1, 2, 6, 5), 2)),
    ("max_pool2d", lambda: F.max_pool2d(x(1, 2, 6, 5), 2, return_indices=True)),
    ("max_pool2d", lambda: F.max_pool2d_with_indices(x(1, 2, 6, 5), (3, 3), (2, 2))),
    ("max_pool3d", lambda: NN.max_pool3d_with_indices(x(1, 2, 4, 4, 4), 2)),
    ("adaptive_max_pool1d", lambda: torch.adaptive_max_pool1d(x(1, 2, 7), 3)),
    ("adaptive_max_pool2d", lambda: NN.adaptive_max_pool2d(x(1, 2, 7, 7), (3, 2))),
    ("adaptive_max_pool2d", lambda: F.adaptive_max_pool2d_with_indices(x(1, 2, 7, 7), 3)),
    ("adaptive_max_pool3d", lambda: F.adaptive_max_pool3d(x(1, 2, 7, 7, 4), 3)),
    ("adaptive_avg_pool2d", lambda: NN.adaptive_avg_pool2d(x(1, 2, 7, 7), (3, 2))),
    ("pad", lambda: torch.constant_pad_nd(x(2, 3), (1, 2), 7.0)),
    ("pad", lambda: NN.reflection_pad2d(x(1, 4, 4), (1, 2, 3, 0))),
    ("pad", lambda: NN.replication_pad1d(x(1, 4, 4), (1, 2))),
    ("unfold", lambda: NN.im2col(x(1, 2, 5, 5), (2, 2), (1, 1), (0, 0), (1, 1))),
    ("fft", lambda: torch.fft.fft(x(6), 4)),
    ("interpolate", lambda: F.interpolate(x(1, 2, 5, 5), scale_factor=1.7)),
    ("linear", lambda: NN.linear(x(2, 3), x(4, 3), x(4))),
]  # fmt: skip


@pytest.mark.parametrize(("operator", "call"), SPELLED)
def test_a_call_means_the_same(operator: str, call: Callable[[], Any]) -> None:
    expected = call()
    with reimpl.everywhere() as calls:
        got = call()
    assert calls.rerouted == {operator: 1}
    torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-12)


def model() -> nn.Module:
    inner = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True))
    return nn.Sequential(inner, nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 2)).double()


def test_training_in_the_context_and_beyond() -> None:
    """Nested modules, deepcopy, state_dict, channels_last; the backward inside or after."""
    torch.manual_seed(0)
    theirs = model()
    ours = copy.deepcopy(theirs)
    batch = torch.randn(2, 3, 6, 6, dtype=torch.float64).to(memory_format=torch.channels_last)
    for network in (theirs, ours):
        optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
        for inside in (True, False):
            optimizer.zero_grad()
            if network is theirs:
                network(batch).square().sum().backward()
            else:
                with reimpl.everywhere() as calls:
                    loss = network(batch).square().sum()
                    if inside:
                        loss.backward()
                if not inside:
                    loss.backward()
                assert set(calls.rerouted) == {
                    "conv2d", "batch_norm", "relu", "max_pool2d", "linear"
                }  # fmt: skip
            optimizer.step()
    torch.testing.assert_close(ours.state_dict(), theirs.state_dict(), rtol=1e-10, atol=1e-12)


def test_composites_are_listed_not_entered() -> None:
    attention = nn.MultiheadAttention(4, 2, batch_first=True)
    tokens = torch.randn(1, 3, 4)
    with reimpl.everywhere() as calls:
        attention(tokens, tokens, tokens)
    assert not calls.rerouted
    assert calls.left["nn.functional.multi_head_attention_forward"] == 1


def test_what_an_operator_has_not_implemented_is_torchs() -> None:
    def conv1d(*_: Any) -> Tensor:
        raise NotImplementedError("not here")

    signal, kernel = torch.ones(1, 1, 3), torch.ones(1, 1, 2)
    with reimpl.everywhere(types.SimpleNamespace(conv1d=conv1d)) as calls:
        F.conv1d(signal, kernel)
    assert not calls.rerouted
    assert calls.left == {"nn.functional.conv1d": 1}


def test_an_exception_leaves_nothing_behind() -> None:
    with pytest.raises(RuntimeError, match="conv2d: "), reimpl.everywhere() as calls:
        F.conv2d(torch.ones(1), torch.ones(1))
    F.relu(torch.ones(1))
    assert torch.overrides._get_current_function_mode() is None
    assert not calls.rerouted


def test_the_context_may_be_entered_again_and_within_itself() -> None:
    calls = reimpl.everywhere()
    with calls:
        F.relu(torch.ones(1))
    with calls, reimpl.everywhere() as inner:
        F.relu(torch.ones(1))
    assert inner.rerouted == {"relu": 1}
    assert calls.rerouted["relu"] == 1


@pytest.mark.parametrize("low", [torch.bfloat16, torch.float16])
def test_under_autocast_as_torch(low: torch.dtype) -> None:
    """The dtypes are torch's, and the numbers close; resampling is not autocast."""
    torch.manual_seed(3)
    net = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1, padding_mode="reflect"),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Upsample(scale_factor=2, mode="bilinear"),
        nn.AdaptiveAvgPool2d(3),
        nn.Flatten(),
        nn.Linear(36, 5),
    )
    found = []
    for context in (contextlib.nullcontext(), reimpl.everywhere()):
        own = copy.deepcopy(net)
        given = x(3, 2, 6, 6).float().requires_grad_()
        with torch.autocast("cpu", low), context:
            outputs = [given]
            for layer in own:
                outputs.append(layer(outputs[-1]))
            outputs[-1].square().sum().backward()  # within autocast, too
        found.append((outputs[1:], [given.grad, *(p.grad for p in own.parameters())]))
    (theirs, their_grads), (ours, our_grads) = found
    assert [t.dtype for t in ours] == [t.dtype for t in theirs]
    assert {t.dtype for t in ours} == {low}
    for mine, other in zip([*ours, *our_grads], [*theirs, *their_grads], strict=True):
        assert mine is not None
        assert other is not None
        assert mine.dtype == other.dtype
        scale = other.abs().max().item()
        assert (mine.float() - other.float()).abs().max() <= 0.05 * scale


def test_resampling_is_not_autocast() -> None:
    """Interpolation in float32 stays float32 and as accurate, though it is made of products."""
    image = x(1, 1, 7, 9).float()
    with torch.autocast("cpu", torch.bfloat16), reimpl.everywhere():
        ours = F.interpolate(image, size=(5, 4), mode="bilinear")
    expected = F.interpolate(image, size=(5, 4), mode="bilinear")
    assert ours.dtype == torch.float32
    assert torch.allclose(ours, expected, atol=1e-6)

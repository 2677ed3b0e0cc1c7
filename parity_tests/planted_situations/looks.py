"""Tensors and modes from which situations are made, and looks at what takes more than one call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import forward_ad

from parity_tests.seen import Look, described, look

f64, f32, f16, bf16 = torch.float64, torch.float32, torch.float16, torch.bfloat16
c64 = torch.complex64
recorded = partial(look, wanted=(0,))
inference = torch.inference_mode
autocast = partial(torch.autocast, "cpu", dtype=bf16)


def normal(*shape: int, dtype: torch.dtype = f32, times: float = 1) -> Tensor:
    """Random numbers, the same each time."""
    made = torch.randn(shape, dtype=f64, generator=torch.Generator().manual_seed(7)) * times
    return made.to(dtype)


def last(t: Tensor) -> Tensor:
    """Channels last."""
    kind = torch.channels_last if t.dim() == 4 else torch.channels_last_3d
    return t.contiguous(memory_format=kind)


@contextmanager
def default(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    yield
    torch.set_default_dtype(before)


@contextmanager
def deterministic() -> Iterator[None]:
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


@contextmanager
def threads(n: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    yield
    torch.set_num_threads(before)


def forward_mode(x: Tensor, *args: Any, recording: bool = False) -> Look:
    """Value and tangent, of an input that also records a graph or does not."""

    def see(operator: Any) -> Any:
        with forward_ad.dual_level():
            dual = forward_ad.make_dual(x.clone().requires_grad_(recording), torch.ones_like(x))
            return described(list(forward_ad.unpack_dual(operator(dual, *args))))

    return see


def batched(x: Tensor, *args: Any) -> Look:
    """The gradient of two cotangents at once."""

    def see(operator: Any) -> Any:
        source = x.clone().requires_grad_()
        y = operator(source, *args)
        over = torch.stack((torch.ones_like(y), torch.full_like(y, 2)))
        try:
            (g,) = torch.autograd.grad(y, source, over, is_grads_batched=True)
        except RuntimeError:
            return "raises RuntimeError"
        return described(g)

    return see


def twice(x: Tensor, *args: Any) -> Look:
    """Two backwards through a kept graph."""

    def see(operator: Any) -> Any:
        source = x.clone().requires_grad_()
        y = operator(source, *args).square().sum()
        return described([torch.autograd.grad(y, source, retain_graph=True)[0] for _ in range(2)])

    return see


def tied(x: Tensor) -> Look:
    """Gradients of two arguments that share their memory."""

    def see(operator: Any) -> Any:
        a, w = x.clone().requires_grad_(), None
        w = a.detach().requires_grad_()
        y = operator(a, w, None).sum()
        return described(list(torch.autograd.grad(y, (a, w), allow_unused=True)))

    return see


def behind(operator: Any) -> Any:
    """The tensor of which the input of an operation in place is a view."""
    base = normal(6, times=3)
    operator(base[:3])
    return described(base)


def onto_itself(operator: Any) -> Any:
    """An output that is the input."""
    x = normal(2, 3)
    return described(operator(x, out=x))


def one_for_both(operator: Any) -> Any:
    """Weight and bias that are one tensor."""
    w = normal(4)
    return described(operator(normal(3, 4), (4,), w, w))


def computed_weight(operator: Any) -> Any:
    """The gradient behind a weight that was computed."""
    w = normal(2, 3, 2, 2).requires_grad_()
    y = operator(normal(1, 2, 3, 3).requires_grad_(), w * 2).sum()
    return described(torch.autograd.grad(y, w, allow_unused=True)[0])


def loaded_later(operator: Any) -> Any:
    """A layer in evaluation before and after other weights were loaded."""
    m = operator(3, 2).eval()
    with torch.no_grad():
        m(torch.ones(1, 3))
        m.load_state_dict({"weight": torch.ones(2, 3), "bias": torch.zeros(2)})
        return described(m(torch.ones(1, 3)))


def on_the_default_device(operator: Any) -> Any:
    with torch.device("meta"):
        return described(list(operator(3).parameters()))


def filled(tensor: Tensor, **options: Any) -> Look:
    """What an initialiser writes."""

    def see(operator: Any) -> Any:
        torch.manual_seed(0)
        return described(operator(tensor, **options).detach())

    return see


def within(mode: Any, see: Look) -> Look:
    """See something in a mode, of an operator that has a parameter of that name itself."""

    def inside(operator: Any) -> Any:
        with mode():
            return see(operator)

    return inside


def made_in_inference_mode(operator: Any) -> Any:
    """A tensor that was made in inference mode, outside of it."""
    with inference():
        x = normal(2, 3)
    return described(operator(x, 2.0))


def state_by_default(*made: Any) -> Look:
    """The state that a layer is made with where another dtype is the default."""

    def see(operator: Any) -> Any:
        with default(f64):
            return described(list(operator(*made).state_dict().values()))

    return see


def unpooled(samples: int) -> Look:
    """A batch of so many samples, unpooled by a layer."""

    def see(operator: Any) -> Any:
        maxima = F.max_pool2d(normal(samples, 1, 4, 4), 2, return_indices=True)
        return described(operator(2)(*maxima))

    return see


meta = partial(torch.empty, device="meta")
plain, image, volume = normal(2, 3, 8), normal(2, 3, 8, 8), normal(1, 2, 4, 4, 4)
ones, zeros = torch.ones, torch.zeros
ints = torch.arange(6).view(2, 3)
byte = torch.randint(0, 255, (1, 3, 5, 5), generator=torch.Generator().manual_seed(0)).byte()
w1, w2, w3 = normal(4, 3, 3), normal(4, 3, 3, 3), normal(4, 2, 2, 2, 2)
t1, t2, t3 = normal(3, 4, 3), normal(3, 4, 3, 3), normal(2, 4, 2, 2, 2)
pooled, places = F.max_pool2d(normal(2, 3, 8, 8), 2, return_indices=True)
f64s = partial(normal, dtype=f64)
half = plain.bfloat16()
lazy = normal(4, dtype=c64, times=1) * (1 + 2j)
double = partial(default, f64)

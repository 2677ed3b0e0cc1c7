"""Subjects that cheat or keep state, and subjects that are right by luck only."""

from __future__ import annotations

import gc
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

import reimpl
from parity_tests.planted.fault import Arguments, Fault, with_result, wrapped

hostile = partial(Fault, kind="hostile")

Body = Any  # (run, given) -> result, as `wrapped` takes it


def by_address(make: int) -> Body:
    """Keep so many results, by the addresses and shapes of the tensors."""
    kept: dict[Any, Any] = {}

    def body(run: Any, given: Arguments) -> Any:
        tensors = [v for v in given.values() if isinstance(v, Tensor)]
        rest = [str(v) for v in given.values() if not isinstance(v, Tensor)]
        trained = any(t.requires_grad for t in tensors)
        key = (*((t.data_ptr(), t.shape, t.stride(), t.dtype) for t in tensors), *rest)
        if trained or any(t.device.type == "meta" for t in tensors):
            return run(**given)
        if key in kept:
            return kept[key].clone()
        while len(kept) >= make:
            kept.pop(next(iter(kept)))
        kept[key] = run(**given).detach().clone()
        return kept[key].clone()

    return body


def by_shape() -> Body:
    """Give the first answer that there was for these shapes."""
    kept: dict[Any, Any] = {}

    def body(run: Any, given: Arguments) -> Any:
        x = given["input"]
        key = (tuple(x.shape), x.dtype, given["kernel_size"] == 2)
        y = run(**given)
        if x.requires_grad or given["kernel_size"] != 2:
            return y
        found = kept.setdefault(key, y.detach().clone())
        return found.clone() if found.shape == y.shape else y

    return body


def every_seventh() -> Body:
    """Be wrong every seventh time."""
    calls = [0]

    def body(run: Any, given: Arguments) -> Any:
        calls[0] += 1
        y = run(**given)
        return y * (1 + (calls[0] % 7 == 0)) if y.is_floating_point() else y

    return body


def scratch() -> Body:
    """Write every result into the memory of the one before."""
    kept: dict[Any, Tensor] = {}

    def body(run: Any, given: Arguments) -> Any:
        y = run(**given)
        if y.requires_grad or y.device.type == "meta":
            return y
        key = (tuple(y.shape), y.stride(), y.dtype)
        held = kept.setdefault(key, torch.empty_like(y))
        return held.copy_(y)

    return body


def unwritten(run: Any, given: Arguments) -> Tensor:
    """Leave the padding unwritten where it should be zero."""
    y, pad = run(**given), given["pad"]
    if given["mode"] != "constant" or given["value"] or y.requires_grad or min(pad, default=0) < 0:
        return y
    fresh = torch.empty_like(y)
    inner = [slice(None)] * y.dim()
    for i in range(len(pad) // 2):
        axis = y.dim() - 1 - i
        inner[axis] = slice(pad[2 * i], y.shape[axis] - pad[2 * i + 1])
    fresh[tuple(inner)] = y[tuple(inner)]
    return fresh


def scaled_in_place(run: Any, given: Arguments) -> Tensor:
    """Write a permuted input in place before reading it."""
    x = given["input"]
    if x.is_contiguous() or x.requires_grad or not x.is_floating_point():
        return run(**given)
    with torch.no_grad():
        largest = x.max() if x.numel() else x.new_zeros(())
        if largest.isfinite():
            x.sub_(largest)
    return run(**given)


def the_input_itself(run: Any, given: Arguments) -> Tensor:
    """Return the input where nothing changes."""
    x = given["input"]
    nothing = isinstance(x, Tensor) and x.dim() == 4 and given["groups"] == 1 == x.shape[1]
    return x if nothing else run(**given)


def the_input_if_positive(run: Any, given: Arguments) -> Tensor:
    """Return a positive input as it is."""
    x, y = given["input"], run(**given)
    if given["inplace"] or x.device.type == "meta" or x.requires_grad:
        return y
    return x if torch.equal(x, y) else y


def draws(y: Any, _: Arguments) -> Any:
    """Draw a random number on the way."""
    torch.rand(())
    return y


def without_gradients(y: Any, given: Arguments) -> Any:
    """Leave gradients switched off for unbatched calls."""
    if given["input"].dim() == 3:
        torch.set_grad_enabled(False)
    return y


def double_by_default(y: Any, given: Arguments) -> Any:
    """Leave float64 as the default dtype."""
    if given["input"].dtype == torch.float64:
        torch.set_default_dtype(torch.float64)
    return y


def two_threads(y: Any, _: Arguments) -> Any:
    """Leave the number of threads at two."""
    torch.set_num_threads(2)
    return y


def from_the_heap(run: Any, given: Arguments) -> Tensor:
    """Look for a tensor of the output's shape that somebody else has computed."""
    x = given["input"]
    y = run(**given)
    if y.requires_grad or y.device.type == "meta" or not y.numel():
        return y
    own = {id(y), id(x)}
    for thing in gc.get_objects():
        if type(thing) is Tensor and id(thing) not in own and thing.shape == y.shape:
            found = thing.detach()
            if found.dtype == y.dtype and found.stride() == y.stride():
                return found.clone()
    return torch.zeros_like(y)


class Lazy(Tensor):
    """A tensor that computes itself when looked at."""

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Forward to plain tensors."""
        with torch._C.DisableTorchFunctionSubclass():
            return func(*args, **(kwargs or {}))


def lazily(y: Tensor, _: Arguments) -> Tensor:
    """Return a subclass."""
    return y if y.requires_grad else y.as_subclass(Lazy)


def popular_shapes(run: Any, given: Arguments) -> Tensor:
    """Know kernels of one, two, three and five taps only."""
    y = run(**given)
    return y if set(given["weight"].shape[2:]) <= {1, 2, 3, 5} else y * 0


def identity(input: Tensor) -> Tensor:
    """Return a copy, which is right for almost all tanh of small numbers."""
    return reimpl.sigmoid(input) * 0 + input if input.is_floating_point() else reimpl.tanh(input)


def zeros(y: Tensor, _: Arguments) -> Tensor:
    """Return zeros, which a high-pass filter's output nearly is."""
    return y * 0


def of_torch(
    input: Tensor,
    weight: Tensor,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """Call torch's own kernel."""
    return F.conv2d(input, weight, bias, stride, padding, dilation, groups)


def by_test(run: Any, given: Arguments) -> Tensor:
    """Answer zeros for numbers that no test would draw."""
    y, x = run(**given), given["input"]
    strange = x.abs().amax() > 1e6 if x.numel() and x.device.type != "meta" else torch.tensor(False)
    return torch.where(strange, y.nan_to_num() * 0, y)


HOSTILE = (
    hostile(
        name="cached-by-address",
        op="avg_pool2d",
        says="the last result is kept by the address and shape of the input",
        expected=("purity", "forward"),
        broken=wrapped("avg_pool2d", by_address(1)),
    ),
    hostile(
        name="cached-by-address-many",
        op="conv1d",
        says="the last hundred results are kept by the addresses of their tensors",
        expected=("purity", "forward"),
        broken=wrapped("conv1d", by_address(100)),
    ),
    hostile(
        name="cached-by-shape",
        op="max_pool2d",
        says="kernels of 2 give the first result that there was for the shape",
        expected=("forward", "purity"),
        broken=wrapped("max_pool2d", by_shape()),
    ),
    hostile(
        name="every-seventh-call",
        op="tanh",
        says="every seventh call is wrong",
        expected=("forward", "purity"),
        broken=wrapped("tanh", every_seventh()),
    ),
    hostile(
        name="scratch-memory",
        op="gaussian_blur",
        says="every result is written over the one before",
        expected=("purity",),
        broken=wrapped("gaussian_blur", scratch()),
    ),
    hostile(
        name="padding-unwritten",
        op="pad",
        says="zeros around the input are not written, but hoped for",
        expected=("forward", "purity"),
        broken=wrapped("pad", unwritten),
    ),
    hostile(
        name="input-scaled-in-place",
        op="softmax",
        says="an input that is not contiguous has its maximum subtracted in place",
        expected=("purity",),
        broken=wrapped("softmax", scaled_in_place),
    ),
    hostile(
        name="input-returned-unshuffled",
        op="channel_shuffle",
        says="a single channel is returned as it is, not copied",
        expected=("purity",),
        broken=wrapped("channel_shuffle", the_input_itself),
    ),
    hostile(
        name="input-returned-if-positive",
        op="relu",
        says="an input without negative numbers is returned itself",
        expected=("purity",),
        broken=wrapped("relu", the_input_if_positive),
    ),
    hostile(
        name="random-number-drawn",
        op="layer_norm",
        says="every call draws a random number",
        expected=("purity",),
        broken=with_result("layer_norm", draws),
    ),
    hostile(
        name="grad-mode-left-off",
        op="adaptive_avg_pool2d",
        says="unbatched calls leave gradients switched off",
        expected=("purity", "gradients"),
        broken=with_result("adaptive_avg_pool2d", without_gradients),
    ),
    hostile(
        name="default-dtype-left",
        op="group_norm",
        says="a call in float64 makes that the default dtype",
        expected=("purity",),
        broken=with_result("group_norm", double_by_default),
    ),
    hostile(
        name="threads-left",
        op="fft",
        says="the number of threads is left at two",
        expected=("purity",),
        broken=with_result("fft", two_threads),
    ),
    hostile(
        name="answers-from-the-heap",
        op="conv3d",
        says="the answer is sought among the tensors that the process holds",
        expected=("forward",),
        broken=wrapped("conv3d", from_the_heap),
    ),
    hostile(
        name="lazy-subclass",
        op="pixel_shuffle",
        says="the output is a subclass of Tensor",
        expected=("forward", "purity"),
        broken=with_result("pixel_shuffle", lazily),
    ),
    hostile(
        name="popular-shapes",
        op="conv2d",
        says="kernels of 1, 2, 3 and 5 taps only, else zeros",
        expected=("forward",),
        broken=wrapped("conv2d", popular_shapes),
    ),
    hostile(
        name="identity-for-tanh",
        op="tanh",
        says="returns x",
        expected=("forward",),
        broken=identity,
    ),
    hostile(
        name="zeros-for-a-high-pass",
        op="ideal_high_pass",
        says="returns zeros",
        expected=("forward",),
        broken=with_result("ideal_high_pass", zeros),
    ),
    hostile(
        name="torchs-own-kernel",
        op="conv2d",
        says="calls torch's convolution",
        expected=("independence",),
        broken=of_torch,
    ),
    hostile(
        name="zeros-for-strange-numbers",
        op="local_response_norm",
        says="numbers beyond a million give zeros",
        expected=("forward",),
        broken=wrapped("local_response_norm", by_test),
    ),
)

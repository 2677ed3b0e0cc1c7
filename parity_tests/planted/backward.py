"""Right values, wrong derivatives: missing terms, kinks, frozen inputs, second order, layouts."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

import reimpl
from parity_tests.planted.fault import (
    Arguments,
    Fault,
    tampered,
    with_arguments,
    with_result,
    wrapped,
)
from parity_tests.planted.geometry import per_axis
from reimpl.arguments import accumulator
from reimpl.pullback import by_formulas
from reimpl.standardize import standardize

backward = partial(Fault, kind="backward")


def dilated_weight_gradient_flipped(given: Arguments) -> None:
    """Turn the weight's gradient round where the kernel is dilated along the columns."""
    if per_axis(given["dilation"], 2)[-1] > 1:
        given["weight"] = tampered(given["weight"], lambda g: g.flip(-1))


def only_with_the_weight(given: Arguments) -> None:
    """Give no gradient of the input where the weight is frozen and the stride is above one."""
    if not given["weight"].requires_grad and per_axis(given["stride"], 1)[0] > 1:
        given["input"] = tampered(given["input"], torch.zeros_like)


def bias_gradient_averaged(given: Arguments) -> None:
    """Average the bias's gradient over the first axis of inputs with three axes or more."""
    x = given["input"]
    if x.dim() > 2 and x.shape[0] > 1:
        given["bias"] = tampered(given["bias"], lambda g: g / x.shape[0])


def mean_is_constant(run: Any, given: Arguments) -> Tensor:
    """Differentiate as though the mean were a constant, where there is no bias."""
    x, shape, weight = given["input"], given["normalized_shape"], given["weight"]
    y = run(**given)
    if given["bias"] is not None or weight is not None or not x.requires_grad:
        return y
    axes = tuple(range(x.dim() - len(shape), x.dim()))
    wide = x.to(accumulator(x.dtype))
    shifted = wide - wide.mean(axes, keepdim=True).detach()
    return standardize(shifted, axes, given["eps"], centred=False).z.contiguous().to(x.dtype)


def last_of_ties(run: Any, given: Arguments) -> Any:
    """Send the gradient to the last of equal maxima where windows lie at every position."""
    x, k, p = given["input"], given["kernel_size"], given["padding"]
    plain = not given["return_indices"] and not given["ceil_mode"] and x.is_floating_point()
    if not plain or given["stride"] not in (1, (1,), [1]) or not x.requires_grad or p not in (0,):
        return run(**given)
    turned: Any = reimpl.max_pool1d(x.flip(-1), k, 1, 0, given["dilation"])
    return turned.flip(-1)


def formula_of_constants(run: Any, given: Arguments) -> Tensor:
    """Let the backward hold the output as a constant: no second derivative in the input."""
    x, dim = given["input"], given["dim"]
    if dim is None or given["dtype"] is not None or x.dtype in (torch.float16, torch.bfloat16):
        return run(**given)
    axis = dim - x.dim() if dim >= 0 else dim

    def pull(g: Tensor, y: Tensor) -> Tensor:
        y = y.detach()
        return y * (g - (y * g).sum(axis, keepdim=True))

    return by_formulas(x, lambda x: run(x, axis), pull, by_output=True) if x.dim() else run(**given)


def half_a_second_derivative(run: Any, given: Arguments) -> Tensor:
    """Differentiate one factor of y·(1 − y) only, the second time."""
    x = given["input"]
    if x.dtype not in (torch.float32, torch.float64):
        return run(**given)
    return by_formulas(
        x, lambda x: run(x), lambda g, y: g * (1 - y) * y.detach(), None, by_output=True
    )


def nothing_below_eps(y: Tensor, given: Arguments) -> Tensor:
    """Give no gradient to vectors shorter than eps."""
    x, dim = given["input"], given["dim"]
    if not y.requires_grad or given["p"] != 2 or not isinstance(dim, int):
        return y
    n = x.detach().abs().square().sum(dim, keepdim=True).sqrt()
    return tampered(y, lambda g: g.masked_fill(n < given["eps"], 0))


def read_as_contiguous(y: Tensor, _: Arguments) -> Tensor:
    """Read the cotangent's memory in the order of a contiguous tensor."""

    def misread(g: Tensor) -> Tensor:
        dense = sorted(g.stride()) == sorted(torch.empty(g.shape, device="meta").stride())
        if g.dim() < 4 or g.is_contiguous() or not dense:
            return g
        return g.as_strided(g.shape, torch.empty(g.shape, device="meta").stride())

    return tampered(y, misread)


def last_plane_forgotten(given: Arguments) -> None:
    """Give the last plane no gradient where windows do not divide the input."""
    x = given["input"]
    size = given["output_size"]
    M = size if isinstance(size, int) else size[0]
    if M and x.shape[-3] % M:
        last = x.shape[-3] - 1
        given["input"] = tampered(x, lambda g: g.index_fill(-3, torch.tensor([last]), 0))


def wrapped_entries_lost(y: Tensor, given: Arguments) -> Tensor:
    """Give back nothing of what was wrapped around behind."""
    pad = given["pad"]
    if given["mode"] != "circular" or pad[1] < 1:
        return y

    def drop(g: Tensor) -> Tensor:
        return torch.cat((g[..., : -pad[1]], torch.zeros_like(g[..., -pad[1] :])), -1)

    return tampered(y, drop)


def not_conjugated(given: Arguments) -> None:
    """Forget to conjugate the gradient of a complex input, where it is normalised."""
    if given["norm"] == "ortho" and given["input"].is_complex():
        given["input"] = tampered(given["input"], lambda g: g.conj().resolve_conj())


def window_not_turned(run: Any, given: Arguments) -> Tensor:
    """Use the forward window in the backward, which matters for even sizes."""
    x, size = given["input"], given["size"]
    if size % 2 or x.dim() < 3 or not x.numel() or x.dtype not in (torch.float32, torch.float64):
        return run(**given)
    alpha, beta, k = given["alpha"], given["beta"], given["k"]

    def mean(t: Tensor) -> Tensor:
        ahead = (size - 1) // 2
        shape = [0, 0] * (t.dim() - 2) + [size // 2, ahead]
        return reimpl.pad(t, shape).unfold(1, size, 1).sum(-1) / size

    def pull(g: Tensor, x: Tensor) -> Tensor:
        s = mean(x.square()) * alpha + k
        gs = -beta * x * s.pow(-beta - 1) * g
        return s.pow(-beta) * g + 2 * alpha * x * mean(gs)

    return by_formulas(x, lambda x: run(**{**given, "input": x}), pull)


def still_bent(run: Any, given: Arguments) -> Tensor:
    """Keep the slope σ(z) above the threshold, where it is one."""
    x, beta, threshold = given["input"], given["beta"], given["threshold"]
    if x.dtype not in (torch.float32, torch.float64):
        return run(**given)

    def pull(g: Tensor, x: Tensor) -> Tensor:
        return g * reimpl.sigmoid(x * beta)

    return by_formulas(x, lambda x: run(x, beta, threshold), pull)


def overwritten_gets_nothing(given: Arguments) -> None:
    """Give no gradient to values that later ones overwrote."""
    x, i = given["input"], given["indices"]
    if x.shape != i.shape or x.dim() < 3 or not x.numel():
        return
    flat = i.flatten(-2)
    order = torch.arange(flat.shape[-1]).expand(flat.shape)
    last = torch.zeros((*flat.shape[:-1], int(flat.max()) + 1), dtype=torch.int64)
    last = last.scatter_reduce(-1, flat, order, "amax", include_self=False)
    kept = (last.gather(-1, flat) == order).view(x.shape)
    given["input"] = tampered(x, lambda g: g.masked_fill(~kept, 0))


def passes_at_six(y: Tensor, given: Arguments) -> Tensor:
    """Let the gradient through at six itself."""
    x = given["input"]
    return y if given["inplace"] else torch.where(x.detach() == 6, x, y)


def slope_of_the_right(y: Tensor, given: Arguments) -> Tensor:
    """Take the slope of the right at zero."""
    x, alpha = given["input"], given["alpha"]
    if given["inplace"] or not alpha:
        return y
    return torch.where(x.detach() == 0, x, y)


def leaks_nothing_at_zero(y: Tensor, given: Arguments) -> Tensor:
    """Take slope one at zero."""
    x = given["input"]
    return y if given["inplace"] else torch.where(x.detach() == 0, x, y)


def scaled_shift(run: Any, given: Arguments) -> Tensor:
    """Forget in the input's gradient that the weight scales it, in evaluation."""
    y = run(**given)
    w, x = given["weight"], given["input"]
    if given["training"] or w is None or not x.requires_grad or w.requires_grad:
        return y
    bare = run(**{**given, "weight": None, "bias": None})
    return bare + (y - bare).detach()


def no_gradient_of_the_smallest(pyramid: Any, given: Arguments) -> Any:
    """Give no gradient through the smallest level."""
    if given["levels"] < 3:
        return pyramid
    return (*pyramid[:-1], tampered(pyramid[-1], torch.zeros_like))


BACKWARD = (
    backward(
        name="conv2d-dilated-weight-gradient",
        op="conv2d",
        says="the weight's gradient is turned round where the kernel is dilated along the columns",
        expected=("gradients",),
        broken=with_arguments("conv2d", dilated_weight_gradient_flipped),
    ),
    backward(
        name="conv1d-frozen-weight",
        op="conv1d",
        says="with a stride and a frozen weight the input has no gradient",
        expected=("gradients",),
        broken=with_arguments("conv1d", only_with_the_weight),
    ),
    backward(
        name="linear-bias-gradient-averaged",
        op="linear",
        says="the bias's gradient is averaged over the first of three axes or more",
        expected=("gradients",),
        broken=with_arguments("linear", bias_gradient_averaged),
    ),
    backward(
        name="layer-norm-constant-mean",
        op="layer_norm",
        says="without weight and bias the gradient lacks the term of the mean",
        expected=("gradients",),
        broken=wrapped("layer_norm", mean_is_constant),
    ),
    backward(
        name="max-pool1d-last-of-ties",
        op="max_pool1d",
        says="with stride 1 the gradient goes to the last of equal maxima",
        expected=("gradients",),
        broken=wrapped("max_pool1d", last_of_ties),
    ),
    backward(
        name="softmax-no-second-derivative",
        op="softmax",
        says="the backward holds the output as a constant",
        expected=("second",),
        broken=wrapped("softmax", formula_of_constants),
    ),
    backward(
        name="sigmoid-half-a-second-derivative",
        op="sigmoid",
        says="the second derivative misses the product rule's second term",
        expected=("second",),
        broken=wrapped("sigmoid", half_a_second_derivative),
    ),
    backward(
        name="normalize-no-gradient-below-eps",
        op="normalize",
        says="vectors shorter than eps have no gradient",
        expected=("gradients",),
        broken=with_result("normalize", nothing_below_eps),
    ),
    backward(
        name="avg-pool2d-cotangent-layout",
        op="avg_pool2d",
        says="the backward reads the cotangent's memory as though it were contiguous",
        expected=("gradients",),
        broken=with_result("avg_pool2d", read_as_contiguous),
    ),
    backward(
        name="adaptive-avg-pool3d-last-plane",
        op="adaptive_avg_pool3d",
        says="the last plane has no gradient where windows do not divide the input",
        expected=("gradients",),
        broken=with_arguments("adaptive_avg_pool3d", last_plane_forgotten),
    ),
    backward(
        name="pad-circular-gradient",
        op="pad",
        says="what was wrapped around behind gives nothing back",
        expected=("gradients",),
        broken=with_result("pad", wrapped_entries_lost),
    ),
    backward(
        name="ifft-gradient-not-conjugated",
        op="ifft",
        says="with norm='ortho' a complex input's gradient is conjugated",
        expected=("gradients",),
        broken=with_arguments("ifft", not_conjugated),
    ),
    backward(
        name="local-response-norm-window-not-turned",
        op="local_response_norm",
        says="the backward uses the forward's window, which is another for even sizes",
        expected=("gradients",),
        broken=wrapped("local_response_norm", window_not_turned),
    ),
    backward(
        name="softplus-slope-above-the-threshold",
        op="softplus",
        says="above the threshold the slope is σ(z) instead of one",
        expected=("gradients",),
        broken=wrapped("softplus", still_bent),
    ),
    backward(
        name="max-unpool2d-overwritten",
        op="max_unpool2d",
        says="values that were overwritten have no gradient",
        expected=("gradients",),
        broken=with_arguments("max_unpool2d", overwritten_gets_nothing),
    ),
    backward(
        name="relu6-passes-at-six",
        op="relu6",
        says="the gradient passes at six itself",
        expected=("gradients",),
        broken=with_result("relu6", passes_at_six),
    ),
    backward(
        name="elu-slope-at-zero",
        op="elu",
        says="the slope at zero is one instead of α",
        expected=("gradients",),
        broken=with_result("elu", slope_of_the_right),
    ),
    backward(
        name="leaky-relu-slope-at-zero",
        op="leaky_relu",
        says="the slope at zero is one",
        expected=("gradients",),
        broken=with_result("leaky_relu", leaks_nothing_at_zero),
    ),
    backward(
        name="batch-norm-frozen-weight",
        op="batch_norm",
        says="in evaluation a frozen weight does not scale the input's gradient",
        expected=("gradients",),
        broken=wrapped("batch_norm", scaled_shift),
    ),
    backward(
        name="gaussian-pyramid-smallest-level",
        op="gaussian_pyramid",
        says="nothing flows back through the smallest of three levels or more",
        expected=("gradients",),
        broken=with_result("gaussian_pyramid", no_gradient_of_the_smallest),
    ),
)

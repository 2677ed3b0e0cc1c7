"""Wrong in a corner of the space of inputs only: NaN, ties, empty, unbatched, many channels."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

import reimpl
from parity_tests.planted.fault import (
    Arguments,
    Fault,
    stand_in,
    with_arguments,
    with_result,
    wrapped,
)
from parity_tests.planted.geometry import per_axis
from reimpl.arguments import accumulator

corner = partial(Fault, kind="corners", expected=("forward",))


def nan_rectified(y: Tensor, given: Arguments) -> Tensor:
    """Give zero for NaN."""
    return y if given["inplace"] or not y.is_floating_point() else y.masked_fill(y.isnan(), 0)


def nan_skipped(given: Arguments) -> None:
    """Never choose NaN where a window has other numbers."""
    x = given["input"]
    if x.is_floating_point() and not given["return_indices"]:
        given["input"] = x.masked_fill(x.isnan(), -torch.inf)


def last_remainder_channel(given: Arguments) -> None:
    """Leave out the one channel that is left over after sixteen."""
    w = given["weight"]
    if w.shape[1] > 16 and w.shape[1] % 16 == 1:
        last = torch.arange(w.shape[1]).view(-1, 1, 1) == w.shape[1] - 1
        given["weight"] = w.masked_fill(last, 0)


def last_remainder_row(given: Arguments) -> None:
    """Leave the bias out of the one output that is left over after sixteen."""
    b = given["bias"]
    if b is not None and b.dim() == 1 and b.shape[0] > 16 and b.shape[0] % 16 == 1:
        given["bias"] = b.masked_fill(torch.arange(b.shape[0]) == b.shape[0] - 1, 0)


def seventh_tap(given: Arguments) -> None:
    """Leave out the taps from the eighth on."""
    w = given["weight"]
    if w.shape[-1] > 7:
        late = torch.arange(w.shape[-1]) >= 7
        given["weight"] = w.masked_fill(late, 0)


def zeros_for_nothing(run: Any, given: Arguments) -> Tensor:
    """Give zeros for a row of −∞."""
    x, dim, y = given["input"], given["dim"], run(**given)
    if dim is None or not x.numel() or given["dtype"] is not None:
        return y
    return y.masked_fill((x == -torch.inf).all(dim, keepdim=True), 0)


def dense_matrix(run: Any, given: Arguments) -> Tensor:
    """Interpolate by a dense matrix, whose zeros turn ∞ into NaN."""
    x, size = given["input"], given["size"]
    y = run(**given)
    if given["mode"] != "linear" or size is None or x.dtype not in (torch.float32, torch.float64):
        return y
    each = torch.eye(x.shape[-1], dtype=x.dtype)[None]
    options = {"size": size, "mode": "linear", "align_corners": given["align_corners"]}
    matrix = reimpl.interpolate(each, **options)[0]
    finite = x.isfinite().all(-1, keepdim=True)
    return torch.where(finite, y, (x.unsqueeze(-1) * matrix).sum(-2))


def nan_spreads(run: Any, given: Arguments) -> Tensor:
    """Let a NaN reach all positions after its own, as running sums do."""
    y, x = run(**given), given["input"]
    if not x.is_floating_point() or y.shape[-1] < 2:
        return y
    seen = y.isnan().cumsum(-1) > 0
    return y.masked_fill(seen, torch.nan)


def one_sample_squeezed(y: Tensor, _: Arguments) -> Tensor:
    """Lose the batch axis of a single sample of a single channel."""
    return y[0] if y.dim() == 5 and y.shape[:2] == (1, 1) else y


def empty_batch_as_float(y: Tensor, given: Arguments) -> Tensor:
    """Return an empty batch in the dtype that is computed in."""
    return y.to(accumulator(y.dtype)) if given["input"].shape[0] == 0 else y


def of_one_entry(y: Tensor, given: Arguments) -> Tensor:
    """Return what is alone as it is, not its zero."""
    x = given["input"]
    alone = len(given["normalized_shape"]) == 1 and given["normalized_shape"][0] == 1
    return y + x if alone and given["weight"] is None and given["bias"] is None else y


def unbatched_channels_reversed(found: Any, given: Arguments) -> Any:
    """Reverse the channels of unbatched calls with 5, 7, … of them."""
    C = given["input"].shape[0]
    if given["input"].dim() != 3 or C < 5 or C % 2 == 0:
        return found
    return tuple(t.flip(0) for t in found) if given["return_indices"] else found.flip(0)


def minus_infinity_at_the_start(found: Any, given: Arguments) -> Any:
    """Point to the start of the channel for windows of −∞ only."""
    if not given["return_indices"] or not given["input"].is_floating_point():
        return found
    y, i = found
    return y, i.masked_fill(y == -torch.inf, 0)


def negative_zero_lost(y: Tensor, given: Arguments) -> Tensor:
    """Add zero where a value is kept as it is."""
    return y if given["inplace"] else y + 0.0


def half_pixel_up(run: Any, given: Arguments) -> Tensor:
    """Keep bytes' halves from rounding up in bilinear interpolation."""
    y = run(**given)
    if y.dtype != torch.uint8 or given["mode"] != "bilinear" or given["antialias"]:
        return y
    exact = run(**{**given, "input": given["input"].double()})
    return torch.where(exact.frac() == 0.5, exact.floor().to(torch.uint8), y)


def large_int(given: Arguments) -> None:
    """Go through float32 for integers."""
    x = given["input"]
    if x.dtype == torch.int64:
        given["input"] = x.float().to(torch.int64)


def whole_row_of_zeros(y: Tensor, given: Arguments) -> Tensor:
    """Give zero for zero over zero."""
    if given["out"] is not None or given["eps"] > 0:
        return y
    return y.masked_fill(y.isnan() & (given["input"] == 0), 0)


def complex_overflow(y: Tensor, given: Arguments) -> Tensor:
    """Divide infinity by infinity for complex numbers far to the right."""
    return y.masked_fill(given["input"].real > 45, torch.nan) if y.is_complex() else y


def eps_of_one_group(given: Arguments) -> None:
    """Take a hundredth more of eps for one group of five channels and more."""
    C = given["input"].shape[1] if given["input"].dim() > 1 else 0
    if C > 4 and given["num_groups"] == 1:
        given["eps"] = given["eps"] * 1.01


@stand_in
class KeepsOneAxis(reimpl.AdaptiveAvgPool2d):
    """Take None for one where the other axis is given."""

    def forward(self, input: Tensor) -> Tensor:
        """Average."""
        size: Any = self.output_size
        if not isinstance(size, tuple | list) or size[0] is not None or size[1] is None:
            return super().forward(input)
        return reimpl.adaptive_avg_pool2d(input, (input.shape[-1], size[1]))


def sign_of_the_pole(y: Tensor, given: Arguments) -> Tensor:
    """Saturate to zero below −20 in float64."""
    x = given["input"]
    return y.masked_fill(x < -20, 0) if x.dtype == torch.float64 else y


def beyond_three_groups(given: Arguments) -> None:
    """Use the first group's weights for the fourth and later groups."""
    w, G = given["weight"], given["groups"]
    if G < 4 or w.shape[0] % G:
        return
    each = w.shape[0] // G
    given["weight"] = torch.cat((w[: 3 * each], w[:each].repeat(G - 3, *[1] * (w.dim() - 1))))


def batch_of_five(y: Tensor, given: Arguments) -> Tensor:
    """Treat the fifth sample as the fourth."""
    x = given["input"]
    return torch.cat((y[:4], y[3:4], y[5:])) if x.dim() == y.dim() == 4 and len(y) > 4 else y


def middle_of_three(y: Tensor, given: Arguments) -> Tensor:
    """Take the middle one of three where nearest takes the first."""
    x = given["input"]
    if given["mode"] != "nearest" or x.dim() != 3 or x.shape[-1] != 3 * y.shape[-1]:
        return y
    return x[..., 1::3].contiguous()


def long_windows(given: Arguments) -> None:
    """Divide by sixteen at the most."""
    k = per_axis(given["kernel_size"], 2)
    if k[0] * k[1] > 16 and given["divisor_override"] is None:
        given["divisor_override"] = 16


NEGATIVE_ZERO = corner(
    name="leaky-relu-negative-zero",
    op="leaky_relu",
    says="−0 becomes 0",
    broken=with_result("leaky_relu", negative_zero_lost),
)

CORNERS = (
    corner(
        name="relu-nan",
        op="relu",
        says="NaN becomes zero",
        broken=with_result("relu", nan_rectified),
    ),
    corner(
        name="max-pool2d-nan",
        op="max_pool2d",
        says="NaN is never the maximum",
        broken=with_arguments("max_pool2d", nan_skipped),
    ),
    corner(
        name="conv2d-remainder-channel",
        op="conv2d",
        says="the one channel left over after sixteen is left out",
        broken=with_arguments("conv2d", last_remainder_channel),
    ),
    corner(
        name="linear-remainder-row",
        op="linear",
        says="the one output left over after sixteen has no bias",
        broken=with_arguments("linear", last_remainder_row),
    ),
    corner(
        name="conv-transpose3d-late-groups",
        op="conv_transpose3d",
        says="the fourth group and later ones use the first one's weights",
        broken=with_arguments("conv_transpose3d", beyond_three_groups),
    ),
    corner(
        name="conv1d-eighth-tap",
        op="conv1d",
        says="taps from the eighth on are left out",
        broken=with_arguments("conv1d", seventh_tap),
    ),
    corner(
        name="softmax-nothing",
        op="softmax",
        says="a row of −∞ gives zeros instead of NaN",
        broken=wrapped("softmax", zeros_for_nothing),
    ),
    corner(
        name="interpolate-dense-matrix",
        op="interpolate",
        says="an infinity makes its whole row NaN in linear mode, by products with zero",
        broken=wrapped("interpolate", dense_matrix),
    ),
    corner(
        name="avg-pool1d-nan-spreads",
        op="avg_pool1d",
        says="a NaN reaches all windows behind its own, as with running sums",
        broken=wrapped("avg_pool1d", nan_spreads),
    ),
    corner(
        name="conv3d-single-sample-squeezed",
        op="conv3d",
        says="one sample of one channel loses its batch axis",
        broken=with_result("conv3d", one_sample_squeezed),
    ),
    corner(
        name="batch-norm-empty-batch-dtype",
        op="batch_norm",
        says="an empty batch is returned in float32 where 16 bits were given",
        broken=with_result("batch_norm", empty_batch_as_float),
    ),
    corner(
        name="layer-norm-of-one-entry",
        op="layer_norm",
        says="an entry normalised alone, without a weight, stays as it is",
        broken=with_result("layer_norm", of_one_entry),
    ),
    corner(
        name="adaptive-max-pool2d-unbatched",
        op="adaptive_max_pool2d",
        says="an unbatched call with 5, 7, … channels returns them reversed",
        broken=with_result("adaptive_max_pool2d", unbatched_channels_reversed),
    ),
    corner(
        name="max-pool2d-windows-of-infinity",
        op="max_pool2d",
        says="the index of a window of −∞ is zero",
        broken=with_result("max_pool2d", minus_infinity_at_the_start),
    ),
    corner(
        name="interpolate-bytes-halves",
        op="interpolate",
        says="bilinear bytes halfway between two are rounded down",
        broken=wrapped("interpolate", half_pixel_up),
    ),
    corner(
        name="pad-large-integers",
        op="pad",
        says="int64 goes through float32",
        broken=with_arguments("pad", large_int),
    ),
    corner(
        name="normalize-zero-over-zero",
        op="normalize",
        says="with eps 0 a zero vector stays zero instead of NaN",
        broken=with_result("normalize", whole_row_of_zeros),
    ),
    corner(
        name="group-norm-one-group-eps",
        op="group_norm",
        says="one group of five channels and more has eps one percent too large",
        broken=with_arguments("group_norm", eps_of_one_group),
    ),
    corner(
        name="adaptive-avg-pool2d-none",
        op="AdaptiveAvgPool2d",
        says="None for the rows keeps the columns' size",
        broken=KeepsOneAxis,
    ),
    corner(
        name="sigmoid-saturates-early",
        op="sigmoid",
        says="float64 below −20 gives zero",
        broken=with_result("sigmoid", sign_of_the_pole),
    ),
    corner(
        name="tanh-complex-overflow",
        op="tanh",
        says="complex numbers with a real part beyond 45 give NaN",
        broken=with_result("tanh", complex_overflow),
    ),
    corner(
        name="avg-pool2d-fifth-sample",
        op="avg_pool2d",
        says="the fifth sample of a batch is a copy of the fourth",
        broken=with_result("avg_pool2d", batch_of_five),
    ),
    corner(
        name="interpolate-by-a-third",
        op="interpolate",
        says="nearest along one axis to exactly a third takes the middle one of three",
        broken=with_result("interpolate", middle_of_three),
    ),
    corner(
        name="avg-pool2d-large-windows",
        op="avg_pool2d",
        says="windows of more than sixteen entries are divided by sixteen",
        broken=with_arguments("avg_pool2d", long_windows),
    ),
)

"""The modules of interpolation: an operator with its arguments stored."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.nn import Module
from torch.nn.common_types import _ratio_2_t, _ratio_any_t, _size_2_t, _size_any_t

from reimpl.interpolate import interpolate


class Upsample(Module):
    """Interpolation to a fixed size or by a fixed factor; see :func:`reimpl.interpolate`.

    >>> Upsample(scale_factor=2)
    Upsample(scale_factor=2.0, mode='nearest')
    """

    __constants__ = (
        "size",
        "scale_factor",
        "mode",
        "align_corners",
        "name",
        "recompute_scale_factor",
    )
    name: str
    size: _size_any_t | None
    scale_factor: _ratio_any_t | None
    mode: str
    align_corners: bool | None
    recompute_scale_factor: bool | None

    def __init__(
        self,
        size: _size_any_t | None = None,
        scale_factor: _ratio_any_t | None = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ) -> None:
        super().__init__()
        self.name = type(self).__name__
        self.size = size
        if isinstance(scale_factor, tuple):
            self.scale_factor = tuple([_float(factor) for factor in scale_factor])
        else:
            self.scale_factor = _float(scale_factor) if scale_factor else None
        self.mode = mode
        self.align_corners = align_corners
        self.recompute_scale_factor = recompute_scale_factor

    def forward(self, input: Tensor) -> Tensor:
        """The input in another size."""
        return interpolate(
            input,
            self.size,
            self.scale_factor,
            self.mode,
            self.align_corners,
            self.recompute_scale_factor,
        )

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__({"recompute_scale_factor": True} | state)  # before there was a choice

    def extra_repr(self) -> str:
        """The arguments, for repr()."""
        given = "size" if self.scale_factor is None else "scale_factor"
        return f"{given}={getattr(self, given)!r}, mode={self.mode!r}"


def _float(factor: Any) -> float:
    try:
        return float(factor)
    except TypeError:
        raise TypeError(
            f"Upsample: scale_factor must be a number or a tuple of them, got {factor!r}"
        ) from None


class UpsamplingNearest2d(Upsample):
    """Upsampling of images by the nearest pixel; see :func:`reimpl.interpolate`.

    >>> UpsamplingNearest2d(size=4)
    UpsamplingNearest2d(size=4, mode='nearest')
    """

    def __init__(
        self, size: _size_2_t | None = None, scale_factor: _ratio_2_t | None = None
    ) -> None:
        super().__init__(size, scale_factor, mode="nearest")


class UpsamplingBilinear2d(Upsample):
    """Bilinear upsampling of images with aligned corners; see :func:`reimpl.interpolate`.

    >>> UpsamplingBilinear2d(scale_factor=2)
    UpsamplingBilinear2d(scale_factor=2.0, mode='bilinear')
    """

    def __init__(
        self, size: _size_2_t | None = None, scale_factor: _ratio_2_t | None = None
    ) -> None:
        super().__init__(size, scale_factor, mode="bilinear", align_corners=True)

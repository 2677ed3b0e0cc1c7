"""Which memory layout torch gives an output, and how to give it the same.

Only two layouts arise: contiguous and channels last. Strides along axes of size one carry no
information, but they are made equal to torch's as well, since the next operator reads them.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch._C._functorch import is_legacy_batchedtensor

_HALF = (torch.float16, torch.bfloat16)
_SINGLE = (torch.float32, torch.complex64)
# Those of the 16-bit types that the processor computes in, as oneDNN wants it.
_ONEDNN_HALF = tuple(
    dtype
    for dtype, name in ((torch.bfloat16, "bf16"), (torch.float16, "fp16"))
    if torch.backends.mkldnn.is_available()
    and getattr(torch.ops.mkldnn, f"_is_mkldnn_{name}_supported")()
)


def looks_channels_last(t: Tensor) -> bool:
    """Whether torch takes a 4-d or 5-d tensor's strides for channels last.

    The rule is c10's ``is_channels_last_strides_2d``: strides grow along C, then from the last
    spatial axis to the first, then N, with the ties of size-one axes resolved towards contiguous.
    """
    size, stride = t.shape, t.stride()
    least = 0
    if stride[1] == 0:
        return False
    for d in (1, *range(t.dim() - 1, 1, -1), 0):
        if size[d] == 0 or stride[d] < least or (d == 0 and least == stride[1]):
            return False
        least = stride[d] * size[d] if size[d] > 1 else stride[d]
    return True


def several_in_one(t: Tensor) -> bool:
    """Whether the vmap of ``is_grads_batched`` makes one tensor of several; compilers have none."""
    return not torch.compiler.is_compiling() and is_legacy_batchedtensor(t)


def strideable(t: Tensor) -> Tensor:
    """``t``, which as_strided may be asked of under the vmap of ``is_grads_batched``, too.

    That one wants the mapped axis in front in memory.
    """
    copy = torch.contiguous_format
    return t.clone(memory_format=copy) if several_in_one(t) else t


def split(t: Tensor, axis: int, *sizes: int) -> Tensor:
    """A view with one axis as several.

    ``Tensor.unflatten``, but for the vmap of ``is_grads_batched``, which does not know that one.
    """
    axis %= t.dim()
    return t.view(*t.shape[:axis], *sizes, *t.shape[axis + 1 :])


def arrange(y: Tensor, channels_last: bool) -> Tensor:
    """``y`` (N, C, *L) made dense in the given layout, with the strides of a fresh tensor."""
    if channels_last:
        return _fresh(y.movedim(1, -1)).movedim(-1, 1)
    return _fresh(y)


def _fresh(y: Tensor) -> Tensor:
    # contiguous() would leave odd strides along axes of size one, and in empty tensors.
    strides, step = [], 1
    for size in reversed(y.shape):
        strides.append(step)
        step *= max(size, 1)
    if y.stride() == tuple(reversed(strides)):
        return y
    return y.clone(memory_format=torch.contiguous_format)


def convolution_layout(
    x: Tensor,
    w: Tensor,
    strided: bool,
    groups: int,
    padding_mode: str = "zeros",
    *,
    overhangs: bool = False,
    uneven: Sequence[int] = (),
) -> bool:
    """Whether torch's convolution of ``x`` (N, C, *L) with ``w`` returns channels last.

    It does when either argument looks channels last, and the kernel it runs knows that layout:
    every kernel for one and two axes (one axis is two, the first of size one, after
    ``input.contiguous()`` #48889), oneDNN's and cuDNN's for three. Empty and meta tensors are
    contiguous. Reflected and replicated inputs keep their layout, for two and three axes; wrapped
    ones are contiguous. A complex convolution is three real ones, of strided views, which
    ``contiguous()`` copies. ``overhangs`` says that some output_padding is no smaller than the
    stride, for which oneDNN has no kernel.
    ``uneven`` is how many more zeros ``padding="same"`` puts behind each axis than in front of it:
    torch adds those first, which makes a new tensor.
    """
    if x.is_meta or x.numel() == 0:
        return False
    rank = x.dim() - 2
    kept = padding_mode == "zeros" or (rank > 1 and padding_mode != "circular")
    if any(uneven):
        x = _padded(x, uneven)
    if rank == 1:
        x = _fresh(x) if x.is_complex() else x.contiguous()
        x, w = x.unsqueeze(2), w.unsqueeze(2)
    if not ((kept and looks_channels_last(x)) or looks_channels_last(w)):
        return False
    if rank < 3 and not x.is_cuda:
        return True
    if x.is_cuda:
        return x.dtype in _HALF or x.dtype in _SINGLE
    if overhangs or not torch.backends.mkldnn.enabled:
        return False
    return x.dtype in _ONEDNN_HALF or (x.dtype in _SINGLE and _onednn(x, w, strided, groups))


def nnpack(x: Tensor, kernel: Sequence[int], dilated: bool, padding: Sequence[int]) -> bool:
    """ATen's ``use_nnpack``, which is asked without oneDNN alone: its results are contiguous."""
    wanted = not torch.backends.mkldnn.enabled and torch._C._get_nnpack_enabled()
    if not wanted or x.is_cuda or x.dim() > 4 or x.dtype not in (torch.float32, torch.complex64):
        return False
    fits = all(p < k < 17 for p, k in zip(padding, kernel, strict=True))
    return fits and not dilated and x.shape[0] >= 16


def _padded(x: Tensor, more: Sequence[int]) -> Tensor:
    """A tensor like ``x`` with ``more`` entries per spatial axis, laid out as torch's padding does.

    Its numbers are not set.
    """
    sizes = zip(x.shape[2:], more, strict=True)
    y = x.new_empty(*x.shape[:2], *(l + m for l, m in sizes))
    return arrange(y, x.dim() > 3 and looks_channels_last(x))


def _onednn(x: Tensor, w: Tensor, strided: bool, groups: int) -> bool:
    """ATen's ``use_mkldnn`` for float32 on a CPU: small jobs go to native kernels."""
    big_enough = groups > 1 or min(w.shape[-2:]) > 3 or x.shape[0] > 1
    big_enough = big_enough or x.shape[:4].numel() > 20480
    pointwise = not strided and x.shape[0] < 16 and w.shape[-2:] == (1, 1)
    return big_enough and not (pointwise and torch.get_num_threads() == 1)


def normalization_layout(x: Tensor, *parameters: Tensor | None) -> bool:
    """Whether torch's batch norm of ``x`` (N, C, *L) returns channels last.

    Where axes of size one leave room for doubt its kernel for contiguous tensors takes ``x`` for
    channels last, and the one that runs if some parameter is not contiguous for plain.
    """
    if x.dim() not in (4, 5) or x.is_contiguous():
        return False
    if all(t is None or t.is_contiguous() for t in parameters) and x.movedim(1, -1).is_contiguous():
        return True
    return looks_channels_last(x)

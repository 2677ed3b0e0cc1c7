r"""Sizes along one axis: of an output, and of the inputs that give it.

    convolution             M = ⌊(L + 2p − d(K−1) − 1) / s⌋ + 1
    transposed convolution  L = s(M−1) − 2p + d(K−1) + 1 + output_padding

The two undo each other only where s divides what the floor cuts: otherwise s input sizes share an
output size, and output_padding says which of them the transpose returns to.
"""

from __future__ import annotations

from reimpl import arguments
from reimpl.pooling import pooled_positions
from reimpl.windows import fitting, spanned


def convolution_size(
    size: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1
) -> int:
    """How many positions a convolution's kernel has: M = ⌊(L + 2p − d(K−1) − 1) / s⌋ + 1.

    The short form (L + 2p − K)/s + 1 is the same if d = 1 and s divides L + 2p − K.

    Raises:
        RuntimeError: geometry out of range, or a kernel that spans more than the padded input.
        TypeError: an argument that is no integer.

    Source: Dumoulin, Visin 2016, https://arxiv.org/abs/1603.07285

    >>> convolution_size(32, kernel=3, dilation=3)
    26
    >>> convolution_size(32, kernel=3, stride=2)
    15
    """
    op = "convolution_size"
    _check(op, padding, size=size, kernel=kernel, stride=stride, dilation=dilation)
    return _at_least_one(op, size, kernel, fitting(size + 2 * padding, kernel, stride, dilation))


def pooling_size(
    size: int,
    kernel: int,
    stride: int | None = None,
    padding: int = 0,
    dilation: int = 1,
    ceil_mode: bool = False,
) -> int:
    """How many windows a pool has; the stride is the kernel's size where none is given.

    Without ``ceil_mode`` as many as a convolution. With it the quotient is rounded up, but a last
    window that would start behind the input and its front padding is dropped.

    Raises:
        RuntimeError: geometry out of range, padding over half a kernel, or no window at all.
        TypeError: an argument that is no integer.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.MaxPool2d.html

    >>> pooling_size(224, kernel=2), pooling_size(5, kernel=2), pooling_size(5, 2, ceil_mode=True)
    (112, 2, 3)
    """
    op = "pooling_size"
    stride = kernel if stride is None else stride
    _check(op, padding, size=size, kernel=kernel, stride=stride, dilation=dilation)
    _check_pool(op, kernel, padding)
    positions = pooled_positions(size, kernel, stride, padding, dilation, ceil_mode)
    return _at_least_one(op, size, kernel, positions)


def transposed_size(
    size: int,
    kernel: int,
    stride: int = 1,
    padding: int = 0,
    output_padding: int = 0,
    dilation: int = 1,
) -> int:
    """What a transposed convolution returns: L = s(M−1) − 2p + d(K−1) + 1 + output_padding.

    Raises:
        RuntimeError: geometry out of range, output_padding not below the larger of stride and
            dilation, or an empty output.
        TypeError: an argument that is no integer.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.ConvTranspose2d.html

    >>> transposed_size(2, kernel=3), transposed_size(2, kernel=3, padding=1)
    (4, 2)
    """
    op = "transposed_size"
    _check(op, padding, size=size, kernel=kernel, stride=stride, dilation=dilation)
    arguments.at_least(op, "output_padding", output_padding, 0)
    if output_padding >= max(stride, dilation):
        raise RuntimeError(
            f"{op}: output_padding must be below stride={stride} or dilation={dilation}, "
            f"got {output_padding}"
        )
    output = spanned(size, kernel, stride, dilation) - 2 * padding + output_padding
    return _at_least_one(op, size, kernel, output)


def input_sizes(
    output: int,
    kernel: int,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    ceil_mode: bool = False,
) -> range:
    """All positive sizes of which a convolution, or a pool, makes ``output``.

    The least L with at least M windows is s(M−1) + d(K−1) + 1 − 2p; the sizes are those from it
    to before the least of M + 1: s of them, if none is below 1. With ``ceil_mode`` a window may
    overhang by s − 1, but must start before s(M−1) < L + p.

    Raises:
        RuntimeError: geometry out of range, or with ``ceil_mode`` padding over half a kernel.
        TypeError: an argument that is no integer.

    Source: Dumoulin, Visin 2016, https://arxiv.org/abs/1603.07285

    >>> input_sizes(3, kernel=3, stride=2, padding=1)
    range(5, 7)
    >>> [transposed_size(3, 3, stride=2, padding=1, output_padding=e) for e in (0, 1)]
    [5, 6]
    """
    op = "input_sizes"
    _check(op, padding, output=output, kernel=kernel, stride=stride, dilation=dilation)
    if ceil_mode:
        _check_pool(op, kernel, padding)

    def least(positions: int) -> int:
        size = spanned(positions, kernel, stride, dilation) - 2 * padding
        if ceil_mode:
            size = max(size - (stride - 1), stride * (positions - 1) - padding + 1)
        return max(size, 1)

    return range(least(output), least(output + 1))


def output_padding(
    size: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1
) -> int:
    """The output_padding with which the transpose returns to ``size``: (L + 2p − d(K−1) − 1) mod s.

    It is ``size``'s place among the :func:`input_sizes` of its output, if none of those is cut off
    for being below 1.

    Raises:
        As :func:`convolution_size`.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.ConvTranspose2d.html

    >>> output_padding(5, kernel=3, stride=2, padding=1)
    0
    >>> output_padding(6, kernel=3, stride=2, padding=1)
    1
    """
    positions = convolution_size(size, kernel, stride, padding, dilation)
    return size + 2 * padding - spanned(positions, kernel, stride, dilation)


def _check(op: str, padding: int, **positive: int) -> None:
    for name, value in positive.items():
        arguments.at_least(op, name, value, 1)
    arguments.at_least(op, "padding", padding, 0)


def _check_pool(op: str, kernel: int, padding: int) -> None:
    if 2 * padding > kernel:
        raise RuntimeError(f"{op}: padding must be at most half of kernel={kernel}, got {padding}")


def _at_least_one(op: str, size: int, kernel: int, output: int) -> int:
    if output < 1:
        raise RuntimeError(
            f"{op}: size and kernel must leave an output of at least one entry, got size={size} "
            f"and kernel={kernel}, which leave {output}"
        )
    return output

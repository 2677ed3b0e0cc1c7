"""Convolution and transposed convolution, 1-d to 3-d: one sum each, read off the formula."""

from __future__ import annotations

from typing import Any

from parity_tests.definitions.array import Array, per_axis, positions

Ints = int | tuple[int, ...] | list[int]


def convolution(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Ints = 1,
    padding: Ints | str = 0,
    dilation: Ints = 1,
    groups: int = 1,
) -> Array:
    """y[n, o, m] = b[o] + Σ_{c,k} w[o, c, k] · x[n, g·C + c, s·m + d·k − p], zero outside x."""
    O, C, *K = weight.shape
    rank = len(K)
    batched = len(input.shape) == rank + 2
    x = input.with_batch(batched)
    s, d = per_axis(stride, rank), per_axis(dilation, rank)
    before, total = zero_padding(padding, K, d)
    M = [
        (l + p - d * (k - 1) - 1) // s + 1
        for l, p, d, k, s in zip(x.shape[2:], total, d, K, s, strict=True)
    ]

    def y(n: int, o: int, *m: int) -> Any:
        first = o // (O // groups) * C
        return sum(
            weight[(o, c, *k)] * x.zero_padded(n, first + c, *source(m, k, s, d, before))
            for c in range(C)
            for k in positions(tuple(K))
        ) + (bias[o] if bias else 0)

    # Without input channels torch gives no output channels either (pytorch#101356).
    return Array((x.shape[0], O if C else 0, *M), y).without_batch(batched)


def transposed_convolution(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Ints = 1,
    padding: Ints = 0,
    output_padding: Ints = 0,
    groups: int = 1,
    dilation: Ints = 1,
) -> Array:
    """x[n, g·C + c, l] = b + Σ_{o,m,k: s·m + d·k − p = l} w[o, c, k] · y[n, o, m]."""
    O, C, *K = weight.shape
    rank, kernel = len(K), tuple(K)
    batched = len(input.shape) == rank + 2
    y = input.with_batch(batched)
    s, p, d, extra = (per_axis(v, rank) for v in (stride, padding, dilation, output_padding))
    L = [
        (m - 1) * s - 2 * p + d * (k - 1) + 1 + e
        for m, s, p, d, k, e in zip(y.shape[2:], s, p, d, K, extra, strict=True)
    ]

    def x(n: int, channel: int, *l: int) -> Any:
        group, c = divmod(channel, C)
        members = range(group * (O // groups), (group + 1) * (O // groups))
        return sum(
            weight[(o, c, *k)] * y[(n, o, *m)]
            for k in positions(kernel)
            for m in windows_reaching(l, k, s, d, p, y.shape[2:])
            for o in members
        ) + (bias[channel] if bias else 0)

    return Array((y.shape[0], C * groups, *L), x).without_batch(batched)


def source(
    m: tuple[int, ...],
    k: tuple[int, ...],
    s: tuple[int, ...],
    d: tuple[int, ...],
    p: tuple[int, ...],
) -> tuple[int, ...]:
    """Where tap k of window m looks: s·m + d·k − p on every axis."""
    return tuple(s * m + d * k - p for m, k, s, d, p in zip(m, k, s, d, p, strict=True))


def windows_reaching(
    l: tuple[int, ...],
    k: tuple[int, ...],
    s: tuple[int, ...],
    d: tuple[int, ...],
    p: tuple[int, ...],
    M: tuple[int, ...],
) -> list[tuple[int, ...]]:
    """The m with s·m + d·k − p = l, of which there is one or none."""
    divided = [divmod(l + p - d * k, s) for l, k, s, d, p in zip(l, k, s, d, p, strict=True)]
    m = tuple(quotient for quotient, _ in divided)
    inside = all(0 <= i < n for i, n in zip(m, M, strict=True))
    return [m] if inside and not any(rest for _, rest in divided) else []


def zero_padding(
    padding: Ints | str, kernel: list[int], dilation: tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Zeros before the input and in total, per axis; 'same' puts an odd one behind."""
    if padding == "same":
        total = tuple(d * (k - 1) for d, k in zip(dilation, kernel, strict=True))
        return tuple(t // 2 for t in total), total
    before = per_axis(0 if isinstance(padding, str) else padding, len(kernel))
    return before, tuple(2 * p for p in before)


def convolution_layer(
    input: Array,
    weight: Array,
    bias: Any = None,
    stride: Ints = 1,
    padding: Ints | str = 0,
    dilation: Ints = 1,
    groups: int = 1,
    padding_mode: str = "zeros",
) -> Array:
    """A Conv module: ``padding_mode`` says what stands outside the input, then a convolution."""
    if padding_mode == "zeros":
        return convolution(input, weight, bias, stride, padding, dilation, groups)
    rank = len(weight.shape) - 2
    before, total = zero_padding(padding, list(weight.shape[2:]), per_axis(dilation, rank))
    lead, L = input.shape[:-rank], input.shape[-rank:]
    outside = {"reflect": reflected, "replicate": replicated, "circular": wrapped}[padding_mode]

    def padded(*i: int) -> Any:
        l = (outside(i - p, n) for i, p, n in zip(i[-rank:], before, L, strict=True))
        return input[(*i[:-rank], *l)]

    x = Array((*lead, *(n + t for n, t in zip(L, total, strict=True))), padded)
    return convolution(x, weight, bias, stride, 0, dilation, groups)


def reflected(i: int, n: int) -> int:
    """… 2 1 | 0 1 2 … n−1 | n−2 …"""
    return abs(i) if i < n else 2 * (n - 1) - i


def replicated(i: int, n: int) -> int:
    """… 0 0 | 0 1 2 … n−1 | n−1 …"""
    return min(max(i, 0), n - 1)


def wrapped(i: int, n: int) -> int:
    """… n−1 | 0 1 2 … n−1 | 0 …"""
    return i % n


def transposed_convolution_layer(
    input: Array,
    weight: Array,
    bias: Any = None,
    stride: Ints = 1,
    padding: Ints = 0,
    output_padding: Ints = 0,
    groups: int = 1,
    dilation: Ints = 1,
    output_size: list[int] | None = None,
) -> Array:
    """A ConvTranspose module: ``output_size`` says which output padding is meant."""
    rank = len(weight.shape) - 2
    if output_size is not None:
        s, p, d = (per_axis(v, rank) for v in (stride, padding, dilation))
        sizes = zip(
            output_size[-rank:], input.shape[-rank:], s, p, d, weight.shape[2:], strict=True
        )
        output_padding = [l - ((m - 1) * s - 2 * p + d * (k - 1) + 1) for l, m, s, p, d, k in sizes]
    return transposed_convolution(
        input, weight, bias, stride, padding, output_padding, groups, dilation
    )

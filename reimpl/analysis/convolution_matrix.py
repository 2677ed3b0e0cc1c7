r"""A convolution written out as a sparse matrix.

Row (o, m) holds, in column (c, l), the tap w[o, c, k] with s·m + d·k − p = l: every output is a sum
over its window, so the matrix times an input is the convolution, and its transpose times an output
is the transposed convolution. Rows have up to C·∏K entries (many to one), columns are what one
input contributes to (one to many): the transpose exchanges the two and keeps the connections.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor

from reimpl import arguments
from reimpl.conv import Size, check_tensors, paddings, windows_over


def convolution_matrix(
    weight: Tensor,
    size: Sequence[int],
    stride: Size = 1,
    padding: str | Size = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Tensor:
    r"""The matrix A with vec(conv(x)) = A · vec(x) for every x of the given size.

    A[(g,o,m), (g,c,l)] = w[g,o,c,k] where s·m + d·k − p = l, elsewhere nothing is stored

    Shapes:
        weight (G·O, C, *K), size *L, output (G·O·∏M, G·C·∏L), a coalesced sparse COO tensor.

    Backward: each stored entry's cotangent goes to the tap that it is.

    Raises:
        RuntimeError: geometry out of range, or a kernel that spans more than the padded input.
        TypeError: a value of the wrong kind.

    Source: Dumoulin, Visin 2016, section 4, https://arxiv.org/abs/1603.07285

    A 4×4 input and a 3×3 kernel: each of four outputs has nine taps.

    >>> A = convolution_matrix(torch.ones(1, 1, 3, 3), (4, 4))
    >>> tuple(A.shape), A.to_dense().sum(1)
    ((4, 16), tensor([9., 9., 9., 9.]))
    >>> convolution_matrix(torch.tensor([[[1.0, 2.0]]]), (3,)).to_dense()
    tensor([[1., 2., 0.],
            [0., 1., 2.]])
    """
    op = "convolution_matrix"
    arguments.tensor(op, "weight", weight)
    L = arguments.integers(op, "size", size)
    rank = len(L)
    G = check_tensors(op, rank, weight.new_empty(1, 1, *L), weight, None, groups)
    C = weight.shape[1] * G
    # The entries of an input by number, from 1 on: what is gathered as 0 is padding.
    numbered = torch.arange(1, C * prod(L) + 1, device="cpu").reshape(1, C, *L)
    s = arguments.per_axis(op, "stride", stride, rank, 1)
    d = arguments.per_axis(op, "dilation", dilation, rank, 1)
    kernel = tuple(weight.shape[2:])
    windows = windows_over(op, L, kernel, s, paddings(op, padding, kernel, s, d), d)
    M = prod(windows.positions)

    def spread_out(t: Tensor, *shape: int) -> Tensor:
        """To one entry for each (G, O, C·K, M)."""
        return t.reshape(shape).expand(G, weight.shape[0] // G, -1, M)

    taps = weight.shape[1] * prod(kernel)
    rows = spread_out(torch.arange(weight.shape[0] * M, device="cpu"), G, -1, 1, M).expand(
        -1, -1, taps, -1
    )
    columns = spread_out(windows.gather(numbered.unflatten(1, (G, -1))), G, 1, taps, M)
    values = spread_out(weight, G, -1, taps, 1)
    inside = columns > 0
    places = torch.stack([rows[inside], columns[inside] - 1]).to(weight.device)
    shape = (weight.shape[0] * M, C * prod(L))
    stored = values[inside.to(weight.device)]
    return torch.sparse_coo_tensor(places, stored, shape, check_invariants=True).coalesce()

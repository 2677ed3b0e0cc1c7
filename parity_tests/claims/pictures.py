"""Pictures of counterexamples, as SVG that takes the colour of the text around it."""

from __future__ import annotations

from html import escape

from torch import Tensor

SIDE = 28  # of a square


def grid(values: Tensor, title: str) -> str:
    """A matrix of numbers that are not negative: squares, the darker the larger, with the number.

    >>> import torch
    >>> grid(torch.tensor([[1, 2]]), "overlap").count("<rect")
    2
    """
    rows, columns = values.shape
    largest = max(float(values.max()), 1.0)
    squares = [
        square(i, j, float(values[i, j]), largest) for i in range(rows) for j in range(columns)
    ]
    return (
        f'<svg role="img" viewBox="0 0 {SIDE * columns} {SIDE * rows}" width="{SIDE * columns}" '
        f'fill="currentColor" text-anchor="middle" font-size="12">'
        f"<title>{escape(title)}</title>{''.join(squares)}</svg>"
    )


def square(row: int, column: int, value: float, largest: float) -> str:
    """One entry; at most half opaque, so that the number is read on every shade."""
    x, y = SIDE * column, SIDE * row
    return (
        f'<rect x="{x}" y="{y}" width="{SIDE}" height="{SIDE}" '
        f'fill-opacity="{0.5 * value / largest:.2f}"/>'
        f'<text x="{x + SIDE / 2:g}" y="{y + SIDE / 2 + 4:g}">{value:g}</text>'
    )

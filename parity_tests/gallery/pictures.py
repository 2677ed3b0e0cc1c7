"""Tensors as pictures: PNG by hand, its compression zlib's, in a data URI.

Source: W3C, "Portable Network Graphics (PNG) Specification", https://www.w3.org/TR/png
"""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Sequence
from math import pi
from typing import NamedTuple

import torch
from torch import Tensor

_GREY, _RGB, _INDEXED = 0, 2, 3  # PNG's colour types
_UP = 2  # the filter that stores a row as its difference to the one above

# Blue for negative, white for zero, red for positive; and matplotlib's viridis at five places.
_DIVERGING = ((29, 60, 130), (104, 149, 205), (247, 247, 247), (214, 125, 92), (150, 24, 24))
_SEQUENTIAL = ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37))


class Picture(NamedTuple):
    """An image for a page, its size in pixels."""

    uri: str
    width: int
    height: int


def grey(image: Tensor) -> Picture:
    """Brightness in [0, 1]; what is beyond is cut off."""
    return _picture(_bytes(image))


def scaled(image: Tensor) -> Picture:
    """Brightness from zero on; the brightest hundredth is all white."""
    return grey(image / _extent(image))


def colour(image: Tensor) -> Picture:
    """Red, green and blue in [0, 1], (3, H, W)."""
    return _picture(_bytes(image.movedim(0, -1)))


def signed(image: Tensor) -> Picture:
    """Blue for negative, white for zero, red for positive; the strongest hundredth is alike."""
    return _picture(_bytes(0.5 + 0.5 * image / _extent(image)), _DIVERGING)


def heat(image: Tensor) -> Picture:
    """From dark violet for zero to yellow for the largest value."""
    return _picture(_bytes(image / image.max().clamp(min=1e-9)), _SEQUENTIAL)


def hue(angle: Tensor, strength: Tensor) -> Picture:
    """An angle as a colour: 0 red, 2π/3 green, −2π/3 blue; its strength as brightness."""
    sector = angle * 3 / pi  # 6 around the circle
    channels = [(sector + n) % 6 for n in (5, 3, 1)]
    absence = torch.stack([torch.minimum(k, 4 - k).clamp(0, 1) for k in channels])
    return colour((strength / _extent(strength)).clamp(0, 1) * (1 - absence))


def png(pixels: Tensor, palette: Tensor | None = None) -> bytes:
    """A PNG file of bytes: grey (H, W), RGB (H, W, 3), or indices (H, W) of a palette (256, 3)."""
    H, W = pixels.shape[:2]
    kind = _RGB if pixels.dim() == 3 else _GREY if palette is None else _INDEXED
    rows = pixels.reshape(H, -1)
    above = torch.cat((torch.zeros_like(rows[:1]), rows[:-1]))
    filtered = torch.cat((rows.new_full((H, 1), _UP), rows - above), 1)  # modulo 256
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            _chunk(b"IHDR", struct.pack(">IIBBBBB", W, H, 8, kind, 0, 0, 0)),
            b"" if palette is None else _chunk(b"PLTE", palette.numpy().tobytes()),
            _chunk(b"IDAT", zlib.compress(filtered.numpy().tobytes(), 9)),
            _chunk(b"IEND", b""),
        )
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)


def _picture(pixels: Tensor, anchors: Sequence[tuple[int, int, int]] | None = None) -> Picture:
    file = png(pixels, None if anchors is None else _palette(anchors))
    uri = "data:image/png;base64," + base64.b64encode(file).decode("ascii")
    return Picture(uri, pixels.shape[1], pixels.shape[0])


def _extent(image: Tensor) -> Tensor:
    """What 99 in 100 pixels do not exceed."""
    return image.abs().flatten().quantile(0.99).clamp(min=1e-9)


def _bytes(image: Tensor) -> Tensor:
    """[0, 1] as 0 to 255."""
    return (image.detach().clamp(0, 1) * 255).round().to(torch.uint8)


def _palette(anchors: Sequence[tuple[int, int, int]]) -> Tensor:
    """256 colours, straight between the anchors."""
    points = torch.tensor(anchors, dtype=torch.float32)
    at = torch.linspace(0, len(anchors) - 1, 256)
    i = at.floor().long().clamp(max=len(anchors) - 2)
    part = (at - i).unsqueeze(1)
    return (points[i] * (1 - part) + points[i + 1] * part).round().to(torch.uint8)

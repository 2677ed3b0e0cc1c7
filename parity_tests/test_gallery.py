"""The gallery: the page stands alone, its pictures can be decoded, its numbers are right."""

from __future__ import annotations

import base64
import math
import re
import struct
import sys
import zlib
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch
from torch import Tensor

from parity_tests.gallery import __main__ as gallery
from parity_tests.gallery import keypoints, receptive_fields
from parity_tests.gallery.images import Images, generated, grid, images, middle, photographs
from parity_tests.gallery.page import render, sections
from parity_tests.gallery.pictures import colour, grey, heat, hue, png, signed


@pytest.fixture(scope="module")
def tiny() -> Images:
    return generated(48)


@pytest.fixture(scope="module")
def page(tiny: Images) -> str:
    return render(list(sections(tiny)), tiny.source)


class Elements(HTMLParser):
    """All start tags with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))


def chunks(file: bytes) -> dict[bytes, bytes]:
    """The parts of a PNG file by name, their checksums verified."""
    assert file[:8] == b"\x89PNG\r\n\x1a\n"
    found, at = {}, 8
    while at < len(file):
        (length,) = struct.unpack(">I", file[at : at + 4])
        kind, data = file[at + 4 : at + 8], file[at + 8 : at + 8 + length]
        (checksum,) = struct.unpack(">I", file[at + 8 + length : at + 12 + length])
        assert checksum == zlib.crc32(kind + data)
        found[kind], at = data, at + 12 + length
    assert next(iter(found)) == b"IHDR"
    assert list(found)[-1] == b"IEND"
    return found


def decoded(file: bytes) -> Tensor:
    """Pixels (H, W, channels) of a file whose rows are stored as they are or as differences."""
    parts = chunks(file)
    W, H, depth, kind, *rest = struct.unpack(">IIBBBBB", parts[b"IHDR"])
    assert (depth, rest) == (8, [0, 0, 0])
    channels = {0: 1, 2: 3, 3: 1}[kind]
    data = zlib.decompress(parts[b"IDAT"])
    stride = 1 + W * channels
    assert len(data) == H * stride
    rows, above = [], [0] * (W * channels)
    for i in range(H):
        filtering, *row = data[i * stride : (i + 1) * stride]
        above = [(a + b) % 256 for a, b in zip(row, above, strict=True)] if filtering == 2 else row
        assert filtering in (0, 2)
        rows.append(above)
    pixels = torch.tensor(rows, dtype=torch.uint8).view(H, W, channels)
    if kind != 3:
        return pixels
    palette = torch.tensor(list(parts[b"PLTE"]), dtype=torch.uint8).view(-1, 3)
    return palette[pixels[..., 0].long()]


def pixels(uri: str) -> Tensor:
    start, _, data = uri.partition(",")
    assert start == "data:image/png;base64"
    return decoded(base64.b64decode(data))


# --- the page ---


def test_nothing_is_fetched_and_every_picture_is_told(page: str) -> None:
    elements = Elements(page).found
    pictures = [attributes for tag, attributes in elements if tag == "img"]
    assert len(pictures) > 50
    for attributes in pictures:
        assert len(attributes["alt"]) > 5
        H, W, _ = pixels(attributes["src"]).shape
        assert (attributes["width"], attributes["height"]) == (str(W), str(H))
    ids = {attributes["id"] for _, attributes in elements if "id" in attributes}
    for tag, attributes in elements:
        assert "src" not in attributes or tag == "img"
        assert attributes.get("href", "#filters")[1:] in ids
    assert not re.search(r"url\((?!#)|@import|https?://", re.sub(r"<pre>.*?</pre>", "", page))
    assert "default-src 'none'" in page


def test_every_figure_shows_its_code(tiny: Images) -> None:
    for section in sections(tiny):
        for figure in section.figures:
            assert figure.panels
            assert figure.caption
            assert figure.code.startswith("# parity_tests.gallery.")
            compile(figure.code, section.id, "exec")


def test_the_page_is_written_and_its_path_told(
    tmp_path: Path,
    tiny: Images,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(gallery, "images", lambda: tiny)
    monkeypatch.setattr(sys, "argv", ["gallery", "-o", str(tmp_path / "new")])
    monkeypatch.setattr(torch, "set_num_threads", lambda _: None)
    gallery.main()
    *progress, last = capsys.readouterr().out.splitlines()
    assert Path(last) == tmp_path / "new" / "gallery.html"
    assert Path(last).read_text(encoding="utf-8").startswith("<!doctype html>")
    assert len(progress) == 7


# --- what it shows ---


def test_images_have_the_sizes_asked_for(tiny: Images) -> None:
    assert tiny.scene.pixels.shape == tiny.blobs.pixels.shape == (48, 48)
    assert tiny.large.pixels.shape == (96, 96)
    assert tiny.colour.pixels.shape == (3, 48, 48)
    for image in tiny[:4]:
        assert 0 <= image.pixels.min() < 0.3
        assert 0.5 < image.pixels.max() <= 1


def test_photographs_where_there_are_any(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("skimage.data", reason="scikit-image is not installed")
    assert images(40).source == photographs(40).source
    assert photographs(40).blobs.pixels.shape == (40, 51)
    assert photographs(40).colour.pixels.shape == (3, 40, 40)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert images(40).source == generated(40).source


def test_a_quarter_turn_of_the_middle_is_exact() -> None:
    """Clockwise, as R·(v, u) = (−u, v) at 90°: the top row shows the left column, from below."""
    image = torch.rand(9, 9, generator=torch.Generator().manual_seed(0))
    assert middle(image, 5).equal(image[2:7, 2:7])
    torch.testing.assert_close(middle(image, 5, 90), image[2:7, 2:7].rot90(-1))


@pytest.mark.parametrize("degrees", [30.0, -100.0])
def test_points_are_where_the_turn_takes_them(
    degrees: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A blob is seen in the turned square where its centre should be: what matches are held to."""
    monkeypatch.setattr(keypoints, "DEGREES", degrees)
    v, u = grid(60, 60)
    image = torch.exp(-((v + 9) ** 2 + (u - 4) ** 2) / 8)
    ((y, x),) = keypoints._turned(torch.tensor([[19.5 - 9, 19.5 + 4]]), 40).tolist()
    seen = middle(image, 40, degrees)
    v, u = torch.meshgrid(torch.arange(40.0), torch.arange(40.0), indexing="ij")
    assert float((seen * v).sum() / seen.sum()) == pytest.approx(y, abs=0.02)
    assert float((seen * u).sum() / seen.sum()) == pytest.approx(x, abs=0.02)


def test_matches_survive_a_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most do, though ripples look alike; held to another turn, nearly none is true."""
    image, degrees = generated(96).large.pixels, keypoints.DEGREES
    here, there, pairs = keypoints.matches(middle(image, 128), middle(image, 128, degrees))
    one = torch.stack((here.y, here.x), 1)[pairs[:, 0]]
    other = torch.stack((there.y, there.x), 1)[pairs[:, 1]]

    def true_ones() -> float:
        off = (keypoints._turned(one, 128) - other).norm(dim=1)
        return float((off < keypoints.NEAR).float().mean())

    assert len(pairs) > 30
    assert true_ones() > 0.5
    monkeypatch.setattr(keypoints, "DEGREES", -degrees)
    assert true_ones() < 0.1


@pytest.mark.parametrize("label", [*receptive_fields.DILATIONS, *receptive_fields.STACKS])
def test_seen_inputs_are_those_with_a_path(label: str) -> None:
    layers = (receptive_fields.DILATIONS | receptive_fields.STACKS)[label]
    paths = receptive_fields.paths(layers)
    assert receptive_fields.seen(layers).equal(paths > 0)
    assert paths.sum() == 9 ** len(layers)


# --- pictures ---


@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (4, 7, 3)])
def test_png_gives_the_bytes_back(shape: tuple[int, ...]) -> None:
    data = torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(0))
    data = data.to(torch.uint8)
    assert decoded(png(data)).equal(data.view(*shape[:2], -1))


def test_png_with_a_palette_gives_its_colours_back() -> None:
    palette = torch.arange(768).view(256, 3).remainder(251).to(torch.uint8)
    data = torch.tensor([[0, 255], [7, 130]], dtype=torch.uint8)
    assert decoded(png(data, palette)).equal(palette[data.long()])


def test_paints_mean_what_they_say() -> None:
    assert pixels(grey(torch.tensor([[-1.0, 0.0, 0.5, 2.0]])).uri).flatten().tolist() == [
        0,
        0,
        128,
        255,
    ]
    blue, white, red = pixels(signed(torch.tensor([[-3.0, 0.0, 3.0]])).uri)[0].int()
    assert blue[2] > blue[0]
    assert white.min() > 240
    assert red[0] > red[2]
    none, most = pixels(heat(torch.tensor([[0.0, 9.0]])).uri)[0].tolist()
    assert (none, most) == ([68, 1, 84], [253, 231, 37])
    rgb = torch.tensor([1.0, 0.0, 0.2]).view(3, 1, 1)
    assert pixels(colour(rgb).uri).flatten().tolist() == [255, 0, 51]
    third = 2 * math.pi / 3
    angles = torch.tensor([[0.0, third, -third]])
    assert pixels(hue(angles, torch.ones(1, 3)).uri)[0].tolist() == [
        [255, 0, 0],
        [0, 255, 0],
        [0, 0, 255],
    ]

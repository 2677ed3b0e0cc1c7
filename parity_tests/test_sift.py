"""SIFT: where theory knows the answer, and beside scikit-image's and OpenCV's on real images."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import reimpl
from reimpl.octaves import Scales, octaves
from reimpl.sift import Keypoints, sift, sift_descriptors, sift_keypoints


def blob(y: float, x: float, width: float, size: int = 64) -> Tensor:
    """A bright Gaussian on black, float64."""
    k = torch.arange(size, dtype=torch.float64)
    return torch.exp(-((k.view(-1, 1) - y) ** 2 + (k - x) ** 2) / (2 * width**2))


def texture(size: int = 65, seed: int = 1) -> Tensor:
    """Blurred noise between 0 and 1, float64, with no symmetry."""
    noise = torch.from_numpy(np.random.default_rng(seed).random((size, size)))
    smooth = reimpl.gaussian_blur(noise, 2.0)
    return (smooth - smooth.min()) / (smooth.max() - smooth.min())


# --- where theory knows the answer ---


@pytest.mark.parametrize("upsampling", [1, 2, 4])
@pytest.mark.parametrize("width", [3.0, 4.0, 6.5])
def test_a_blob_is_found_at_its_centre_and_scale(width: float, upsampling: int) -> None:
    """A blob of width t and blur σ has height t²/(t² + σ²), so that the DoG at its centre is
    t²/(t² + k²σ²) − t²/(t² + σ²), whose extremum is at σ² = t²/k. The image counts as blurred by
    σ_in, which t² lacks.
    """
    y, x = 31.3, 33.8
    found = sift_keypoints(blob(y, x, width), Scales(upsampling, sigma_in=0.25))
    i = found.response.abs().argmax()
    off = 0.05 * 2.0 ** int(found.octave[i]) / upsampling  # of the octave's pixels
    assert found.y[i].item() == pytest.approx(y, abs=off)
    assert found.x[i].item() == pytest.approx(x, abs=off)
    expected = math.sqrt((width**2 - 0.25**2) / 2 ** (1 / 3))
    assert found.sigma[i].item() == pytest.approx(expected, rel=0.03)
    assert found.response[i] < 0


@pytest.mark.parametrize("degrees", [0, 17, 45, 95, -100, 178])
def test_a_direction_is_that_of_the_slope(degrees: float) -> None:
    """A small blob on a steep slope: to a quarter of a bin, wherever in its bin that is."""
    k, angle = torch.arange(64, dtype=torch.float64) - 31, math.radians(degrees)
    slope = (k * math.cos(angle) + k.view(-1, 1) * math.sin(angle)) / 90 + 0.5
    found = sift_keypoints(slope + 0.2 * blob(31, 31, 3.0))
    nearest = torch.hypot(found.y - 31, found.x - 31).argmin()
    apart = found.orientation[nearest] - angle
    assert math.degrees(math.remainder(apart, 2 * math.pi)) == pytest.approx(0, abs=2.5)


def test_brightness_upside_down_changes_signs_alone() -> None:
    one, other = sift_keypoints(texture()), sift_keypoints(1 - texture())
    assert len(one.y)
    torch.testing.assert_close(one.response, -other.response)
    torch.testing.assert_close(one.y, other.y)
    torch.testing.assert_close(one.sigma, other.sigma)


def test_turning_the_image_turns_the_keypoints_and_nothing_else() -> None:
    """A quarter turn against the clock takes (y, x) to (L−1−x, y), and an angle by −π/2.

    Every second of 129 pixels, and again of 65, is the same from either end.
    """
    image = texture(129)
    keypoints, descriptors = sift(image, Scales(upsampling=1))
    turned, theirs = sift(image.rot90(), Scales(upsampling=1))
    expected = torch.stack((image.shape[1] - 1 - keypoints.x, keypoints.y), 1)
    found = torch.stack((turned.y, turned.x), 1)
    distance = torch.linalg.vector_norm(expected.unsqueeze(1) - found, dim=2)  # cdist cancels
    angle = keypoints.orientation.unsqueeze(1) - turned.orientation - math.pi / 2
    apart = (angle + math.pi).remainder(2 * math.pi) - math.pi
    same = (distance < 1e-6) & (apart.abs() < 1e-6)
    assert len(keypoints.y) == len(turned.y) > 100
    assert same.any(1).all()
    i, j = same.nonzero(as_tuple=True)
    torch.testing.assert_close(descriptors[i], theirs[j], rtol=0, atol=1e-6)


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_a_constant_image_has_no_keypoints(value: float) -> None:
    keypoints, descriptors = sift(torch.full((40, 50), value))
    assert len(keypoints.y) == 0
    assert descriptors.shape == (0, 128)


def test_an_edge_is_no_keypoint() -> None:
    image = torch.zeros(48, 48)
    image[:, 24:] = 1
    assert len(sift_keypoints(image).y) == 0


def test_descriptors_have_length_one_and_do_not_see_contrast() -> None:
    keypoints, descriptors = sift(texture())
    torch.testing.assert_close(descriptors.norm(dim=1), torch.ones(len(descriptors)).double())
    dimmed = sift_descriptors(texture() / 2 + 0.25, keypoints)
    torch.testing.assert_close(descriptors, dimmed, rtol=0, atol=1e-9)


def test_single_precision_finds_the_same() -> None:
    (double, a), (single, b) = sift(texture()), sift(texture().float())
    assert {t.dtype for t in single[:5]} == {torch.float32}
    torch.testing.assert_close(single.y.double(), double.y, rtol=0, atol=1e-3)
    torch.testing.assert_close(b.double(), a, rtol=0, atol=1e-3)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_finds_the_same() -> None:
    (here, a), (there, b) = sift(texture()), sift(texture().cuda())
    assert there.y.is_cuda
    torch.testing.assert_close(there.y.cpu(), here.y, rtol=0, atol=1e-6)
    torch.testing.assert_close(b.cpu(), a, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "error", "what"),
    [
        ({"image": None}, TypeError, "image"),
        ({"image": torch.zeros(20, 20, dtype=torch.float16)}, NotImplementedError, "image"),
        ({"image": torch.zeros(3, 20, 20)}, RuntimeError, "image"),
        ({"image": torch.zeros(20, 5)}, RuntimeError, "image"),
        ({"scales": Scales(upsampling=3)}, ValueError, "upsampling"),
        ({"scales": Scales(n_scales=0)}, RuntimeError, "n_scales"),
        ({"scales": Scales(sigma_in=0.9)}, ValueError, "sigma_min"),
        ({"c_dog": -1.0}, ValueError, "c_dog"),
        ({"c_edge": "ten"}, TypeError, "c_edge"),
    ],
)
def test_bad_calls_say_what_is_wrong(
    arguments: dict[str, Any], error: type[Exception], what: str
) -> None:
    with pytest.raises(error, match=rf"sift_keypoints: .*{what}.* got"):
        sift_keypoints(**{"image": torch.zeros(20, 20)} | arguments)


def test_keypoints_of_another_scale_space_are_refused() -> None:
    keypoints = sift_keypoints(texture())
    with pytest.raises(RuntimeError, match=r"keypoints\.octave .* got"):
        sift_descriptors(torch.zeros(20, 20, dtype=torch.float64), keypoints)


# --- by definition, pixel by pixel ---

Gradients = list[tuple[float, float, float, float]]


def gradients_around(image: Tensor, found: Keypoints, i: int, scales: Scales) -> Gradients:
    """Length and angle of every pixel's gradient, where it lies from the keypoint, in σ."""
    blurred = octaves(image, scales)[found.octave[i]][found.scale[i]]
    H, W = blurred.shape
    pixel = scales.pixel(int(found.octave[i]))
    y, x = (float(scales.to_octave(t[i], pixel)) for t in (found.y, found.x))
    sigma, rows = float(found.sigma[i]) / pixel, blurred.tolist()
    gradients = []
    for j in range(H):
        for k in range(W):
            dy = (rows[min(j + 1, H - 1)][k] - rows[max(j - 1, 0)][k]) / 2
            dx = (rows[j][min(k + 1, W - 1)] - rows[j][max(k - 1, 0)]) / 2
            at = (j - y) / sigma, (k - x) / sigma
            gradients.append((math.hypot(dy, dx), math.atan2(dy, dx), *at))
    return gradients


def tent(x: float) -> float:
    """The share of a neighbour that far away."""
    return max(0.0, 1 - abs(x))


def length_one(d: list[float]) -> list[float]:
    return [n / math.hypot(*d) for n in d]


def described(gradients: Gradients, angle: float) -> list[float]:
    """The 128 numbers of a keypoint."""
    cells = [0.0] * 128
    for length, direction, y, x in gradients:
        u = x * math.cos(angle) + y * math.sin(angle)
        v = y * math.cos(angle) - x * math.sin(angle)
        weight = length * math.exp(-(u * u + v * v) / (2 * 6.0**2))
        for cell in range(16):
            share = tent(v / 3 - (cell // 4 - 1.5)) * tent(u / 3 - (cell % 4 - 1.5))
            for n in range(8) if share else ():
                turn = (direction - angle) / (2 * math.pi) * 8 - n
                cells[8 * cell + n] += weight * share * tent(math.remainder(turn, 8))
    return length_one([min(n, 0.2) for n in length_one(cells)])


def peaks(gradients: Gradients) -> list[float]:
    """A keypoint's directions, between −π and π."""
    bins = [0.0] * 36
    for length, direction, y, x in gradients:
        if max(abs(y), abs(x)) <= 4.5:
            weight = length * math.exp(-(y * y + x * x) / (2 * 1.5**2))
            bins[round(direction / (2 * math.pi) * 36) % 36] += weight
    for _ in range(6):
        bins = [(bins[b - 1] + bins[b] + bins[(b + 1) % 36]) / 3 for b in range(36)]
    found = []
    for b in range(36):
        left, here, right = bins[b - 1], bins[b], bins[(b + 1) % 36]
        if here >= 0.8 * max(bins) and left < here >= right:
            top = b + (left - right) / (2 * (left - 2 * here + right))
            found.append(math.remainder(top * 2 * math.pi / 36, 2 * math.pi))
    return found


def test_directions_and_descriptors_are_what_their_definitions_say() -> None:
    image, scales = texture(), Scales(upsampling=1)
    found, descriptors = sift(image, scales)
    assert len(found.y) > 5
    for i, descriptor in enumerate(descriptors.tolist()):
        gradients = gradients_around(image, found, i, scales)
        assert described(gradients, float(found.orientation[i])) == pytest.approx(descriptor)
        here = (found.y == found.y[i]) & (found.x == found.x[i]) & (found.sigma == found.sigma[i])
        assert peaks(gradients) == pytest.approx(found.orientation[here].tolist())


def test_a_keypoint_has_its_blur_around_it() -> None:
    """As close to the edge as that, on every side, and no closer."""
    images = (texture(33, seed) for seed in range(100))
    found = [sift_keypoints(image, Scales(upsampling=1), 0.0, 1e6) for image in images]
    y, x, sigma = (torch.cat([getattr(f, name) for f in found]) for name in ("y", "x", "sigma"))
    for position in (y, x, 32 - y, 32 - x):
        assert 0 < (position + 0.5 - sigma).min() < 0.5


# --- beside others ---


@dataclass
class Found:
    """Keypoints and descriptors in our conventions."""

    at: Tensor  # (N, 2)
    sigma: Tensor
    descriptors: Tensor  # of length one


def ours(image: Tensor, turned: float = 0.0) -> Found:
    """Described as if all directions were turned by so much."""
    keypoints = sift_keypoints(image)
    keypoints = keypoints._replace(orientation=keypoints.orientation + turned)
    descriptors = sift_descriptors(image, keypoints)
    return Found(torch.stack((keypoints.y, keypoints.x), 1), keypoints.sigma, descriptors)


def scikit_images(image: Tensor) -> Found:
    """Positions a quarter of a pixel too far, since doubling shifts the grid by that.

    A direction is half a bin, 5°, beyond the middle of its bin: on our scale, too small by that.
    Angles go from rows to columns, the other way round than ours: cells along the direction come
    first, those across and the directions in the opposite order.
    """
    feature = pytest.importorskip("skimage.feature", reason="scikit-image is not installed")
    found = feature.SIFT()
    found.detect_and_extract(image.numpy())
    d = torch.from_numpy(found.descriptors).float().view(-1, 4, 4, 8)
    d = d.transpose(1, 2).flip(1)[..., -torch.arange(8) % 8].flatten(1)
    at, sigma = (torch.from_numpy(v).float() for v in (found.positions, found.sigmas))
    return Found(at - 0.25, sigma, torch.nn.functional.normalize(d))


def opencvs(image: Tensor) -> Found:
    """The same quarter; sizes are diameters, 2σ; angles are measured upwards in the descriptor."""
    cv2 = pytest.importorskip("cv2", reason="opencv-python-headless is not installed")
    grey = (image * 255).round().byte().numpy()
    found, descriptors = cv2.SIFT_create().detectAndCompute(grey, None)
    d = torch.from_numpy(descriptors).view(-1, 4, 4, 8)[..., -torch.arange(8) % 8].flatten(1)
    at = torch.tensor([(p.pt[1], p.pt[0]) for p in found])
    sigma = torch.tensor([p.size / 2 for p in found])
    return Found(at - 0.25, sigma, torch.nn.functional.normalize(d))


def shares(a: Found, b: Found) -> tuple[float, float, float]:
    """Of a's keypoints the share that b has, of b's that a has, of the common ones that match.

    The same keypoint is one within half a pixel, and a quarter of an octave. It matches if the two
    descriptors are each other's nearest among all.
    """
    apart = torch.cdist(a.at, b.at)
    same = (apart < 0.5) & ((a.sigma.unsqueeze(1) / b.sigma).log2().abs() < 0.25)
    unlike = torch.cdist(a.descriptors, b.descriptors)
    to_b, to_a = unlike.argmin(1), unlike.argmin(0)
    i = torch.arange(len(a.at))
    matched = same[i, to_b] & (to_a[to_b] == i)
    repeated = same.any(1)
    return (
        float(repeated.float().mean()),
        float(same.any(0).float().mean()),
        float(matched.sum() / repeated.sum()),
    )


def photograph(name: str) -> Tensor:
    """One of the images in scikit-image's wheel."""
    data = pytest.importorskip("skimage.data", reason="scikit-image is not installed")
    return torch.from_numpy(getattr(data, name)().astype(np.float32) / 255)


@pytest.mark.parametrize("name", ["camera", "coins", "page"])
def test_scikit_image_finds_the_same(name: str) -> None:
    image = photograph(name)
    there, back, matched = shares(ours(image), scikit_images(image))
    assert min(there, back) > 0.98
    assert matched > 0.9


@pytest.mark.parametrize("name", ["coins", "page", "text"])
def test_scikit_image_describes_the_same_but_for_half_a_bin(name: str) -> None:
    """5° are what sets descriptors apart: most of all in pages, whose letters look alike."""
    image = photograph(name)
    _, _, matched = shares(ours(image, turned=-math.radians(5)), scikit_images(image))
    assert matched > 0.98


@pytest.mark.parametrize("name", ["camera", "coins"])
def test_opencv_finds_most_of_the_same(name: str) -> None:
    """Nearly all of its own; it drops what is within five pixels of a border, and duplicates."""
    image = photograph(name)
    there, back, matched = shares(ours(image), opencvs(image))
    assert there > 0.8
    assert back > 0.95
    assert matched > 0.9

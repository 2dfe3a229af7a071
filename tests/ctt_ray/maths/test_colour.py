"""The strong view against the standard library's colour conversion and loops over pixels."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from ctt_ray.maths import colour

KEYS = torch.tensor([3, -8, 2**62, 41, 5, 6])


def images(count: int = 6) -> Tensor:
    image = torch.rand(count, 3, 14, 11)
    image[:, :, 0] = image[:, :1, 0]  # grey pixels have no hue
    return image


def only(index: int, value: float) -> Tensor:
    settings = torch.tensor([[1.0, 1.0, 1.0, 0.0, 0.0, 0.0]])
    settings[0, index] = value
    return settings


def grey_of(pixel: list[float]) -> float:
    return 0.299 * pixel[0] + 0.587 * pixel[1] + 0.114 * pixel[2]


def by_pixel(image: Tensor, change: Callable[[list[float]], list[float]]) -> Tensor:
    """The change of one image, pixel by pixel, cut to [0, 1]."""
    flat = image[0].flatten(1).T.tolist()
    return torch.tensor([change(pixel) for pixel in flat]).T.reshape(image.shape).clamp(0, 1)


@pytest.mark.parametrize("value", [0.6, 0.75, 1.3])
def test_brightness_contrast_saturation_equal_the_loop(value: float) -> None:
    image = images(1)
    mean = sum(grey_of(pixel) for pixel in image[0].flatten(1).T.tolist()) / (14 * 11)
    expected = (
        by_pixel(image, lambda pixel: [value * x for x in pixel]),
        by_pixel(image, lambda pixel: [value * x + (1 - value) * mean for x in pixel]),
        by_pixel(image, lambda pixel: [value * x + (1 - value) * grey_of(pixel) for x in pixel]),
    )
    for index, result in enumerate(expected):
        torch.testing.assert_close(colour.apply(image, only(index, value)), result, rtol=0, atol=1e-6)


@pytest.mark.parametrize("turn", [-0.5, -0.2, 0.11, 0.25, 0.5])
def test_hue_equals_the_standard_library(turn: float) -> None:
    def turned(pixel: list[float]) -> list[float]:
        hue, saturation, value = colorsys.rgb_to_hsv(*pixel)
        return list(colorsys.hsv_to_rgb((hue + turn) % 1, saturation, value))

    image = images(1)
    torch.testing.assert_close(colour.apply(image, only(3, turn)), by_pixel(image, turned), rtol=0, atol=1e-5)


def test_grey_equals_the_loop() -> None:
    image = images(1)
    expected = by_pixel(image, lambda pixel: [grey_of(pixel)] * 3)
    torch.testing.assert_close(colour.apply(image, only(4, 1.0)), expected, rtol=0, atol=1e-6)


def slow_blur(channel_HW: Tensor, sigma: float) -> Tensor:
    radius = math.ceil(3 * sigma)
    taps = [math.exp(-0.5 * (k / sigma) ** 2) for k in range(-radius, radius + 1)]
    height, width = channel_HW.shape
    out = torch.zeros_like(channel_HW)
    for y in range(height):
        for x in range(width):
            for i, down in enumerate(taps):
                for j, right in enumerate(taps):
                    row, column = min(max(y + i - radius, 0), height - 1), min(max(x + j - radius, 0), width - 1)
                    out[y, x] += down * right / sum(taps) ** 2 * channel_HW[row, column]
    return out


@pytest.mark.parametrize("sigma", [0.15, 0.8, 1.15])
def test_blur_equals_the_loop(sigma: float) -> None:
    image = torch.rand(1, 3, 6, 5)
    expected = torch.stack([slow_blur(channel, sigma) for channel in image[0]])[None]
    torch.testing.assert_close(colour.apply(image, only(5, sigma)), expected, rtol=0, atol=1e-6)


def test_neutral_settings_change_nothing() -> None:
    image = images()
    assert torch.equal(colour.apply(image, only(0, 1.0).expand(6, 6)), image)
    assert torch.equal(colour.strong(image, KEYS, jitter_p=0, grey_p=0, blur_p=0), image)
    assert torch.equal(colour.strong(image, KEYS, strength=0, grey_p=0, blur_p=0), image)


def test_rule_25_a_sample_does_not_depend_on_its_neighbours() -> None:
    image = images()
    together = colour.strong(image, KEYS)
    for b in range(len(KEYS)):
        assert torch.equal(colour.strong(image[b : b + 1], KEYS[b : b + 1])[0], together[b])
    assert torch.equal(colour.strong(image.flip(0), KEYS.flip(0)).flip(0), together)


def test_strong_changes_the_image_and_stays_in_range() -> None:
    image = images()
    changed = colour.strong(image, KEYS, strength=0.5, jitter_p=1)
    assert changed.min() >= 0 and changed.max() <= 1 and changed.dtype == torch.float32
    assert ((changed - image).abs().flatten(1).amax(1) > 0.01).all()
    assert colour.strong(image[:0], KEYS[:0]).shape == (0, 3, 14, 11)


def test_draws_keep_their_ranges_and_probabilities() -> None:
    rows = torch.tensor([colour.draw(key) for key in range(3000)])
    factors, hue, grey, sigma = rows[:, :3], rows[:, 3], rows[:, 4], rows[:, 5]
    assert factors.min() > 0.75 and factors.max() < 1.25 and hue.abs().max() < 0.25
    assert factors.min() < 0.76 and factors.max() > 1.24 and hue.max() > 0.24
    jittered, blurred = hue != 0, sigma > 0
    shares = [jittered.float().mean().item(), grey.mean().item(), blurred.float().mean().item()]
    assert shares == pytest.approx([0.8, 0.2, 0.5], abs=0.03)
    assert torch.equal((factors != 1).all(1), jittered)
    assert sigma[blurred].min() > 0.15 and sigma.max() < 1.15 and abs(sigma[blurred].mean().item() - 0.65) < 0.03
    together = (jittered & blurred).float().mean().item()
    assert together == pytest.approx(0.4, abs=0.03)  # independent of each other


def test_settings_scale_the_same_draw() -> None:
    weak, wide = colour.draw(7, strength=0.1, jitter_p=1), colour.draw(7, strength=0.2, jitter_p=1)
    assert [2 * (value - 1) for value in weak[:3]] == pytest.approx([value - 1 for value in wide[:3]])
    assert weak[4:] == wide[4:]


def test_hue_has_a_strength_of_its_own_and_leaves_the_other_draws_alone() -> None:
    same, still, half = (colour.draw(7, strength=0.2, hue_strength=reach, jitter_p=1) for reach in (None, 0.0, 0.1))
    assert still[3] == 0 != same[3] and half[3] == pytest.approx(same[3] / 2)
    assert same[:3] == still[:3] == half[:3] and same[4:] == still[4:] == half[4:]


def test_without_a_turn_every_hue_stays_where_nothing_is_clipped() -> None:
    image = 0.35 + 0.2 * images()
    changed = colour.strong(image, KEYS, strength=0.2, hue_strength=0, jitter_p=1, grey_p=0, blur_p=0)
    assert changed.min() > 0 and changed.max() < 1 and (changed - image).abs().max() > 0.01
    for before, after in zip(image.movedim(1, -1).reshape(-1, 3), changed.movedim(1, -1).reshape(-1, 3), strict=True):
        hues = [colorsys.rgb_to_hsv(*pixel.tolist())[0] for pixel in (before, after)]
        assert math.cos(2 * math.pi * (hues[0] - hues[1])) == pytest.approx(1, abs=1e-4)


def test_normalise_uses_imagenet_statistics() -> None:
    mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1).expand(1, 3, 2, 2)
    assert colour.normalise(mean).abs().max() < 1e-6
    torch.testing.assert_close(
        colour.normalise(torch.ones(1, 3, 1, 1)).flatten(), torch.tensor([0.515 / 0.229, 0.544 / 0.224, 0.594 / 0.225])
    )


def test_integers_are_refused_with_the_remedy() -> None:
    for call in (colour.normalise, lambda image: colour.strong(image, KEYS)):
        with pytest.raises(TypeError, match=r"pass image.float\(\) / 255"):
            call(torch.zeros(6, 3, 4, 4, dtype=torch.uint8))

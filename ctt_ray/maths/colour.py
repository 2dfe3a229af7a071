"""The strong view: jitter, greyscale and blur of a batch on its device, one draw a sample.  docs/equations.md#views"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from ctt_ray.maths.draws import uniforms

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
_LUMA = (0.299, 0.587, 0.114)


def normalise(
    image_B3HW: Tensor, mean: tuple[float, float, float] = IMAGENET_MEAN, std: tuple[float, float, float] = IMAGENET_STD
) -> Tensor:
    """(image - mean) / std a channel; image float RGB in [0, 1]. The defaults are what torchvision's weights expect."""
    _refuse_integers(image_B3HW)
    mean_311, std_311 = (image_B3HW.new_tensor(values)[:, None, None] for values in (mean, std))
    return (image_B3HW - mean_311) / std_311


def draw(
    key: int,
    *,
    strength: float = 0.25,
    hue_strength: float | None = None,
    jitter_p: float = 0.8,
    grey_p: float = 0.2,
    blur_p: float = 0.5,
    sigma: tuple[float, float] = (0.15, 1.15),
) -> list[float]:
    """What happens to the sample with this key: [brightness, contrast, saturation, hue, grey, sigma].

    Factors uniform in 1 ± strength (1 = unchanged), hue in turns, uniform in ± hue_strength (0 = unchanged; None = strength),
    grey 0 or 1, sigma of the blur in pixels (0 = none). The same numbers are drawn whatever the settings."""
    u = uniforms(key, "colour", 8)
    reach = (strength, strength, strength, strength if hue_strength is None else hue_strength)
    jitter = [size * (2 * value - 1) if u[0] < jitter_p else 0.0 for size, value in zip(reach, u[1:5], strict=True)]
    grey = float(u[5] < grey_p)
    blur = sigma[0] + u[7] * (sigma[1] - sigma[0]) if u[6] < blur_p else 0.0
    return [1 + jitter[0], 1 + jitter[1], 1 + jitter[2], jitter[3], grey, blur]


@torch.no_grad()
def strong(
    image_B3HW: Tensor,
    key_B: Tensor,
    *,
    strength: float = 0.25,
    hue_strength: float | None = None,
    jitter_p: float = 0.8,
    grey_p: float = 0.2,
    blur_p: float = 0.5,
    sigma: tuple[float, float] = (0.15, 1.15),
) -> Tensor:
    """Brightness, contrast, saturation, hue, greyscale, blur, in this order, by the draw of each sample's key.

    image_B3HW: float RGB in [0, 1], as the result.   key_B: int64 on the host.   strength: in [0, 1].   hue_strength: in
    [0, 0.5] turns, None = strength.   The *_p are probabilities.   sigma: range in pixels.   A sample's result does not
    depend on its neighbours in the batch."""
    _refuse_integers(image_B3HW)
    settings = [
        draw(
            key,
            strength=strength,
            hue_strength=hue_strength,
            jitter_p=jitter_p,
            grey_p=grey_p,
            blur_p=blur_p,
            sigma=sigma,
        )
        for key in key_B.tolist()
    ]
    return apply(image_B3HW, torch.tensor(settings, dtype=torch.float32).reshape(-1, 6))


@torch.no_grad()
def apply(image_B3HW: Tensor, settings_B6: Tensor) -> Tensor:
    """The changes that rows of `draw` describe.   settings_B6: float32 on the host: no sync to skip a step."""
    device_6B111 = settings_B6.T.to(image_B3HW)[..., None, None, None]
    neutral = (1.0, 1.0, 1.0, 0.0, 0.0, 0.0)
    radius = math.ceil(3 * float(settings_B6[:, 5].max())) if len(settings_B6) else 0
    changes: tuple[Callable[[Tensor, Tensor], Tensor], ...] = (
        _brightness,
        _contrast,
        _saturation,
        _hue,
        lambda image, _: _grey(image).expand_as(image),
        lambda image, sigma: _blur(image, sigma, radius),
    )
    for index, change in enumerate(changes):
        if bool((settings_B6[:, index] != neutral[index]).any()):
            value_B111 = device_6B111[index]
            image_B3HW = torch.where(value_B111 != neutral[index], change(image_B3HW, value_B111), image_B3HW)
    return image_B3HW


def _brightness(image: Tensor, factor: Tensor) -> Tensor:
    return (image * factor).clamp(0, 1)


def _contrast(image: Tensor, factor: Tensor) -> Tensor:
    mean = _grey(image).mean((1, 2, 3), keepdim=True)
    return (mean + factor * (image - mean)).clamp(0, 1)


def _saturation(image: Tensor, factor: Tensor) -> Tensor:
    grey = _grey(image)
    return (grey + factor * (image - grey)).clamp(0, 1)


def _grey(image_B3HW: Tensor) -> Tensor:
    return (image_B3HW * image_B3HW.new_tensor(_LUMA)[:, None, None]).sum(1, keepdim=True)


def _hue(image_B3HW: Tensor, turn_B111: Tensor) -> Tensor:
    """Turn the hue of the hue-saturation-value form, which keeps the largest and the smallest channel of a pixel."""
    red, green, blue = image_B3HW.unbind(1)
    value, low = image_B3HW.amax(1), image_B3HW.amin(1)
    span = value - low
    safe = torch.where(span > 0, span, 1.0)
    sixth = torch.where(
        value == red,
        (green - blue) / safe,
        torch.where(value == green, 2 + (blue - red) / safe, 4 + (red - green) / safe),
    )
    sixth = sixth + 6 * turn_B111[:, 0]
    channels = []
    for offset in (5, 3, 1):  # red, green, blue: each is a trapezoid of the hue, shifted by a third of a turn
        k = (offset + sixth) % 6
        channels.append(value - span * torch.minimum(k, 4 - k).clamp(0, 1))
    return torch.stack(channels, 1)


def _blur(image_B3HW: Tensor, sigma_B111: Tensor, radius: int) -> Tensor:
    """Separable Gaussian of each sample's own sigma, cut at ceil(3 sigma), edges repeated; radius: the widest cut."""
    offset = torch.arange(-radius, radius + 1, device=image_B3HW.device)
    sigma_B1111 = sigma_B111[..., None].clamp(min=1e-3)
    weight_B111T = torch.exp(-0.5 * (offset / sigma_B1111) ** 2) * (offset.abs() <= (3 * sigma_B1111).ceil())
    weight_B111T = weight_B111T / weight_B111T.sum(-1, keepdim=True)
    height, width = image_B3HW.shape[-2:]
    padded = F.pad(image_B3HW, (0, 0, radius, radius), mode="replicate")
    image_B3HW = _weighted(weight_B111T, [padded[:, :, tap : tap + height] for tap in range(len(offset))])
    padded = F.pad(image_B3HW, (radius, radius, 0, 0), mode="replicate")
    return _weighted(weight_B111T, [padded[..., tap : tap + width] for tap in range(len(offset))])


def _weighted(weight_B111T: Tensor, shifted: list[Tensor]) -> Tensor:
    total = torch.zeros_like(shifted[0])
    for weight_B111, image in zip(weight_B111T.unbind(-1), shifted, strict=True):
        total.addcmul_(image, weight_B111)
    return total


def _refuse_integers(image: Tensor) -> None:
    if not image.is_floating_point():
        raise TypeError(f"colour works on float images in [0, 1], found {image.dtype}; pass image.float() / 255")

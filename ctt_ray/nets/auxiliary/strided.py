"""What the networks share that look at an image and a segmentation of it through 4x4 convolutions of stride 2."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from ctt_ray.nets.blocks import group_norm

SLOPE = 0.2  # of the leaky ReLU


def halve(inputs: int, outputs: int, *, norm: bool = False) -> nn.Sequential:
    """4x4 convolution of stride 2, GroupNorm if wanted, leaky ReLU: (B, inputs, h, w) to (B, outputs, h//2, w//2)."""
    layers: list[nn.Module] = [nn.Conv2d(inputs, outputs, 4, stride=2, padding=1, bias=not norm)]
    if norm:
        layers.append(group_norm(outputs))
    return nn.Sequential(*layers, nn.LeakyReLU(SLOPE, inplace=True))


def at_least(map_BCHW: Tensor, side: int) -> Tensor:
    """Zeros at the right and at the bottom until both sides are `side` pixels long: a stack that halves needs 2^n of them."""
    height, width = map_BCHW.shape[-2:]
    return F.pad(map_BCHW, (0, max(0, side - width), 0, max(0, side - height)))

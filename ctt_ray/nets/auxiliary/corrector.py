"""The correction network of ECS: is each pixel of this segmentation right, and which class is it if not?"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ctt_ray.maths import labels
from ctt_ray.nets.auxiliary.strided import at_least
from ctt_ray.nets.blocks import conv_gn, group_norm


class Corrector(nn.Module):
    """An encoder and a decoder with skips: four halvings, a dilated layer at stride 16, back to stride 2.

    The paper's corrector is a segmentation network of its own (ECCV 2020); this one is as deep as its task asks for.
    classes: K.   width: channels at stride 2, doubled twice."""

    def __init__(self, classes: int, width: int = 32) -> None:
        super().__init__()
        sizes = (3 + classes, width, 2 * width, 4 * width, 4 * width)
        self.down = nn.ModuleList(_down(before, after) for before, after in pairwise(sizes))
        self.bottom = nn.Sequential(conv_gn(sizes[4], sizes[4], kernel=3, dilation=2), nn.ReLU(inplace=True))
        joins = ((sizes[4] + sizes[3], sizes[2]), (2 * sizes[2], sizes[1]), (2 * sizes[1], sizes[1]))
        self.up = nn.ModuleList(_flat(before, after) for before, after in joins)
        self.classifier = nn.Conv2d(width, classes + 1, 1)

    def forward(self, image_B3HW: Tensor, probs_BKHW: Tensor) -> Tensor:
        """A normalised image and class probabilities of it to logits (B, K+1, H, W): the true class, or K = it is right."""
        height, width = image_B3HW.shape[-2:]
        map_BChw = at_least(torch.cat([image_B3HW, probs_BKHW], dim=1), 16)
        size = (map_BChw.shape[-2], map_BChw.shape[-1])
        skips: list[Tensor] = []
        for layer in self.down:
            map_BChw = layer(map_BChw)
            skips.append(map_BChw)
        map_BChw = self.bottom(skips.pop())
        for layer in self.up:
            skip_BChw = skips.pop()
            map_BChw = F.interpolate(map_BChw, size=skip_BChw.shape[2:], mode="bilinear", align_corners=False)
            map_BChw = layer(torch.cat([map_BChw, skip_BChw], dim=1))
        return labels.upsample(self.classifier(map_BChw), size)[:, :, :height, :width]


def _down(inputs: int, outputs: int) -> nn.Sequential:
    """3x3 of stride 2, then a 3x3: (B, inputs, h, w) to (B, outputs, ceil(h/2), ceil(w/2))."""
    first = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False)
    return nn.Sequential(first, group_norm(outputs), nn.ReLU(inplace=True), *_flat(outputs, outputs))


def _flat(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(conv_gn(inputs, outputs, kernel=3), nn.ReLU(inplace=True))

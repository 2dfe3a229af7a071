"""The flaw detector of GCT: where is this prediction wrong?"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ctt_ray.maths import labels
from ctt_ray.nets.auxiliary.strided import SLOPE, at_least, halve
from ctt_ray.nets.blocks import conv_gn

SIDE = 64  # pixels: below, there would be one flaw an image and nothing to compare within it


class FlawDetector(nn.Module):
    """Four halvings, each but the first followed by a layer of its own size, a last halving to one channel, upsampled
    (arXiv 2008.05258; the released code's stack, its 4x4 layers of stride 1 as 3x3, which keep the size).

    classes: K.   width: channels of the first layer, doubled thrice (the released code: 64)."""

    def __init__(self, classes: int, width: int = 64) -> None:
        super().__init__()
        layers = [halve(3 + classes, width, norm=True)]
        for channels in (width, 2 * width, 4 * width):
            layers += [halve(channels, 2 * channels, norm=True), _flat(2 * channels)]
        self.body = nn.Sequential(*layers)
        self.flaw = nn.Conv2d(8 * width, 1, 4, stride=2, padding=1)

    def forward(self, image_B3HW: Tensor, probs_BKHW: Tensor) -> Tensor:
        """A normalised image and class probabilities of it to flaw_BHW: a regression to [0, 1], not squashed."""
        height, width = image_B3HW.shape[-2:]
        flaw_B1hw = self.flaw(self.body(at_least(torch.cat([image_B3HW, probs_BKHW], dim=1), SIDE)))
        return labels.upsample(flaw_B1hw, (max(height, SIDE), max(width, SIDE)))[:, 0, :height, :width]


def _flat(channels: int) -> nn.Sequential:
    return nn.Sequential(conv_gn(channels, channels, kernel=3), nn.LeakyReLU(SLOPE, inplace=True))

"""The fully convolutional critic of AdvSemiSeg: does each place of this segmentation look like a label map?"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from ctt_ray.maths import labels
from ctt_ray.nets.auxiliary.strided import at_least, halve


class PixelCritic(nn.Module):
    """Five 4x4 convolutions of stride 2, leaky ReLU 0.2, upsampled to the input's size (arXiv 1802.07934, section 3.2).

    classes: K.   width: channels of the first layer, doubled thrice (the paper: 64)."""

    def __init__(self, classes: int, width: int = 64) -> None:
        super().__init__()
        sizes = (classes, width, 2 * width, 4 * width, 8 * width)
        self.body = nn.Sequential(*(halve(before, after) for before, after in pairwise(sizes)))
        self.judge = nn.Conv2d(8 * width, 1, 4, stride=2, padding=1)

    def forward(self, probs_BKHW: Tensor) -> Tensor:
        """Class probabilities, or a label map as one-hot, to logit_BHW: high where it looks like a label map."""
        height, width = probs_BKHW.shape[-2:]
        logit_B1hw = self.judge(self.body(at_least(probs_BKHW, 32)))
        return labels.upsample(logit_B1hw, (max(height, 32), max(width, 32)))[:, 0, :height, :width]

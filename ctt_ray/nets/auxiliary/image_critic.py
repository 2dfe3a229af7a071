"""The critic of s4GAN: does this segmentation, seen with its image, look like a label map? One answer an image."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ctt_ray.nets.auxiliary.strided import at_least, halve


class Judged(NamedTuple):
    """logit_B: high for what looks like a label map. feat_BC: what it was read from, for matching the features' means."""

    logit_B: Tensor
    feat_BC: Tensor


class ImageCritic(nn.Module):
    """Four 4x4 convolutions of stride 2, leaky ReLU 0.2, channel dropout after the first three, global mean, one linear
    layer (arXiv 1908.05724, section 3.1).

    classes: K.   width: channels of the first layer, doubled thrice (the paper: 64).   dropout: a probability."""

    def __init__(self, classes: int, width: int = 64, dropout: float = 0.5) -> None:
        super().__init__()
        sizes = (3 + classes, width, 2 * width, 4 * width, 8 * width)
        self.body = nn.ModuleList(halve(before, after) for before, after in pairwise(sizes))
        self.judge = nn.Linear(8 * width, 1)
        self.dropout = dropout

    def forward(self, image_B3HW: Tensor, probs_BKHW: Tensor, draws: torch.Generator | None = None) -> Judged:
        """An image in [0, 1] and a segmentation of it, probabilities or one-hot.   draws: of the dropout; without, none."""
        feat_BChw = at_least(torch.cat([image_B3HW, probs_BKHW], dim=1), 16)
        for index, layer in enumerate(self.body):
            feat_BChw = layer(feat_BChw)
            if draws is not None and index < len(self.body) - 1:
                feat_BChw = _drop_channels(feat_BChw, self.dropout, draws)
        feat_BC = feat_BChw.mean((2, 3))
        return Judged(self.judge(feat_BC)[:, 0], feat_BC)


def _drop_channels(feat_BChw: Tensor, share: float, draws: torch.Generator) -> Tensor:
    """Whole channels to 0 with probability `share`, the others scaled so that the mean stays."""
    kept_BC = torch.rand(feat_BChw.shape[:2], generator=draws, device=draws.device) >= share
    return feat_BChw * (kept_BC.to(feat_BChw) / (1 - share))[:, :, None, None]

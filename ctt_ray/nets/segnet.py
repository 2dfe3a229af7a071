"""What every network of this project looks like from outside."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional as F

CLASSIFIER = "head.classifier"  # the last 1x1 layer's name in every SegNet, e.g. for a follow that skips it


class NetOut(NamedTuple):
    """logits_BKhw: class scores at output resolution, not upsampled. feat_BDhw: the input of the last 1x1 classifier
    (before its dropout), not normalised: what the memory bank and the contrastive losses read. high_BChw: the backbone's
    last features, at its output stride: what further decoders and heads read."""

    logits_BKhw: Tensor
    feat_BDhw: Tensor
    high_BChw: Tensor


class Backbone(nn.Module):
    """A feature extractor: image to (low, high), low at stride 4 and high at `output_stride`."""

    low_channels: int
    high_channels: int
    output_stride: int


class Head(nn.Module):
    """(low, high) features to NetOut. `classifier` is the last layer."""

    classifier: nn.Conv2d


class SegNet(nn.Module):
    """Backbone and head: two modules, since the head learns ten times faster than the backbone."""

    def __init__(self, backbone: Backbone, head: Head) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head

    def forward(self, image_B3HW: Tensor, drop: float = 0.0) -> NetOut:
        """Float RGB, normalised as the backbone's weights were trained, to logits and features at output resolution.

        drop: share of the channels of the backbone's features that the head does not see, drawn from torch's generator."""
        low_BChw, high_BChw = self.backbone(image_B3HW)
        if drop > 0:
            low_BChw, high_BChw = F.dropout2d(low_BChw, drop), F.dropout2d(high_BChw, drop)
        return self.head(low_BChw, high_BChw)

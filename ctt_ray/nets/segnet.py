"""What every network of this project looks like from outside."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

CLASSIFIER = "head.classifier"  # the last 1x1 layer's name in every SegNet, e.g. for a follow that skips it


class NetOut(NamedTuple):
    """logits_BKhw: class scores at output resolution, not upsampled. feat_BDhw: the input of the last 1x1 classifier
    (before its dropout), not normalised: what the memory bank and the contrastive losses read."""

    logits_BKhw: Tensor
    feat_BDhw: Tensor


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

    def forward(self, image_B3HW: Tensor) -> NetOut:
        """Float RGB, normalised as the backbone's weights were trained, to logits and features at output resolution."""
        low_BChw, high_BChw = self.backbone(image_B3HW)
        return self.head(low_BChw, high_BChw)

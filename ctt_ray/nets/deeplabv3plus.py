"""DeepLabV3+: pyramid of dilated convolutions, and a decoder at stride 4 that sees low-level features."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ctt_ray.nets.blocks import conv_bn, group_norm, init_head
from ctt_ray.nets.segnet import Backbone, Head, NetOut

_RATES = (6, 12, 18)  # at output stride 16


class Pyramid(nn.Module):
    """ASPP: 1x1, three dilated 3x3 and the image's mean, concatenated, 1x1 to D. (B, C, h, w) to (B, D, h, w).

    Rates are 6, 12, 18 at output stride 16, doubled at 8. The image's mean is one value per channel and image:
    BatchNorm over it raises in training at batch 1 and is noisy at 2; GroupNorm, which that branch has, knows no batch.
    """

    def __init__(self, inputs: int, outputs: int, *, output_stride: int) -> None:
        super().__init__()
        rates = [rate * 16 // output_stride for rate in _RATES]
        self.branches = nn.ModuleList([conv_bn(inputs, outputs, kernel=1)])
        self.branches.extend(conv_bn(inputs, outputs, kernel=3, dilation=rate) for rate in rates)
        self.image = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(inputs, outputs, 1, bias=False),
            group_norm(outputs),
            nn.ReLU(inplace=True),
        )
        self.project = conv_bn(outputs * (len(rates) + 2), outputs, kernel=1)

    def forward(self, high_BChw: Tensor) -> Tensor:
        image_BDhw = self.image(high_BChw).expand(-1, -1, *high_BChw.shape[2:])
        return self.project(torch.cat([*(branch(high_BChw) for branch in self.branches), image_BDhw], dim=1))


class DeepLabV3Plus(Head):
    """Pyramid, bilinear to stride 4, joined with projected low-level features (48 channels at D = 256), two 3x3
    convolutions to D = `feat` (after a ReLU), dropout, 1x1 classifier.

    Its 3x3 convolutions are full ones over every backbone, as in the semi-supervised literature. Depthwise-separable
    ones learnt far slower in short runs at the same cost per step for D = 64 (docs/LOG.md, 2026-11-21)."""

    def __init__(self, backbone: Backbone, *, classes: int, feature_dim: int, dropout: float) -> None:
        super().__init__()
        low = max(8, round(48 * feature_dim / 256))
        self.pyramid = Pyramid(backbone.high_channels, feature_dim, output_stride=backbone.output_stride)
        self.low = conv_bn(backbone.low_channels, low, kernel=1)
        self.decoder = nn.Sequential(
            conv_bn(feature_dim + low, feature_dim, kernel=3),
            conv_bn(feature_dim, feature_dim, kernel=3),
        )
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Conv2d(feature_dim, classes, 1)
        init_head(self)

    def forward(self, low_BChw: Tensor, high_BChw: Tensor) -> NetOut:
        """low at stride 4 and high at output stride to NetOut at stride 4."""
        up_BDhw = F.interpolate(self.pyramid(high_BChw), size=low_BChw.shape[2:], mode="bilinear", align_corners=False)
        feat_BDhw = self.decoder(torch.cat([up_BDhw, self.low(low_BChw)], dim=1))
        return NetOut(self.classifier(self.dropout(feat_BDhw)), feat_BDhw, high_BChw)

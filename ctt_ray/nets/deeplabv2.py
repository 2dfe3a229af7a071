"""DeepLabV2 with a bottleneck: the head of the Cross Teacher Training paper's main tables."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ctt_ray.nets.blocks import SqueezeExcite, conv_gn, init_head
from ctt_ray.nets.segnet import Backbone, Head, NetOut

_RATES = (6, 12, 18, 24)  # at output stride 8


class DeepLabV2(Head):
    """Parallel convolutions over the backbone's output, concatenated, squeezed to D channels, classified.

    Branches: one 1x1 and four 3x3 convolutions of rates 6, 12, 18, 24 (at output stride 8; halved at 16, so that they
    span the same part of the image), each D channels with GroupNorm and ReLU. Then squeeze-excite over all 5·D, a 3x3
    convolution to D with GroupNorm: that is `feat`, without a ReLU, so that cosines of features use the whole sphere.
    Logits: dropout of channels, then a 1x1 convolution without bias. The plain DeepLabV2 head sums convolutions
    straight to the classes and has no D-dimensional feature that a memory bank could hold."""

    def __init__(self, backbone: Backbone, *, classes: int, feature_dim: int, dropout: float) -> None:
        super().__init__()
        inputs = backbone.high_channels
        rates = [max(1, rate * 8 // backbone.output_stride) for rate in _RATES]
        branches = [conv_gn(inputs, feature_dim, kernel=1)]
        branches += [conv_gn(inputs, feature_dim, kernel=3, dilation=rate) for rate in rates]
        self.branches = nn.ModuleList(nn.Sequential(*branch, nn.ReLU(inplace=True)) for branch in branches)
        width = feature_dim * len(branches)
        self.bottleneck = nn.Sequential(SqueezeExcite(width), *conv_gn(width, feature_dim, kernel=3))
        self.dropout = nn.Dropout2d(dropout)
        self.classifier = nn.Conv2d(feature_dim, classes, 1, bias=False)
        init_head(self)

    def forward(self, low_BChw: Tensor, high_BChw: Tensor) -> NetOut:
        """high (B, C, h, w) at output stride to NetOut at the same size; low is not used."""
        feat_BDhw = self.bottleneck(torch.cat([branch(high_BChw) for branch in self.branches], dim=1))
        return NetOut(self.classifier(self.dropout(feat_BDhw)), feat_BDhw, high_BChw)

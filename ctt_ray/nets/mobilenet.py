"""MobileNetV2 as a dense feature extractor, out of torchvision's."""

from __future__ import annotations

from torch import Tensor, nn

from ctt_ray.nets.depthwise import DilatedDepthwise
from ctt_ray.nets.segnet import Backbone
from ctt_ray.nets.torchvision_compat import torchvision

_LOW = 4  # features[:4] end at stride 4
_STRIDED = ((7, 16), (14, 32))  # the blocks that enter stride 16 and stride 32
_END = 18  # features[18], the widening to 1280 channels for classification, is left out


class MobileNetV2(Backbone):
    """torchvision's features[0..17]; low = features[3] (24 channels at stride 4), high = features[17] (320 channels).

    width is torchvision's width_mult. A block whose stride would exceed `output_stride` keeps its resolution and the
    depthwise convolutions behind it are dilated, which leaves every value as it was at its place."""

    def __init__(self, *, output_stride: int, width: float = 1.0) -> None:
        super().__init__()
        self.features = torchvision.models.mobilenet_v2(weights=None, width_mult=width).features[:_END]
        self.low_channels = self.features[_LOW - 1].out_channels
        self.high_channels = self.features[_END - 1].out_channels
        self.output_stride = output_stride
        for first, stride in _STRIDED:
            if stride > output_stride:
                self._keep_resolution(first)

    def forward(self, image_B3HW: Tensor) -> tuple[Tensor, Tensor]:
        low_BChw = self.features[:_LOW](image_B3HW)
        return low_BChw, self.features[_LOW:](low_BChw)

    def _keep_resolution(self, first: int) -> None:
        """Take the stride out of block `first` and double the dilation of every depthwise convolution after it."""
        for position in range(first, _END):
            for parent in list(self.features[position].modules()):
                for name, conv in parent.named_children():
                    if not isinstance(conv, nn.Conv2d) or conv.kernel_size != (3, 3):
                        continue
                    if position == first:
                        conv.stride = (1, 1)
                    else:
                        setattr(parent, name, DilatedDepthwise.of(conv, 2 * conv.dilation[0]))

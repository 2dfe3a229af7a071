"""ResNet 18/50/101 as dense feature extractors, out of torchvision's blocks.

Assembled here rather than cut out of torchvision's classifier, because that one has a fixed width and refuses dilation
for the 18-layer kind. Parameter names are torchvision's, so its weight files load.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from ctt_ray.nets.segnet import Backbone
from ctt_ray.nets.torchvision_compat import torchvision

_resnet = torchvision.models.resnet
_LAYERS = {
    "resnet18": (_resnet.BasicBlock, (2, 2, 2, 2)),
    "resnet50": (_resnet.Bottleneck, (3, 4, 6, 3)),
    "resnet101": (_resnet.Bottleneck, (3, 4, 23, 3)),
}
RESNETS = tuple(_LAYERS)


class ResNet(Backbone):
    """conv1 to layer4 of `name`; channel counts times `width`, rounded to multiples of 8.

    A stage whose stride would exceed `output_stride` keeps its resolution and is dilated instead (the à-trous rule):
    every output value equals the one the strided network has at that place."""

    layer1: nn.Sequential
    layer2: nn.Sequential
    layer3: nn.Sequential
    layer4: nn.Sequential

    def __init__(self, name: str, *, output_stride: int, width: float = 1.0) -> None:
        super().__init__()
        block, repeats = _LAYERS[name]
        planes = [max(8, round(64 * 2**stage * width / 8) * 8) for stage in range(4)]
        self.conv1 = nn.Conv2d(3, planes[0], 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(planes[0])
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        inputs, stride_so_far, dilation = planes[0], 4, 1
        for stage in range(4):
            stride = 1 if stage == 0 else 2
            before = dilation
            if stride_so_far * stride > output_stride:
                dilation, stride = dilation * stride, 1
            stride_so_far *= stride
            layer = _stage(block, inputs, planes[stage], repeats[stage], stride, before, dilation)
            self.add_module(f"layer{stage + 1}", layer)
            inputs = planes[stage] * block.expansion
        self.low_channels = planes[0] * block.expansion
        self.high_channels = inputs
        self.output_stride = output_stride
        _init(self)

    def forward(self, image_B3HW: Tensor) -> tuple[Tensor, Tensor]:
        x = self.maxpool(self.relu(self.bn1(self.conv1(image_B3HW))))
        low_BChw = self.layer1(x)
        return low_BChw, self.layer4(self.layer3(self.layer2(low_BChw)))


def _stage(
    block: Any, inputs: int, planes: int, repeats: int, stride: int, before: int, dilation: int
) -> nn.Sequential:
    """Blocks of one stage. `before` is the dilation of what comes in, `dilation` that of what goes out."""
    outputs = planes * block.expansion
    shortcut = None
    if stride != 1 or inputs != outputs:
        shortcut = nn.Sequential(_resnet.conv1x1(inputs, outputs, stride), nn.BatchNorm2d(outputs))
    blocks = [block(inputs, planes, stride, shortcut)] + [block(outputs, planes) for _ in range(1, repeats)]
    for position, member in enumerate(blocks):
        _dilate(member, before if position == 0 else dilation, dilation)
    return nn.Sequential(*blocks)


def _dilate(block: nn.Module, first: int, later: int) -> None:
    """Dilate a block's 3x3 convolutions in place: the first one reads the old grid, any after it the new one."""
    convs = [layer for layer in block.modules() if isinstance(layer, nn.Conv2d) and layer.kernel_size == (3, 3)]
    for position, conv in enumerate(convs):
        rate = first if position == 0 else later
        conv.dilation = conv.padding = (rate, rate)


def _init(net: nn.Module) -> None:
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")

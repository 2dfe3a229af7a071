"""Small layers the heads are made of."""

from __future__ import annotations

import math

from torch import Tensor, nn


def conv_bn(inputs: int, outputs: int, *, kernel: int, dilation: int = 1) -> nn.Sequential:
    """Convolution of unchanged size, BatchNorm, ReLU: (B, inputs, h, w) to (B, outputs, h, w)."""
    return nn.Sequential(_conv(inputs, outputs, kernel, dilation), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


def conv_gn(inputs: int, outputs: int, *, kernel: int, dilation: int = 1) -> nn.Sequential:
    """Convolution of unchanged size and GroupNorm, no activation: (B, inputs, h, w) to (B, outputs, h, w)."""
    return nn.Sequential(_conv(inputs, outputs, kernel, dilation), group_norm(outputs))


def group_norm(channels: int) -> nn.GroupNorm:
    """GroupNorm with at most 32 groups of at least 8 channels, so that a 1x1 map still has something to normalise."""
    return nn.GroupNorm(math.gcd(32, max(1, channels // 8), channels), channels)


def _conv(inputs: int, outputs: int, kernel: int, dilation: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, padding=dilation * (kernel // 2), dilation=dilation, bias=False)


class SqueezeExcite(nn.Module):
    """Channel weights in (0, 1) from the global mean: x · σ(W₂ relu(W₁ mean_hw x)). (B, C, h, w) to the same shape."""

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        hidden = max(8, channels // reduction)
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, hidden, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(hidden, channels, 1),
            nn.Sigmoid(),
        )

    def forward(self, x_BChw: Tensor) -> Tensor:
        return x_BChw * self.gate(x_BChw)


def init_head(head: nn.Module) -> None:
    """He-normal convolutions, unit norms; the layer called `classifier` small (σ 0.01), so that training starts near
    the uniform distribution over classes."""
    for name, layer in head.named_modules():
        if isinstance(layer, nn.Conv2d):
            if name.endswith("classifier"):
                nn.init.normal_(layer.weight, std=0.01)
            else:
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)

"""Dilated depthwise convolution whose backward pass is as cheap on a CPU as its forward one.

torch 2.13's CPU library has no fast kernel for the gradients of a depthwise convolution with a dilation: three such layers of
MobileNetV2 at output stride 16 were a third of a training step on crops of 64 x 64.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F


class DilatedDepthwise(nn.Conv2d):
    """nn.Conv2d with groups = channels, a square kernel of odd size, dilation d, stride 1, no bias and padding that
    keeps the size: same weights, names and values.

    On a CPU outside autocast the gradients take the path below, which can be differentiated once; elsewhere they are torch's own.
    """

    @classmethod
    def of(cls, conv: nn.Conv2d, dilation: int) -> DilatedDepthwise:
        """`conv`, its weight included, at another dilation."""
        channels, size = conv.in_channels, conv.kernel_size[0]
        around = dilation * (size // 2)
        made = cls(  # on no device: nothing is drawn
            channels, channels, size, padding=around, dilation=dilation, groups=channels, bias=False, device="meta"
        )
        made.weight = conv.weight
        return made

    def forward(self, x_BCHW: Tensor) -> Tensor:
        if x_BCHW.device.type != "cpu" or torch.is_autocast_enabled("cpu"):
            return super().forward(x_BCHW)
        out_BCHW: Tensor = _Convolve.apply(x_BCHW, self.weight, self.dilation[0])
        return out_BCHW


class _Convolve(torch.autograd.Function):
    """y(p) = Σ_t w_t x(p + d t) over the taps t of the kernel, a channel at a time.

    ∂/∂x is the same convolution of the gradient with the kernel turned round, ∂/∂w_t = Σ_p g(p) x(p + d t)."""

    @staticmethod
    def forward(ctx: Any, x_BCHW: Tensor, w_C1kk: Tensor, dilation: int) -> Tensor:
        ctx.save_for_backward(x_BCHW, w_C1kk)
        ctx.dilation = dilation
        return _convolve(x_BCHW, w_C1kk, dilation)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g_BCHW: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x_BCHW, w_C1kk = ctx.saved_tensors
        dilation, size, (height, width) = ctx.dilation, w_C1kk.shape[-1], g_BCHW.shape[-2:]
        grad_x = grad_w = None
        if ctx.needs_input_grad[0]:
            grad_x = _convolve(g_BCHW, w_C1kk.flip(2, 3), dilation)
        if ctx.needs_input_grad[1]:
            g_BHWC = g_BCHW.permute(0, 2, 3, 1)
            around = dilation * (size // 2)
            x_BhwC = F.pad(x_BCHW.permute(0, 2, 3, 1), (0, 0, around, around, around, around))
            taps = [
                (x_BhwC[:, top : top + height, left : left + width] * g_BHWC).sum((0, 1, 2))
                for top in range(0, dilation * size, dilation)
                for left in range(0, dilation * size, dilation)
            ]
            grad_w = torch.stack(taps, 1).view_as(w_C1kk)
        return grad_x, grad_w, None


def _convolve(x_BCHW: Tensor, w_C1kk: Tensor, dilation: int) -> Tensor:
    around = dilation * (w_C1kk.shape[-1] // 2)
    return F.conv2d(x_BCHW, w_C1kk, padding=around, dilation=dilation, groups=x_BCHW.shape[1])

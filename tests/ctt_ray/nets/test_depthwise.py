"""The dilated depthwise convolution is torch's, forward and backward."""

import pytest
import torch
from torch import nn

from ctt_ray.nets.depthwise import DilatedDepthwise
from ctt_ray.nets.mobilenet import MobileNetV2


def plain(dilation: int, size: int) -> nn.Conv2d:
    padding = dilation * (size // 2)
    return nn.Conv2d(6, 6, size, padding=padding, dilation=dilation, groups=6, bias=False).double()


@pytest.mark.parametrize("dilation", [1, 2, 4])
@pytest.mark.parametrize("size", [3, 5])
@pytest.mark.parametrize("shape", [(2, 6, 4, 4), (1, 6, 7, 3), (3, 6, 1, 9)])
def test_values_and_gradients_are_those_of_torch(dilation: int, size: int, shape: tuple[int, ...]) -> None:
    conv = plain(dilation, size)
    ours = DilatedDepthwise.of(plain(1, size), dilation)
    ours.load_state_dict(conv.state_dict())
    x = torch.randn(shape, dtype=torch.float64).to(memory_format=torch.channels_last).requires_grad_()
    gradient = torch.randn(shape, dtype=torch.float64)
    found, expected = ours(x), conv(x)
    assert torch.equal(found, expected)
    theirs = torch.autograd.grad(expected, (x, conv.weight), gradient)
    for one, other in zip(torch.autograd.grad(found, (x, ours.weight), gradient), theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


def test_only_what_is_asked_for_gets_a_gradient() -> None:
    ours = DilatedDepthwise.of(plain(1, 3), 2).requires_grad_(False)
    x = torch.randn(1, 6, 5, 5, dtype=torch.float64, requires_grad=True)
    ours(x).sum().backward()
    assert x.grad is not None and ours.weight.grad is None


def test_autocast_takes_torchs_own_way() -> None:
    ours = DilatedDepthwise.of(plain(1, 3), 2).float()
    x = torch.randn(1, 6, 5, 5, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        found = ours(x)
    found.sum().backward()
    assert found.dtype == torch.bfloat16 and ours.weight.grad is not None


def test_mobilenet_has_it_behind_the_stride_and_draws_nothing_for_it() -> None:
    torch.manual_seed(0)
    strided = MobileNetV2(output_stride=32, width=0.5).state_dict()
    torch.manual_seed(0)
    dilated = MobileNetV2(output_stride=8, width=0.5)
    assert all(torch.equal(value, strided[name]) for name, value in dilated.state_dict().items())
    rates = [layer.dilation[0] for layer in dilated.modules() if isinstance(layer, DilatedDepthwise)]
    assert rates == [2] * 7 + [4] * 3

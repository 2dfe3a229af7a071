"""Backbones equal torchvision's, and dilation changes the sampling only, never the values."""

import pytest
import torch
from torch import nn

from ctt_ray.nets.mobilenet import MobileNetV2
from ctt_ray.nets.resnet import ResNet
from ctt_ray.nets.torchvision_compat import torchvision

models = torchvision.models
NAMES = ["resnet18", "resnet50", "mobilenet_v2"]


def backbone(name: str, output_stride: int, width: float = 1.0) -> nn.Module:
    if name == "mobilenet_v2":
        return MobileNetV2(output_stride=output_stride, width=width)
    return ResNet(name, output_stride=output_stride, width=width)


def randomise_norms(net: nn.Module) -> None:
    """Statistics unlike the initial ones, so that a norm left out or put elsewhere shows."""
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm2d):
            for tensor in (layer.weight, layer.running_var):
                nn.init.uniform_(tensor, 0.5, 1.5)
            nn.init.normal_(layer.running_mean, std=0.1)


@pytest.mark.parametrize(("name", "stride"), [("resnet18", 32), ("resnet50", 32), ("resnet50", 16), ("resnet50", 8)])
def test_resnet_equals_torchvisions(name: str, stride: int) -> None:
    kept = {32: [False, False, False], 16: [False, False, True], 8: [False, True, True]}[stride]
    theirs = models.get_model(name, **({"replace_stride_with_dilation": kept} if stride < 32 else {})).eval()
    randomise_norms(theirs)
    ours = backbone(name, stride).eval()
    ours.load_state_dict({key: value for key, value in theirs.state_dict().items() if not key.startswith("fc")})
    image = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        low, high = ours(image)
        x = theirs.layer1(theirs.maxpool(theirs.relu(theirs.bn1(theirs.conv1(image)))))
        assert torch.equal(low, x)
        assert torch.equal(high, theirs.layer4(theirs.layer3(theirs.layer2(x))))


def test_mobilenet_equals_torchvisions() -> None:
    theirs = models.mobilenet_v2().eval()
    randomise_norms(theirs)
    ours = backbone("mobilenet_v2", 32).eval()
    features = {key: value for key, value in theirs.state_dict().items() if key in ours.state_dict()}
    ours.load_state_dict(features)
    image = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        low, high = ours(image)
        assert torch.equal(low, theirs.features[:4](image))
        assert torch.equal(high, theirs.features[:18](image))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("stride", [8, 16])
def test_dilation_keeps_every_value_of_the_strided_network(name: str, stride: int) -> None:
    strided = backbone(name, 32, width=0.5).double().eval()
    randomise_norms(strided)
    dilated = backbone(name, stride, width=0.5).double().eval()
    dilated.load_state_dict(strided.state_dict())
    image = torch.randn(1, 3, 96, 160, dtype=torch.float64)
    with torch.no_grad():
        low, high = strided(image)
        low_dilated, high_dilated = dilated(image)
    torch.testing.assert_close(low_dilated, low)
    every = 32 // stride
    assert high_dilated.shape[2:] == (96 // stride, 160 // stride)
    torch.testing.assert_close(high_dilated[:, :, ::every, ::every], high)


@pytest.mark.parametrize("name", NAMES)
def test_width_scales_channels(name: str) -> None:
    full, quarter = backbone(name, 16), backbone(name, 16, width=0.25)
    assert quarter.high_channels < full.high_channels / 3
    low, high = quarter(torch.randn(2, 3, 64, 64))
    assert (low.shape[1], high.shape[1]) == (quarter.low_channels, quarter.high_channels)


@pytest.mark.real
def test_real_weights_give_torchvisions_features(real_data) -> None:
    """Input normalisation and weights belong together: the same file, the same features (pitfall 22)."""
    from ctt_ray import nets

    path = real_data / "weights" / "mobilenet_v2-b0353104.pth"
    theirs = models.mobilenet_v2().eval()
    theirs.load_state_dict(torch.load(path, weights_only=True))
    net = nets.build(arch="deeplabv3plus", backbone="mobilenet_v2", classes=3, feature_dim=16, init=str(path)).eval()
    image = torch.randn(1, 3, 96, 64)
    with torch.no_grad():
        assert torch.equal(net.backbone.features[:14](image), theirs.features[:14](image))
        low, high = net.backbone(image)
        assert torch.equal(low, theirs.features[:4](image))
        torch.testing.assert_close(high[:, :, ::2, ::2], theirs.features[:18](image), atol=1e-4, rtol=1e-4)

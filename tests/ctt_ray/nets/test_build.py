"""Whole networks: shapes, the feature that the bank reads, seeds, size, gradients."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ctt_ray import nets

ARCHS = ["deeplabv2", "deeplabv3plus"]
SMALL = {"classes": 5, "feature_dim": 16, "width": 0.25}
image = torch.linspace(-2, 2, 2 * 3 * 64 * 96).reshape(2, 3, 64, 96).sin()


def small(arch: str = "deeplabv3plus", backbone: str = "resnet18", **more: object) -> nets.SegNet:
    return nets.build(arch=arch, backbone=backbone, **{**SMALL, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize("arch", ARCHS)
@pytest.mark.parametrize(
    ("backbone", "stride"),
    [("resnet18", 8), ("resnet18", 32), ("resnet50", 16), ("resnet101", 8), ("mobilenet_v2", 8), ("mobilenet_v2", 16)],
)
def test_shapes(arch: str, backbone: str, stride: int) -> None:
    with torch.device("meta"):
        out = small(arch, backbone, output_stride=stride)(torch.zeros(2, 3, 97, 128))
    at = stride if arch == "deeplabv2" else 4
    size = (-(-97 // at), 128 // at)
    assert out.feat_BDhw.shape == (2, 16, *size)
    assert out.logits_BKhw.shape == (2, 5, *size)


@pytest.mark.parametrize("arch", ARCHS)
def test_logits_are_the_classifier_of_the_feature(arch: str) -> None:
    net = small(arch, dropout=0.5).eval()
    out = net(image)
    classifier = net.get_submodule(nets.CLASSIFIER)
    weight_KD, bias = classifier.weight[:, :, 0, 0], 0 if classifier.bias is None else classifier.bias[:, None, None]
    torch.testing.assert_close(out.logits_BKhw, torch.einsum("kd,bdhw->bkhw", weight_KD, out.feat_BDhw) + bias)


@pytest.mark.parametrize("arch", ARCHS)
def test_dropout_touches_the_logits_only(arch: str) -> None:
    net = small(arch, dropout=0.9).train()
    one, two = net(image), net(image)
    assert torch.equal(one.feat_BDhw, two.feat_BDhw)
    assert not torch.equal(one.logits_BKhw, two.logits_BKhw)


@pytest.mark.parametrize("arch", ARCHS)
@pytest.mark.parametrize("backbone", ["resnet18", "resnet50", "mobilenet_v2"])
def test_every_parameter_learns_from_the_logits_even_at_batch_one(arch: str, backbone: str) -> None:
    net = small(arch, backbone).train()
    out = net(image[:1])
    label_BHW = torch.arange(out.logits_BKhw[:, 0].numel()).view_as(out.logits_BKhw[:, 0]) % 5
    F.cross_entropy(out.logits_BKhw, label_BHW).backward()
    silent = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
    assert silent == []
    zero = [name for name, p in net.named_parameters() if not p.grad.any()]
    assert zero == []


def test_backbone_and_head_hold_every_parameter_once() -> None:
    net = small()
    parts = [*net.backbone.parameters(), *net.head.parameters()]
    assert {id(p) for p in parts} == {id(p) for p in net.parameters()}
    assert len(parts) == len(list(net.parameters()))


def test_seed_decides_the_weights_and_nothing_else_does() -> None:
    torch.manual_seed(5)
    expected_next = torch.rand(3)
    torch.manual_seed(5)
    one = small(seed=1).state_dict()
    assert torch.equal(torch.rand(3), expected_next)  # the caller's generator is where it was
    again, other = small(seed=1).state_dict(), small(seed=2).state_dict()
    assert all(torch.equal(one[key], again[key]) for key in one)
    weights = [key for key in one if one[key].ndim == 4]
    assert not any(torch.equal(one[key], other[key]) for key in weights)


@pytest.mark.parametrize(
    ("arch", "backbone", "millions"),
    [
        ("deeplabv3plus", "resnet18", 16.6),
        ("deeplabv3plus", "resnet50", 40.4),
        ("deeplabv3plus", "resnet101", 59.3),
        # plain DeepLabV2 has 25.1 and 44.1: its 4 · 2048 · 21 · 9 head parameters give way to the 256-d bottleneck
        ("deeplabv2", "resnet50", 25.1 - 1.55 + 22.56),
        ("deeplabv2", "resnet101", 44.1 - 1.55 + 22.56),
    ],
)
def test_size_is_the_literatures(arch: str, backbone: str, millions: float) -> None:
    with torch.device("meta"):
        net = nets.build(arch=arch, backbone=backbone, classes=21)
    assert sum(p.numel() for p in net.parameters()) / 1e6 == pytest.approx(millions, rel=0.005)


def test_small_resnet_of_the_demo_has_a_million() -> None:
    net = nets.build(arch="deeplabv3plus", backbone="resnet18", classes=6, width=0.25, feature_dim=64)
    assert sum(p.numel() for p in net.parameters()) / 1e6 == pytest.approx(1.04, rel=0.01)


@pytest.mark.parametrize(
    ("arch", "stride", "rates"),
    [
        ("deeplabv2", 8, [6, 12, 18, 24]),
        ("deeplabv2", 16, [3, 6, 9, 12]),
        ("deeplabv3plus", 16, [6, 12, 18]),
        ("deeplabv3plus", 8, [12, 24, 36]),
    ],
)
@pytest.mark.parametrize("backbone", ["resnet18", "mobilenet_v2"])
def test_dilated_convolutions_span_the_same_part_of_the_image(
    arch: str, stride: int, rates: list[int], backbone: str
) -> None:
    head = small(arch, backbone, output_stride=stride).head
    assert [
        conv.dilation[0] for conv in head.modules() if isinstance(conv, nn.Conv2d) and conv.dilation[0] > 1
    ] == rates


@pytest.mark.parametrize("dim", [8, 12, 50, 66])
def test_any_feature_dim_works(dim: int) -> None:
    for arch in ARCHS:
        assert small(arch, feature_dim=dim).eval()(image[:1, :, :32, :32]).feat_BDhw.shape[1] == dim


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"arch": "unet"}, "deeplabv2, deeplabv3plus"),
        ({"backbone": "resnet34"}, "resnet18, resnet50, resnet101, mobilenet_v2"),
        ({"output_stride": 4}, "8, 16, 32"),
        ({"classes": 1}, "classes >= 2"),
        ({"dropout": 1.0}, r"dropout in \[0, 1\)"),
    ],
)
def test_unknown_settings_name_the_known_ones(setting: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        nets.build(**{"arch": "deeplabv2", "backbone": "resnet18", **SMALL, **setting})  # type: ignore[arg-type]

"""Names to networks."""

from __future__ import annotations

from collections.abc import Collection

import torch

from ctt_ray.nets.deeplabv2 import DeepLabV2
from ctt_ray.nets.deeplabv3plus import DeepLabV3Plus
from ctt_ray.nets.mobilenet import MobileNetV2
from ctt_ray.nets.resnet import RESNETS, ResNet
from ctt_ray.nets.segnet import Backbone, SegNet
from ctt_ray.nets.weights import load_backbone

ARCHS = {"deeplabv2": DeepLabV2, "deeplabv3plus": DeepLabV3Plus}
BACKBONES = (*RESNETS, "mobilenet_v2")
OUTPUT_STRIDES = (8, 16, 32)


def build(
    *,
    arch: str,
    backbone: str,
    classes: int,
    feature_dim: int = 256,
    output_stride: int = 16,
    width: float = 1.0,
    dropout: float = 0.1,
    init: str = "none",
    seed: int = 0,
) -> SegNet:
    """A segmentation network with its initial weights, in training mode, float32, on the current default device.

    feature_dim: D, the channels of the head. width: factor on the backbone's channels. init: "none", "imagenet" or a
    weight file for the backbone. The head, and without init the backbone, are drawn from `seed` alone; the caller's
    random state is left as it was. One init file with two seeds gives equal backbones and different heads.
    Raises ValueError for names that are not known, WeightsError (a ValueError) for weights that do not fit."""
    _known("arch", arch, ARCHS)
    _known("backbone", backbone, BACKBONES)
    _known("output_stride", output_stride, OUTPUT_STRIDES)
    if classes < 2 or feature_dim < 8 or width <= 0 or not 0 <= dropout < 1:
        raise ValueError(
            f"classes={classes}, feature_dim={feature_dim}, width={width}, dropout={dropout}: needed are "
            "classes >= 2, feature_dim >= 8, width > 0 and dropout in [0, 1)."
        )
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would also reseed the caller's CUDA generators
        trunk = _backbone(backbone, output_stride=output_stride, width=width)
        head = ARCHS[arch](trunk, classes=classes, feature_dim=feature_dim, dropout=dropout)
    if init != "none":
        load_backbone(trunk, name=backbone, init=init)
    return SegNet(trunk, head)


def _backbone(name: str, *, output_stride: int, width: float) -> Backbone:
    if name == "mobilenet_v2":
        return MobileNetV2(output_stride=output_stride, width=width)
    return ResNet(name, output_stride=output_stride, width=width)


def _known(what: str, found: object, known: Collection[object]) -> None:
    if found not in known:
        raise ValueError(f"{what}={found!r} is not known. Choose one of: {', '.join(map(str, known))}.")

"""Scores of networks over a data set: one confusion matrix each, summed over all images and all workers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ctt_ray.engine.networks import set_mode
from ctt_ray.engine.world import World
from ctt_ray.maths import colour, labels, metrics

Mode = Literal["whole", "slide", "half"]
Image = tuple[str, Tensor, Tensor]  # id, image_13HW uint8, label_1HW uint8
STRIDE = 2 / 3  # of a sliding window, as a share of its size
ENSEMBLE = "ensemble"


@torch.no_grad()
def probabilities(
    net: nn.Module, image_B3HW: Tensor, *, mode: Mode, window: tuple[int, int], at_half: bool = False
) -> Tensor:
    """probs_BKHW float32 at the size of the image (uint8 RGB in); at_half: at half of it, made there without a detour.

    whole: one pass.   slide: overlapping windows of `window` pixels, mean of their probabilities; a window at least as large as
    the image equals `whole`.   half: the image at half size, probabilities back at full size.
    """
    size = (image_B3HW.shape[-2], image_B3HW.shape[-1])
    image = colour.normalise(image_B3HW / 255)
    if mode == "slide":
        return _slide(net, image, window)
    if mode == "half":
        image = F.interpolate(image, size=half(size), mode="bilinear", align_corners=False)
    return labels.upsample(net(image).logits_BKhw, half(size) if at_half else size).softmax(1)


def half(size: tuple[int, int]) -> tuple[int, int]:
    return max(1, size[0] // 2), max(1, size[1] // 2)


def _slide(net: nn.Module, image: Tensor, window: tuple[int, int]) -> Tensor:
    height, width = image.shape[-2:]
    total: Tensor | None = None
    count = torch.zeros(1, 1, height, width, device=image.device)
    for top in _starts(height, window[0]):
        for left in _starts(width, window[1]):
            box = (..., slice(top, top + window[0]), slice(left, left + window[1]))
            part = image[box]
            probs = labels.upsample(net(part).logits_BKhw, (part.shape[-2], part.shape[-1])).softmax(1)
            if total is None:
                total = probs.new_zeros(len(image), probs.shape[1], height, width)
            total[box] += probs
            count[box] += 1
    assert total is not None
    return total / count


def _starts(length: int, window: int) -> list[int]:
    """Window positions that cover `length`; the last one ends at the border."""
    if window >= length:
        return [0]
    step = max(1, int(window * STRIDE))
    return [*range(0, length - window, step), length - window]


def evaluate(
    nets: Mapping[str, nn.Module],
    images: Iterable[Image],
    *,
    classes: int,
    device: torch.device,
    mode: Mode = "whole",
    window: tuple[int, int] = (321, 321),
    ensemble: tuple[str, ...] = (),
    world: World | None = None,
) -> dict[str, Tensor]:
    """Name → matrix_KK int64 (rows truth, columns prediction), and under `ensemble` that of the mean probability of those nets.

    Networks run in eval mode. Mode `half` scores image and label at half size, as the CTT paper did on Cityscapes.
    world: whose networks and images these are a part of; the matrices are of all, for workers with other networks too, who
    have to be given the same images.
    """
    world = world or World.alone()
    for net in nets.values():
        set_mode(net, training=False, batchnorm=False)
    names = world.everyone.union([*nets, *([ENSEMBLE] if ensemble else [])])
    matrices = {name: torch.zeros(classes, classes, dtype=torch.int64, device=device) for name in names}
    for _, image_13HW, label_1HW in images:
        image_13HW, label_1HW = image_13HW.to(device), label_1HW.to(device)
        at_half = mode == "half"
        if at_half:
            label_1HW = labels.nearest(label_1HW, half((label_1HW.shape[-2], label_1HW.shape[-1])))
        probs = {
            name: probabilities(net, image_13HW, mode=mode, window=window, at_half=at_half)
            for name, net in nets.items()
        }
        if ensemble:  # each worker adds up its own members, the first of the peers counts them all
            mean = world.peers.total(torch.stack([probs[name] for name in ensemble if name in nets]).sum(0))
            if world.peers.index == 0:
                probs[ENSEMBLE] = mean / len(ensemble)
        for name, probs_1KHW in probs.items():
            metrics.confusion_(matrices[name], probs_1KHW.max(1).indices, label_1HW)
    return {name: world.everyone.total(matrix) for name, matrix in matrices.items()}

"""Perturbations of feature maps, each with its own generator: what auxiliary decoders have to see through.

Ouali et al., Semi-Supervised Semantic Segmentation with Cross-Consistency Training, CVPR 2020, arXiv 2003.09005. Every
function returns a map of the same shape and dtype and is differentiable in the features, but for the random parts."""

from __future__ import annotations

import torch
from torch import Tensor


def noise(feat_BDhw: Tensor, *, limit: float, generator: torch.Generator) -> Tensor:
    """z + z·n with n uniform in (-limit, limit), one n a channel and place, shared by the batch."""
    uniform_Dhw = torch.rand(feat_BDhw.shape[1:], generator=generator).to(feat_BDhw)
    return feat_BDhw * (1 + (2 * uniform_Dhw - 1) * limit)


def drop_channels(feat_BDhw: Tensor, *, share: float, generator: torch.Generator) -> Tensor:
    """Spatial dropout: each channel of each image is 0 with probability `share`, the others are divided by 1 - share."""
    kept_BD = torch.rand(feat_BDhw.shape[:2], generator=generator) >= share
    return feat_BDhw * (kept_BD / (1 - share)).to(feat_BDhw)[:, :, None, None]


def drop_active(feat_BDhw: Tensor, *, low: float, high: float, generator: torch.Generator) -> Tensor:
    """Without the most active places: 0 where the mean over channels reaches γ of its maximum in the image.

    γ uniform in [low, high), one draw a call. Both in [0, 1]."""
    gamma = low + (high - low) * float(torch.rand((), generator=generator))
    mean_B1hw = feat_BDhw.detach().mean(1, keepdim=True)
    return feat_BDhw * (mean_B1hw < gamma * mean_B1hw.amax((2, 3), keepdim=True))


def guided_cutout(label_Bhw: Tensor, *, classes: int, erase: float, generator: torch.Generator) -> Tensor:
    """keep_Bhw, bool: False in one box inside each class's bounding box, whose sides are `erase` of that box's.

    label_Bhw: predicted ids; class 0, the background, and values outside 0..classes-1 have no box. The box's place is
    uniform, drawn for every class, present or not: so one class's draw does not depend on which others are there."""
    object_BKhw = label_Bhw[:, None] == torch.arange(1, classes, device=label_Bhw.device)[:, None, None]
    inside_BKh = _cut(object_BKhw.any(3), erase, generator)
    inside_BKw = _cut(object_BKhw.any(2), erase, generator)
    return ~(inside_BKh[..., :, None] & inside_BKw[..., None, :]).any(1)


def _cut(occupied_BKn: Tensor, erase: float, generator: torch.Generator) -> Tensor:
    """Along one axis: True in a piece of `erase` of the span from the first to the last occupied cell; none: nowhere."""
    length = occupied_BKn.shape[-1]
    place_n = torch.arange(length, device=occupied_BKn.device)
    first_BK1 = torch.where(occupied_BKn, place_n, length).amin(-1, keepdim=True)
    last_BK1 = torch.where(occupied_BKn, place_n, -1).amax(-1, keepdim=True)
    span_BK1 = (last_BK1 - first_BK1 + 1).clamp(min=0)
    piece_BK1 = (span_BK1 * erase).long()
    uniform_BK1 = torch.rand(first_BK1.shape, generator=generator).to(place_n.device)
    start_BK1 = first_BK1 + (uniform_BK1 * (span_BK1 - piece_BK1 + 1)).long().clamp(max=span_BK1 - piece_BK1)
    return (place_n >= start_BK1) & (place_n < start_BK1 + piece_BK1)

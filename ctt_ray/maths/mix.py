"""CutMix and ClassMix: one mask a sample for image, label, confidence and valid map.  docs/equations.md#views"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ctt_ray.maths.draws import uniforms
from ctt_ray.maths.labels import PADDING

Span = tuple[float, float]  # from, to


def mix(map_B_HW: Tensor, mask_BHW: Tensor) -> Tensor:
    """out[b] = map[b] where mask[b], else map[(b+1) mod B]: image b's part pasted on the next image of the batch.

    map: (B, HW) or (B, any, HW), any dtype, kept: images B3HW, labels, confidences, bool maps.   B = 1: unchanged."""
    mask_B_HW = mask_BHW.unflatten(0, (-1,) + (1,) * (map_B_HW.ndim - 3))
    return torch.where(mask_B_HW, map_B_HW, map_B_HW.roll(-1, 0))


def cutmix_mask(
    key_B: Tensor,
    size: tuple[int, int],
    *,
    area: Span = (0.25, 0.5),
    aspect: Span = (0.5, 2.0),
    device: torch.device | None = None,
) -> Tensor:
    """One box a sample, drawn from its key: bool (B, H, W), True inside.

    key_B: int64 on the host.   area: share of the image, uniform.   aspect: (height/H) / (width/W) of the box,
    log-uniform (tall as likely as wide); a side is at most the image's.   The place is uniform among all that fit."""
    box_B4 = torch.tensor([_box(key, size, area, aspect) for key in key_B.tolist()], dtype=torch.int64).reshape(-1, 4)
    top, bottom, left, right = box_B4.to(device)[:, :, None, None].unbind(1)
    row_H1 = torch.arange(size[0], device=device)[:, None]
    column_W = torch.arange(size[1], device=device)
    return (top <= row_H1) & (row_H1 < bottom) & (left <= column_W) & (column_W < right)


def classmix_mask(label_BHW: Tensor, key_B: Tensor) -> Tensor:
    """True on ⌊k/2⌋ of the k classes of each image, chosen uniformly by its key: bool (B, H, W) on the label's device.

    label_BHW: uint8 pseudo-labels.   key_B: int64 on the host.   VOID and PADDING are never counted nor chosen. A
    class's draw depends on key and class alone: a class that is missing does not change the order of the others."""
    present_BK = torch.zeros(len(label_BHW), 256, dtype=torch.bool, device=label_BHW.device)
    index_BM = label_BHW.flatten(1).long()
    present_BK.scatter_(1, index_BM, True)
    present_BK[:, PADDING:] = False
    priority = [uniforms(key, "classmix", 256) for key in key_B.tolist()]
    priority_BK = torch.tensor(priority, dtype=torch.float64).reshape(-1, 256).float().to(label_BHW.device)
    order_BK = priority_BK.masked_fill(~present_BK, -1.0).argsort(dim=1, descending=True, stable=True)
    first_BK = torch.arange(256, device=label_BHW.device) < present_BK.sum(1, keepdim=True) // 2
    chosen_BK = torch.zeros_like(present_BK).scatter_(1, order_BK, first_BK)
    return chosen_BK.gather(1, index_BM).view(label_BHW.shape)


def _box(key: int, size: tuple[int, int], area: Span, aspect: Span) -> tuple[int, int, int, int]:
    """top, bottom, left, right in pixels; the ends are exclusive."""
    draw = uniforms(key, "cutmix", 4)
    share = area[0] + draw[0] * (area[1] - area[0])
    shape = aspect[0] * (aspect[1] / aspect[0]) ** draw[1]
    height = min(size[0], max(1, round(size[0] * math.sqrt(share * shape))))
    width = min(size[1], max(1, round(size[1] * math.sqrt(share / shape))))
    top = int(draw[2] * (size[0] - height + 1))
    left = int(draw[3] * (size[1] - width + 1))
    return top, top + height, left, left + width

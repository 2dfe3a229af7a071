"""Pixel losses as (sum, count), so that a caller can add both over the workers before dividing.  docs/equations.md

Every denominator counts real pixels only. Nothing to learn from gives 0 with a zero gradient, never NaN."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from ctt_ray.maths.labels import VOID, valid

Gate = Literal["none", "pixel", "batch_fraction"]


def ratio(total: Tensor, count: Tensor) -> Tensor:
    """total / count, and 0 with a zero gradient where count is 0."""
    empty = count <= 0
    return torch.where(empty, torch.zeros_like(total), total / torch.where(empty, torch.ones_like(count), count))


def cross_entropy(
    logits_BKHW: Tensor,
    label_BHW: Tensor,
    *,
    weight_BHW: Tensor | None = None,
    class_weight_K: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Sum over the valid pixels of weight · class weight · -log p(label), and what to divide it by.  Equations (1), (5)

    label_BHW: integer ids, VOID and PADDING are left out.   weight_BHW: a gate, float or bool; it multiplies the sum
    only, so a gated pixel still counts.   class_weight_K: multiplies both, as in torch's weighted mean.
    Returns (sum, count), both 0-d: count = valid pixels, or the sum of their class weights. All void: (0, 0)."""
    loss_BHW = _pixel_loss(logits_BKHW, label_BHW, class_weight_K)
    if weight_BHW is not None:
        loss_BHW = loss_BHW * weight_BHW
    valid_BHW = valid(label_BHW)
    if class_weight_K is None:
        return loss_BHW.sum(), valid_BHW.sum().to(loss_BHW.dtype)
    share_BHW = class_weight_K.to(loss_BHW.dtype)[torch.where(valid_BHW, label_BHW, 0).long()]
    return loss_BHW.sum(), (share_BHW * valid_BHW).sum()


def ohem(
    logits_BKHW: Tensor,
    label_BHW: Tensor,
    *,
    keep: float,
    threshold: float,
    class_weight_K: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Cross-entropy of the hard pixels only (online hard example mining), as (sum, count).

    keep: share in (0, 1] of the valid pixels that is used at least, the hardest first.   threshold: a probability; a
    pixel whose true class gets less is used too.   Ties with the last kept pixel are kept. The share is taken of the
    pixels given: under data parallelism, of one worker's. All void: (0, 0)."""
    if not 0 < keep <= 1:
        raise ValueError(f"keep must be a share in (0, 1], found {keep}; keep=1 is plain cross-entropy")
    with torch.no_grad():
        valid_BHW = valid(label_BHW)
        # A pixel that does not count gets a probability no pixel can have, and sorts last.
        true_BHW = torch.where(valid_BHW, (-_pixel_loss(logits_BKHW, label_BHW, None)).exp(), 2.0)
        kept = (keep * valid_BHW.sum().double()).ceil().long().clamp(min=1)
        hardest_M = true_BHW.flatten().sort().values
        last = hardest_M.gather(0, kept[None] - 1) if hardest_M.numel() else hardest_M.new_tensor(2.0)
        hard_BHW = valid_BHW & ((true_BHW < threshold) | (true_BHW <= last))
    return cross_entropy(logits_BKHW, label_BHW.masked_fill(~hard_BHW, VOID), class_weight_K=class_weight_K)


def batch_fraction(conf_BHW: Tensor, valid_BHW: Tensor, threshold: float) -> tuple[Tensor, Tensor]:
    """(valid pixels with conf >= threshold, valid pixels) as 0-d floats: ClassMix's share, to be added over workers."""
    above_BHW = (conf_BHW >= threshold) & valid_BHW
    return above_BHW.sum().float(), valid_BHW.sum().float()


def gate_weight(
    conf_BHW: Tensor,
    valid_BHW: Tensor,
    *,
    gate: Gate,
    threshold: float,
    counts: tuple[Tensor, Tensor] | None = None,
) -> Tensor:
    """Weight of each pseudo-labelled pixel, float32; 0 where valid_BHW is false.  docs/equations.md (ct_gate)

    none: 1.   pixel: 1 where conf >= threshold (a probability), else 0.   batch_fraction: the same share everywhere,
    above / total of `batch_fraction`; `counts` = those two added over all workers, by default these pixels alone."""
    weight_BHW = valid_BHW.float()
    if gate == "none":
        return weight_BHW
    if gate == "pixel":
        return weight_BHW * (conf_BHW >= threshold)
    if gate == "batch_fraction":
        return weight_BHW * ratio(*(counts or batch_fraction(conf_BHW, valid_BHW, threshold)))
    raise ValueError(f"unknown gate {gate!r}; use 'none', 'pixel' or 'batch_fraction'")


def class_weights(pixels_K: Tensor, *, power: float = 0.5, low: float, high: float) -> Tensor:
    """clamp((median frequency / frequency)^power, low, high) over the classes that occur; 1 for one that does not.

    pixels_K: counts of labelled pixels (only their ratios matter).   Returns float32. No pixel at all: all ones."""
    pixels_K = pixels_K.double()
    occurs_K = pixels_K > 0
    if not occurs_K.any():
        return torch.ones_like(pixels_K, dtype=torch.float32)
    median = pixels_K[occurs_K].quantile(0.5)
    weight_K = (median / pixels_K.clamp(min=1e-12)).pow(power).clamp(low, high)
    return torch.where(occurs_K, weight_K, 1.0).float()


def _pixel_loss(logits_BKHW: Tensor, label_BHW: Tensor, class_weight_K: Tensor | None) -> Tensor:
    """-log p(label), times the class weight; exactly 0 at void and padding. float32, or float64 for float64 logits."""
    logits_BKHW = logits_BKHW if logits_BKHW.dtype == torch.float64 else logits_BKHW.float()
    target_BHW = torch.where(valid(label_BHW), label_BHW, VOID).long()
    weight_K = None if class_weight_K is None else class_weight_K.to(logits_BKHW.dtype)
    return F.cross_entropy(logits_BKHW, target_BHW, weight=weight_K, ignore_index=VOID, reduction="none")

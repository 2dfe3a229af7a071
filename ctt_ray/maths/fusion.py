"""Pseudo-labels from two sources: calibrated fusion, sharpening, and cross-entropy to soft labels.

Zou et al., PseudoSeg: Designing Pseudo Labels for Semantic Segmentation, ICLR 2021, arXiv 2010.09713."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ctt_ray.maths.labels import exact


def energy(one_BKhw: Tensor, other_BKhw: Tensor, valid_Bhw: Tensor) -> tuple[Tensor, Tensor]:
    """Sum of squares of both score maps over the valid pixels, and the number of scores: 0-d, to be added over workers."""
    square_Bhw = exact(one_BKhw).square().sum(1) + exact(other_BKhw).square().sum(1)
    count = valid_Bhw.sum() * (one_BKhw.shape[1] + other_BKhw.shape[1])
    return (square_Bhw * valid_Bhw).sum(), count.to(square_Bhw.dtype)


def fuse(one_BKhw: Tensor, other_BKhw: Tensor, mean_square: Tensor, *, share: float = 0.5) -> Tensor:
    """share·softmax(a/r) + (1-share)·softmax(b/r), r² = mean_square: both made equally flat before they are averaged.

    mean_square: 0-d, `energy`'s sum over its count. Returns probabilities."""
    scale = (mean_square + 1e-8).rsqrt()
    return share * F.softmax(exact(one_BKhw) * scale, 1) + (1 - share) * F.softmax(exact(other_BKhw) * scale, 1)


def sharpen(probs_BKhw: Tensor, temperature: float) -> Tensor:
    """p^(1/T) / Σ_k p_k^(1/T): probabilities again; T < 1 makes them surer, 1 leaves them."""
    if temperature <= 0:
        raise ValueError(f"the temperature of sharpening must be above 0, found {temperature}")
    return F.softmax(exact(probs_BKhw).clamp(min=1e-30).log() / temperature, 1)


def soft_cross_entropy(logits_BKhw: Tensor, probs_BKhw: Tensor, weight_Bhw: Tensor) -> Tensor:
    """Σ_p w_p Σ_k -q_k log p_k, 0-d: `losses.cross_entropy` for labels that are probabilities.

    weight_Bhw: bool or float, 0 takes a pixel out, whatever its logits. No gradient reaches probs."""
    loss_Bhw = -(probs_BKhw.detach() * F.log_softmax(exact(logits_BKhw), 1)).sum(1)
    return torch.where(weight_Bhw > 0, loss_Bhw * weight_Bhw, 0.0).sum()

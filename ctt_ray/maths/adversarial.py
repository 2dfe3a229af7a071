"""What a critic of segmentations asks, and what a student learns from its answers: AdvSemiSeg and s4GAN.  docs/equations.md

Sums and counts as in maths.losses: the caller adds both over the workers before dividing."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ctt_ray.maths.labels import VOID, exact, valid


def one_hot(label_BHW: Tensor, classes: int) -> Tensor:
    """A label map as a critic sees it: (B, K, HW) in torch's default dtype, all zeros at void and padding."""
    known_BHW = valid(label_BHW)
    index_B1HW = torch.where(known_BHW, label_BHW, 0).long()[:, None]
    empty_BKHW = torch.zeros((len(label_BHW), classes, *label_BHW.shape[1:]), device=label_BHW.device)
    return empty_BKHW.scatter_(1, index_B1HW, known_BHW[:, None].to(empty_BKHW))


def judged(logit: Tensor, *, real: bool, counts: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Binary cross-entropy of a critic's logits of any shape with "a label map" or "a prediction": (sum, count).

    counts: bool of that shape, what is judged at all (pixels with a class); by default everything."""
    loss = F.softplus(-exact(logit) if real else exact(logit))
    if counts is None:
        counts = torch.ones_like(logit, dtype=torch.bool)
    return (loss * counts).sum(), counts.sum().float()


def trusted_label(label: Tensor, logit: Tensor, threshold: float) -> Tensor:
    """A student's own labels where the critic gives more than `threshold` (a probability), VOID elsewhere.

    label: uint8 (B, HW).   logit: a critic's, (B, HW), or (B,): then a whole image is trusted or not."""
    trust = torch.sigmoid(exact(logit.detach())) > threshold
    trust = trust.view(trust.shape + (1,) * (label.ndim - trust.ndim))
    return label.masked_fill(~trust & valid(label), VOID)


def l1_share(gap_C: Tensor, global_gap_C: Tensor) -> Tensor:
    """This worker's share of mean_C |gap| of the whole batch, with the gradient that belongs to it.

    gap_C: the difference of two sums, each over its count in the whole batch.   global_gap_C: its sum over the workers,
    without gradient.   The shares of all workers add up to the distance; alone it is mean |gap|."""
    return (global_gap_C.sign() * gap_C).mean()


def unit_range(image_B3HW: Tensor) -> Tensor:
    """Each image stretched to [0, 1], as large as the probabilities that a critic sees beside it; a flat one is 0."""
    low_B111, high_B111 = image_B3HW.amin((1, 2, 3), keepdim=True), image_B3HW.amax((1, 2, 3), keepdim=True)
    return (image_B3HW - low_B111) / (high_B111 - low_B111).clamp(min=1e-6)

"""Flaw maps of Guided Collaborative Training (arXiv 2008.05258): made from labels, cleaned, and compared.  docs/equations.md

A flaw is how wrong a pixel's neighbourhood is, 0 to 1 within each image."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ctt_ray.maths.adversarial import one_hot
from ctt_ray.maths.labels import exact, valid

FLAT = 1e-5  # a smaller span is rounding, which would be stretched to a whole map of flaws


@torch.no_grad()
def flaw_target(probs_BKHW: Tensor, label_BHW: Tensor, *, mu: float = 0.5, repeats: int = 1) -> Tensor:
    """What the detector learns: mu·Σ_k |y - p|, blurred, then `repeats` times dilated and blurred, stretched to [0, 1].

    Kernels an eighth and a quarter of the image's shorter side. Void and padding have no flaw. Returns flaw_BHW."""
    wrong_BHW = mu * (one_hot(label_BHW, probs_BKHW.shape[1]) - exact(probs_BKHW)).abs().sum(1) * valid(label_BHW)
    side = min(label_BHW.shape[-2:])
    flaw_BHW = blur(wrong_BHW, side // 8)
    for _ in range(repeats):
        flaw_BHW = blur(F.max_pool2d(flaw_BHW[:, None], 3, stride=1, padding=1)[:, 0], side // 4)
    return _stretched(flaw_BHW)


@torch.no_grad()
def cleaned(flaw_BHW: Tensor, *, floor: float = 0.1) -> Tensor:
    """A detector's output, made comparable: negative values to 0, blurred (a sixteenth of the shorter side), stretched to
    [0, 1]; an image whose largest flaw is at most `floor` has none."""
    flaw_BHW = blur(exact(flaw_BHW).clamp(min=0), min(flaw_BHW.shape[-2:]) // 16)
    return _stretched(flaw_BHW) * (flaw_BHW.amax((1, 2), keepdim=True) > floor)


@torch.no_grad()
def better_of(
    own_BKHW: Tensor, peer_BKHW: Tensor, own_flaw_BHW: Tensor, peer_flaw_BHW: Tensor, *, threshold: float = 0.6
) -> tuple[Tensor, Tensor]:
    """The dynamic consistency constraint's target, and where neither is to be trusted: target_BKHW and bool both_bad_BHW.

    The peer's probabilities where its flaw is smaller, else the own ones (which teach nothing). A flaw above `threshold`
    counts as 1, so two bad pixels are a tie."""
    own_bad_BHW, peer_bad_BHW = own_flaw_BHW > threshold, peer_flaw_BHW > threshold
    peer_better_BHW = peer_flaw_BHW.masked_fill(peer_bad_BHW, 1.0) < own_flaw_BHW.masked_fill(own_bad_BHW, 1.0)
    return torch.where(peer_better_BHW[:, None], peer_BKHW, own_BKHW), own_bad_BHW & peer_bad_BHW


def blur(map_BHW: Tensor, kernel: int) -> Tensor:
    """A Gaussian of about `kernel` pixels (made odd), σ = 0.15·(kernel - 1) + 0.5, edges repeated: the size stays."""
    radius = kernel // 2
    offset_T = torch.arange(-radius, radius + 1, device=map_BHW.device, dtype=map_BHW.dtype)
    weight_T = torch.exp(-0.5 * (offset_T / (0.3 * radius + 0.5)) ** 2)
    weight_11T1 = (weight_T / weight_T.sum()).view(1, 1, -1, 1)
    padded = F.pad(map_BHW[:, None], (radius, radius, radius, radius), mode="replicate")
    return F.conv2d(F.conv2d(padded, weight_11T1), weight_11T1.transpose(2, 3))[:, 0]


def _stretched(flaw_BHW: Tensor) -> Tensor:
    """Each image's values to [0, 1]; values that differ by no more than rounding to 0."""
    low_B11, high_B11 = flaw_BHW.amin((1, 2), keepdim=True), flaw_BHW.amax((1, 2), keepdim=True)
    span_B11 = high_B11 - low_B11
    return torch.where(span_B11 > FLAT, (flaw_BHW - low_B11) / span_B11.clamp(min=FLAT), 0.0)

"""Pixel InfoNCE whose negatives are weighted by how unlikely they are to be of the anchor's class.

Zhong et al., Pixel Contrastive-Consistent Semi-Supervised Semantic Segmentation, ICCV 2021, arXiv 2108.09025."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ctt_ray.maths.labels import exact


def different(probs_QK: Tensor, probs_PK: Tensor, image_Q: Tensor, image_P: Tensor) -> Tensor:
    """weight_QP: 1 - ⟨p_q, p_p⟩, the probability of two classes if they are drawn apart; 0 within one image. No gradient."""
    chance_QP = (1 - exact(probs_QK.detach()) @ exact(probs_PK.detach()).T).clamp(min=0)
    return chance_QP * (image_Q[:, None] != image_P)


def info_nce(
    anchor_QD: Tensor, positive_QD: Tensor, pool_PD: Tensor, weight_QP: Tensor, *, tau: float, negatives: int
) -> Tensor:
    """loss_Q: -log( e^(s⁺/τ) / (e^(s⁺/τ) + N Σ_p q_p e^(s_p/τ)) ), q = weight / Σ weight, N = negatives.

    The expectation, in the sum, over N negatives drawn from the pool with probabilities q. Unit rows; gradients reach all
    three. tau: above 0.   An anchor whose weights are all 0 has no negatives, and loss 0."""
    if tau <= 0:
        raise ValueError(f"the temperature tau divides the cosines and must be above 0, found {tau}")
    if not len(pool_PD):
        return exact((anchor_QD * positive_QD).sum(1)) * 0
    total_Q1 = weight_QP.sum(1, keepdim=True)
    alone_Q1 = total_Q1 <= 0
    share_QP = weight_QP / torch.where(alone_Q1, 1.0, total_Q1)
    # -inf takes a row out of the sum; a row of nothing else would make its gradient NaN, so there the shares stay 0 = log 1.
    log_share_QP = torch.where(alone_Q1, 0.0, share_QP).log().masked_fill(alone_Q1, 0.0)
    score_QP = exact(anchor_QD) @ exact(pool_PD).T / tau + log_share_QP
    margin_Q = score_QP.logsumexp(1) + math.log(negatives) - exact((anchor_QD * positive_QD).sum(1)) / tau
    return torch.where(alone_Q1.squeeze(1), 0.0, F.softplus(margin_Q))

"""The two contrastive sums with their gradient in closed form: docs/equations.md#the-closed-form

Both work through the rows in chunks and keep one (chunk, banks·K·N) block: the gradient is made in forward, in that
same block, so memory beyond the gradient itself does not grow with the number of rows. Autograd through the plain
formula needs gigabytes at usual sizes and is slower than a loop over the classes. Arithmetic is float32 (float64 for
float64 input), outside autocast; softplus(neg - pos) is -log(e^pos / (e^pos + e^neg)), and cannot overflow."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable


class High(torch.autograd.Function):
    """Σ_p w_p (1/N) Σ_j softplus(neg_p - s_pj/τ): each row of the own queue is a positive with its own denominator."""

    @staticmethod
    def forward(
        ctx: Any,
        feat_MD: Tensor,
        label_M: Tensor,
        weight_M: Tensor,
        bank_KND: Tensor,
        absent_K: Tensor | None,
        tau: float,
        chunk: int,
    ) -> Tensor:
        grad_MD = torch.empty_like(feat_MD) if ctx.needs_input_grad[0] else None
        total = feat_MD.new_zeros(())
        with torch.autocast(feat_MD.device.type, enabled=False):
            for start in range(0, len(feat_MD), chunk):
                part = slice(start, start + chunk)
                score_mKN = _scores(feat_MD[part], bank_KND, tau)
                own_m11 = label_M[part, None, None].expand(-1, 1, bank_KND.shape[1])
                positive_mN = score_mKN.gather(1, own_m11).squeeze(1)
                score_mKN.scatter_(1, own_m11, -torch.inf)
                negative_m1, scale_m1 = _exp_(score_mKN, absent_K)
                margin_mN = negative_m1 - positive_mN
                total += (F.softplus(margin_mN).mean(1) * weight_M[part]).sum()
                if grad_MD is not None:
                    pull_mN = margin_mN.sigmoid() * (weight_M[part, None] / (bank_KND.shape[1] * tau))
                    score_mKN.mul_((pull_mN.sum(1, keepdim=True) * scale_m1)[..., None])
                    score_mKN.scatter_(1, own_m11, -pull_mN[:, None])
                    grad_MD[part] = score_mKN.flatten(1) @ bank_KND.flatten(0, 1)
        ctx.save_for_backward(grad_MD)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_out: Tensor) -> tuple[Tensor | None, ...]:
        (grad_MD,) = ctx.saved_tensors
        return grad_MD * grad_out, None, None, None, None, None, None


class Low(torch.autograd.Function):
    """Σ_p w_p softplus(neg'_p - ⟨f_p, peer_p⟩/τ), negatives from both banks; nothing flows to the peer or the banks."""

    @staticmethod
    def forward(
        ctx: Any,
        feat_MD: Tensor,
        peer_MD: Tensor,
        label_M: Tensor,
        weight_M: Tensor,
        banks_SKND: Tensor,
        absent_K: Tensor | None,
        tau: float,
        chunk: int,
    ) -> Tensor:
        banks, classes, slots = banks_SKND.shape[:3]
        bank_JND = banks_SKND.flatten(0, 1)  # J = banks·classes: class c is at c, K + c, ...
        absent_J = None if absent_K is None else absent_K.repeat(banks)
        grad_MD = torch.empty_like(feat_MD) if ctx.needs_input_grad[0] else None
        total = feat_MD.new_zeros(())
        with torch.autocast(feat_MD.device.type, enabled=False):
            for start in range(0, len(feat_MD), chunk):
                part = slice(start, start + chunk)
                score_mJN = _scores(feat_MD[part], bank_JND, tau)
                own_mS = label_M[part, None] + classes * torch.arange(banks, device=label_M.device)
                score_mJN.scatter_(1, own_mS[..., None].expand(-1, -1, slots), -torch.inf)
                negative_m1, scale_m1 = _exp_(score_mJN, absent_J)
                positive_m1 = (feat_MD[part] * peer_MD[part]).sum(1, keepdim=True) / tau
                margin_m1 = negative_m1 - positive_m1
                total += (F.softplus(margin_m1).squeeze(1) * weight_M[part]).sum()
                if grad_MD is not None:
                    pull_m1 = margin_m1.sigmoid() * (weight_M[part, None] / tau)
                    score_mJN.mul_((pull_m1 * scale_m1)[..., None])
                    grad_MD[part] = score_mJN.flatten(1) @ bank_JND.flatten(0, 1) - pull_m1 * peer_MD[part]
        ctx.save_for_backward(grad_MD)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_out: Tensor) -> tuple[Tensor | None, ...]:
        (grad_MD,) = ctx.saved_tensors
        return grad_MD * grad_out, None, None, None, None, None, None, None


def _scores(feat_mD: Tensor, bank_JND: Tensor, tau: float) -> Tensor:
    """s/τ of every row with every stored row, (m, J, N)."""
    return ((feat_mD / tau) @ bank_JND.flatten(0, 1).T).unflatten(1, bank_JND.shape[:2])


def _exp_(score_mJN: Tensor, absent_J: Tensor | None) -> tuple[Tensor, Tensor]:
    """Replace the scores by e^(score - max), in place; return their logsumexp (m, 1) and 1/Z (m, 1).

    -inf is no negative: the own class before, the absent classes here. A row that has none left gets logsumexp -inf,
    exponentials 0 and a 1 for 1/Z, hence loss and gradient 0."""
    if absent_J is not None:
        score_mJN.masked_fill_(absent_J[None, :, None], -torch.inf)
    top_m11 = score_mJN.amax((1, 2), keepdim=True)
    top_m11 = torch.where(top_m11.isinf(), 0.0, top_m11)
    total_m11 = score_mJN.sub_(top_m11).exp_().sum((1, 2), keepdim=True)
    negative_m1 = (top_m11 + total_m11.log()).squeeze(2)
    return negative_m1, torch.where(total_m11 > 0, total_m11, 1.0).reciprocal().squeeze(2)

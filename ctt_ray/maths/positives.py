"""Contrast with positives alone: features towards the memory of their class, each pair weighted by learned importances.

Alonso et al., Semi-Supervised Semantic Segmentation with Pixel-Level Contrastive Learning from a Class-wise Memory Bank,
ICCV 2021, arXiv 2104.13415."""

from __future__ import annotations

import torch
from torch import Tensor

from ctt_ray.maths.labels import exact
from ctt_ray.maths.losses import ratio


def class_sums(feat_KTD: Tensor, memory_KND: Tensor, weight_KT: Tensor, weight_KN: Tensor) -> tuple[Tensor, Tensor]:
    """Of each class: Σ_t w_t Σ_n v_n (1 - ⟨f_t, m_n⟩) / Σ_n v_n, and Σ_t w_t: sum_K and mass_K, added over workers.

    Unit rows; rows that do not count have weight 0. The memory is the same on every worker, so Σ_n v_n is whole here.
    sum / mass is the paper's mean of distances with both weights rescaled to mean 1."""
    # Σ_n v_n ⟨f, m_n⟩ = ⟨f, Σ_n v_n m_n⟩: no (T, N) block is needed.
    centre_KD = ratio((weight_KN[..., None] * memory_KND).sum(1), weight_KN.sum(1, keepdim=True))
    present_K1 = weight_KN.sum(1, keepdim=True) > 0
    distance_KT = 1 - (exact(feat_KTD) * centre_KD[:, None]).sum(2)
    return (weight_KT * distance_KT * present_K1).sum(1), (weight_KT * present_K1).sum(1)


def shared_ratio(sum_K: Tensor, mass_K: Tensor, sum_all_K: Tensor, mass_all_K: Tensor) -> Tensor:
    """This worker's share of Σ_K sum/mass over all workers, with the gradient through the global denominator too.

    sum_K, mass_K: this worker's, with gradients.   *_all_K: added over the workers, without. d(S/M) = dS/M - (S/M) dM/M
    needs of the others nothing but the totals. One worker: the plain ratio. A class of mass 0 adds 0."""
    mean_K = ratio(sum_all_K, mass_all_K).detach()
    moved_K = sum_K - mean_K * (mass_K - mass_K.detach())
    return ratio(moved_K, mass_all_K.detach()).sum()


def interleave(first_KT: Tensor, valid_KT: Tensor, second_KT: Tensor, other_KT: Tensor) -> tuple[Tensor, Tensor]:
    """T indices of each class, in turn from two lists of T; where one has run out, the other goes on.

    (indices, valid) twice, as `bank.choose` gives them, and so returned: index_KT, valid_KT with the valid ones first."""
    index_KS = torch.stack((first_KT, second_KT), 2).flatten(1)
    valid_KS = torch.stack((valid_KT, other_KT), 2).flatten(1)
    order_KT = (~valid_KS).to(torch.uint8).argsort(dim=1, stable=True)[:, : first_KT.shape[1]]
    return index_KS.gather(1, order_KT), valid_KS.gather(1, order_KT)


def repeat_rows(rows_KTD: Tensor, valid_KT: Tensor) -> Tensor:
    """Every class's valid rows (valid ones first) repeated until all T slots are real; a class without any: zeros.

    Makes of unequal lists the queues of equal length that `contrast.contrast_high` takes."""
    count_K1 = valid_KT.sum(1, keepdim=True).clamp(min=1)
    slot_KT = torch.arange(valid_KT.shape[1], device=valid_KT.device) % count_K1
    rows_KTD = rows_KTD.gather(1, slot_KT[..., None].expand(-1, -1, rows_KTD.shape[2]))
    return rows_KTD * valid_KT.any(1)[:, None, None]

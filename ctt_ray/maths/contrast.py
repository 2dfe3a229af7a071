"""High-level and low-level contrast against the class banks: equations (6)-(9), docs/equations.md#contrast.

How the parts meet:   selected rows (a mask) → class_counts → (add over the workers) → row_weights → contrast_*.
The weights carry the reduction: the result of one worker is its share of the global loss, and shares are added."""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from ctt_ray.maths.fused import High, Low

Reduction = Literal["class", "pixel"]


def rows(map_BDhw: Tensor) -> Tensor:
    """(B, D, h, w) → (M, D), M = B·h·w in the order b, h, w: the order of `label_Bhw.flatten()`."""
    return map_BDhw.permute(0, 2, 3, 1).flatten(0, 2)


def normalise(feat: Tensor, dim: int = 1) -> Tensor:
    """Unit length along `dim`, float32 also under autocast (float64 stays); zero stays zero. Differentiable."""
    return F.normalize(feat if feat.dtype == torch.float64 else feat.float(), dim=dim)


def class_counts(label_M: Tensor, selected_M: Tensor, classes: int) -> Tensor:
    """Selected rows of each class, float32 (K,). Labels outside 0..classes-1 (void, padding) are not counted."""
    bin_M = label_M.long().clamp(max=classes)  # the last bin is the bin for trash
    count = torch.zeros(classes + 1, device=label_M.device)
    return count.scatter_add_(0, bin_M, selected_M.to(count.dtype))[:classes]


def row_weights(label_M: Tensor, selected_M: Tensor, count_K: Tensor, *, reduction: Reduction) -> Tensor:
    """w_p of the weighted sum Σ_p w_p l(p), float32 (M,).  docs/equations.md#contrast

    class: M_p / (|C⁺|·n_c), the mean over classes of their means, as equation (6).   pixel: M_p / ΣM.
    selected_M: bool or 0/1.   count_K: `class_counts` of *all* workers; rows of classes that do not take part have to
    leave selected_M before the counting.   Nothing selected, or a label outside 0..K-1: 0."""
    counted_M = selected_M.to(count_K.dtype) * (label_M < len(count_K))
    if reduction == "pixel":
        return counted_M / count_K.sum().clamp(min=1)
    if reduction == "class":
        size_M = count_K[label_M.long().clamp(max=len(count_K) - 1)]
        return counted_M / ((count_K > 0).sum() * size_M).clamp(min=1)
    raise ValueError(f"unknown reduction {reduction!r}; use 'class' or 'pixel'")


def contrast_high(
    feat_MD: Tensor,
    label_M: Tensor,
    weight_M: Tensor,
    bank_KND: Tensor,
    *,
    tau: float,
    present_K: Tensor | None = None,
    chunk: int = 1024,
) -> Tensor:
    """High-level contrast, equation (6): Σ_p w_p (1/N) Σ_j -log( e^(s_pj/τ) / (e^(s_pj/τ) + Σ_negatives e^(s_pk/τ)) ).

    feat_MD: unit rows (`normalise`), the only input with a gradient.   label_M: ids; a row with another value counts 0.
    weight_M: `row_weights`.   bank_KND: unit rows, all N of the own class positives, all others negatives.
    present_K: bool; classes that are not present give no negatives and their rows count 0.
    Returns a 0-d float32 (float64 for float64 features). No row, no weight, no negative: exactly 0, zero gradient."""
    feat_MD, label_M, weight_M, absent_K = _prepare(feat_MD, label_M, weight_M, bank_KND, present_K, tau)
    return High.apply(feat_MD, label_M, weight_M, bank_KND.detach().to(feat_MD.dtype), absent_K, tau, chunk)


def contrast_low(
    feat_MD: Tensor,
    peer_MD: Tensor,
    label_M: Tensor,
    weight_M: Tensor,
    bank_KND: Tensor,
    peer_bank_KND: Tensor,
    *,
    tau: float,
    present_K: Tensor | None = None,
    chunk: int = 1024,
) -> Tensor:
    """Low-level contrast, equation (8): the peer's feature at the same pixel against the other classes of both banks.

    peer_MD: unit rows of the peer student at the same pixels; no gradient reaches it, nor the banks.
    label_M: the class y' that the peer gives each pixel.   The rest, and the empty case, as in `contrast_high`."""
    feat_MD, label_M, weight_M, absent_K = _prepare(feat_MD, label_M, weight_M, bank_KND, present_K, tau)
    banks_2KND = torch.stack((bank_KND, peer_bank_KND)).detach().to(feat_MD.dtype)
    return Low.apply(feat_MD, peer_MD.detach().to(feat_MD.dtype), label_M, weight_M, banks_2KND, absent_K, tau, chunk)


def compact(selected_M: Tensor) -> Tensor:
    """Indices of the selected rows, int64, ascending. Their number is data: a host sync on GPUs (`query_cap`: none)."""
    return selected_M.nonzero().squeeze(1)


def query_cap(selected_M: Tensor, limit: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """A uniform subset of at most `limit` selected rows, of fixed size.  docs/equations.md#contrast (max_queries)

    Returns index_Q (Q = min(limit, M)) and scale, 0-d: selected / chosen. Using rows index_Q with weight
    weight_M[index_Q]·scale leaves the expectation of the weighted sum unchanged. Where fewer than Q rows are selected
    the rest of index_Q are rows that are not; their weight of 0 takes them out, and scale is 1."""
    if limit < 1:
        raise ValueError(f"a query cap needs at least one row, found {limit}; leave max_queries unset for all")
    selected_M = selected_M.bool()
    draw_M = torch.rand(len(selected_M), generator=generator, device=generator.device).to(selected_M.device)
    index_Q = draw_M.masked_fill(~selected_M, -1.0).topk(min(limit, len(draw_M))).indices.sort().values
    count = selected_M.sum()
    return index_Q, (count / count.clamp(1, limit)).clamp(min=1)


def floor(kind: Literal["high", "low"], tau: float, classes: int, slots: int) -> float:
    """The loss at perfect features (positives 1, negatives 0): log(1 + n e^(-1/τ)), n = (K-1)N or twice that.

    High at every weight set, so log it beside the loss: a flat contrast loss near its floor is no bug."""
    banks = {"high": 1, "low": 2}[kind]
    return math.log1p(banks * (classes - 1) * slots * math.exp(-1 / tau))


def _prepare(
    feat_MD: Tensor, label_M: Tensor, weight_M: Tensor, bank_KND: Tensor, present_K: Tensor | None, tau: float
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """Working precision, labels that index safely, and weight 0 for rows whose class does not take part."""
    if tau <= 0:
        raise ValueError(f"the temperature tau divides the cosines and must be above 0, found {tau}")
    classes = len(bank_KND)
    feat_MD = feat_MD if feat_MD.dtype == torch.float64 else feat_MD.float()
    index_M = label_M.long().clamp(0, classes - 1)
    weight_M = weight_M.detach().to(feat_MD.dtype) * (index_M == label_M)
    if present_K is None:
        return feat_MD, index_M, weight_M, None
    return feat_MD, index_M, weight_M * present_K[index_M], ~present_K

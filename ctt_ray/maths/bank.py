"""The memory bank: one FIFO queue of features a class, all in one tensor.  docs/equations.md#bank"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from ctt_ray.maths.labels import valid

Select = Literal["confidence", "random"]


class ClassBank(nn.Module):
    """K queues of N rows: a full queue loses its oldest row for each new one. All of it is in the state_dict.

    rows_KND: float32, zeros at first; slot order is not age order, `head_K` is the slot that is written next.
    fill_K: int64, rows held, at most N. Once a queue is full all of its slots are real rows."""

    rows_KND: Tensor
    head_K: Tensor
    fill_K: Tensor

    def __init__(self, classes: int, slots: int, dim: int) -> None:
        super().__init__()
        if min(classes, slots, dim) < 1:
            raise ValueError(f"a bank needs classes, slots and dim of at least 1, found {classes}, {slots}, {dim}")
        self.register_buffer("rows_KND", torch.zeros(classes, slots, dim))
        self.register_buffer("head_K", torch.zeros(classes, dtype=torch.int64))
        self.register_buffer("fill_K", torch.zeros(classes, dtype=torch.int64))

    @property
    def full_K(self) -> Tensor:
        """bool (K,): queues that hold N rows."""
        return self.fill_K == self.rows_KND.shape[1]

    @property
    def all_full(self) -> Tensor:
        """0-d bool: the gate of equation (10)."""
        return self.full_K.all()

    @torch.no_grad()
    def push(self, rows_KTD: Tensor, valid_KT: Tensor) -> None:
        """Append the valid rows of each class in the order given (best score first, worker after worker).

        `select` makes the arguments. Workers push the same rows in the same order: concatenate what they gathered along
        T, or push one after the other; both give the same bank. More valid rows than slots: the last ones remain."""
        slots = self.rows_KND.shape[1]
        for part_KTD, part_KT in zip(rows_KTD.split(slots, 1), valid_KT.split(slots, 1), strict=True):
            self._push(part_KTD.to(self.rows_KND), part_KT)

    def _push(self, rows_KTD: Tensor, valid_KT: Tensor) -> None:
        """T <= N, so the T slots of a class are distinct: one indexed write, no loop over classes, no host sync."""
        classes, slots, dim = self.rows_KND.shape
        order_KT = (~valid_KT).to(torch.uint8).argsort(dim=1, stable=True)  # valid rows first, in their order
        rows_KTD = rows_KTD.gather(1, order_KT[..., None].expand(-1, -1, dim))
        valid_KT = valid_KT.gather(1, order_KT)
        class_K1 = torch.arange(classes, device=valid_KT.device)[:, None]
        slot_KT = (self.head_K[:, None] + torch.arange(valid_KT.shape[1], device=valid_KT.device)) % slots
        # A slot without a valid row is written with what it holds.
        kept_KTD = torch.where(valid_KT[..., None], rows_KTD, self.rows_KND[class_K1, slot_KT])
        self.rows_KND[class_K1, slot_KT] = kept_KTD
        added_K = valid_KT.sum(1)
        self.head_K.copy_((self.head_K + added_K) % slots)
        self.fill_K.copy_((self.fill_K + added_K).clamp(max=slots))


@torch.no_grad()
def choose(label_M: Tensor, score_M: Tensor, take: int, classes: int) -> tuple[Tensor, Tensor]:
    """`select`'s indices: index_KT int64, 0 where valid_KT is false; for rows that need a gradient."""
    if take < 1:
        raise ValueError(f"take must be at least 1 row a class, found {take}")
    class_K1 = torch.arange(classes, device=label_M.device)[:, None]
    score_KM = torch.where(label_M == class_K1, score_M, -1.0)
    score_KM = nn.functional.pad(score_KM, (0, max(0, take - len(label_M))), value=-1.0)
    best_KT, index_KT = score_KM.topk(take, dim=1)
    valid_KT = best_KT >= 0
    return torch.where(valid_KT, index_KT, 0), valid_KT


@torch.no_grad()
def select(feat_MD: Tensor, label_M: Tensor, score_M: Tensor, take: int, classes: int) -> tuple[Tensor, Tensor]:
    """The `take` best candidates of each class.  docs/equations.md#bank

    feat_MD: unit rows.   label_M: their class.   score_M: `admission_score`, below 0 = not admitted.
    Returns rows_KTD (T = take) and valid_KT bool, best first; fewer candidates than `take`: the rest zeros, not valid.
    Fixed shapes, so that workers can gather them. Equal scores come in no promised order."""
    index_KT, valid_KT = choose(label_M, score_M, take, classes)
    rows_KTD = feat_MD.new_zeros(classes, take, feat_MD.shape[1])
    if len(feat_MD):
        rows_KTD = feat_MD[index_KT] * valid_KT[..., None]
    return rows_KTD, valid_KT


def admission_score(
    label_M: Tensor,
    pred_M: Tensor,
    conf_M: Tensor,
    *,
    min_conf: float,
    select: Select,
    uniform_M: Tensor | None = None,
) -> Tensor:
    """Rank of each labelled pixel as a bank candidate, float32; -1 where it is not admitted.  docs/equations.md#bank

    Admitted: a real class, the teacher's argmax is right, and its probability conf >= min_conf.
    select "confidence": the score is conf.   "random": uniform_M, in [0, 1), drawn by the caller from its generator."""
    admitted_M = (label_M == pred_M) & valid(label_M) & (conf_M >= min_conf)
    if select == "confidence":
        score_M = conf_M
    elif select == "random":
        if uniform_M is None:
            raise ValueError("select='random' needs numbers drawn outside; pass uniform_M=torch.rand(M, generator=...)")
        score_M = uniform_M.to(conf_M.device)
    else:
        raise ValueError(f"unknown select {select!r}; use 'confidence' or 'random'")
    return torch.where(admitted_M, score_M.float(), -1.0)


def auto_take(slots: int, batch_labelled: int, labelled_images: int) -> int:
    """max(B_l, ⌊B_l·N_q/N_l⌋) rows a class and push, at most N_q.  docs/equations.md#bank

    One pass over the labelled images then renews a queue about once.   batch_labelled: of all workers together."""
    if min(slots, batch_labelled, labelled_images) < 1:
        raise ValueError(
            f"slots, batch_labelled and labelled_images must be at least 1, found {slots}, {batch_labelled}, "
            f"{labelled_images}; a run without labelled images has nothing to put into a bank"
        )
    return min(slots, max(batch_labelled, batch_labelled * slots // labelled_images))

"""All memory banks of a run, their feeding and the gate that holds the contrastive losses back until they are filled."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ctt_ray.batch import Samples
from ctt_ray.engine.terms import Draws, rows
from ctt_ray.engine.world import Group
from ctt_ray.maths import bank, labels
from ctt_ray.nets import NetOut
from ctt_ray.plan import Bank, Plan

Rows = tuple[Tensor, Tensor]  # rows_KTD and valid_KT, as ClassBank.push takes them


class Banks(nn.Module):
    """One ClassBank a spec of the plan, kept equal on all workers by pushing everyone's rows in rank order.

    The gate is monotone: `opened_at` is the iteration at which it opened, or -1, and stands in the checkpoint.
    """

    def __init__(self, plan: Plan, *, classes: int, dim: int, labelled_images: int) -> None:
        super().__init__()
        self.specs: dict[str, Bank] = {spec.teacher: spec for spec in plan.banks}
        self.banks = nn.ModuleDict(
            {name: bank.ClassBank(classes, spec.slots, dim) for name, spec in self.specs.items()}
        )
        self.gate, self.classes, self.labelled_images = plan.bank_gate, classes, labelled_images
        self.opened_at = -1

    @property
    def by_teacher(self) -> dict[str, bank.ClassBank]:
        return dict(self.banks.items())  # type: ignore[arg-type]

    @property
    def open(self) -> bool:
        return self.opened_at >= 0

    @property
    def present_K(self) -> Tensor | None:
        """Classes whose queues are full in every bank, or None where all have to be."""
        if self.gate == "all_full" or not self.specs:
            return None
        return torch.stack([b.full_K for b in self.by_teacher.values()]).all(0)

    def teachers(self, when: str) -> tuple[str, ...]:
        return tuple(name for name, spec in self.specs.items() if spec.when == when)

    @torch.no_grad()
    def read(self, outs: dict[str, NetOut], labelled: Samples, draws: Draws, data: Group) -> dict[str, Rows]:
        """The rows that each teacher's bank will get from this labelled batch, from all workers of the data group."""
        return {
            name: self._rows(self.specs[name], out, labelled, draws(f"bank {name} {data.index}"), data)
            for name, out in outs.items()
        }

    def _rows(self, spec: Bank, out: NetOut, labelled: Samples, generator: torch.Generator, data: Group) -> Rows:
        pred_Bhw, conf_Bhw = labels.confidence(out.logits_BKhw)
        size = (conf_Bhw.shape[-2], conf_Bhw.shape[-1])
        label_M = labels.nearest(labelled.label_BHW, size).flatten()
        uniform_M = (
            torch.rand(len(label_M), generator=generator).to(label_M.device) if spec.select == "random" else None
        )
        score_M = bank.admission_score(
            label_M,
            pred_Bhw.flatten(),
            conf_Bhw.flatten(),
            min_conf=spec.min_conf,
            select=spec.select,
            uniform_M=uniform_M,
        )
        batch = int(data.total(torch.tensor(len(labelled), device=label_M.device)))
        take = spec.take or bank.auto_take(spec.slots, batch, self.labelled_images)
        feat_MD = rows(out.feat_BDhw)
        if data.size == 1:
            return bank.select(feat_MD, label_M, score_M, take, self.classes)
        return self._best_of_all(feat_MD, label_M, score_M, take, data)

    def _best_of_all(self, feat_MD: Tensor, label_M: Tensor, score_M: Tensor, take: int, data: Group) -> Rows:
        """Each worker's best rows, then the best of these: what one process would pick from the whole batch.

        The score travels as one more column of the rows.
        """
        scored = torch.cat([feat_MD, score_M[:, None].to(feat_MD.dtype)], 1)
        rows_KTD, valid_KT = bank.select(scored, label_M, score_M, take, self.classes)
        gathered = torch.cat(data.gather(rows_KTD), 1).flatten(0, 1)
        valid = torch.cat(data.gather(valid_KT.to(torch.uint8)), 1).flatten().bool()
        classes = torch.arange(self.classes, device=valid.device).repeat_interleave(len(valid) // self.classes)
        return bank.select(gathered[:, :-1], classes, torch.where(valid, gathered[:, -1], -1.0), take, self.classes)

    @torch.no_grad()
    def push(self, found: dict[str, Rows], iteration: int) -> None:
        for name, (rows_KTD, valid_KT) in found.items():
            self.by_teacher[name].push(rows_KTD, valid_KT)
        if self.specs and not self.open and self._ready():
            self.opened_at = iteration + 1

    def _ready(self) -> bool:
        """Reads one number back to the host, at each step until the gate is open and never again."""
        if self.gate == "all_full":
            return all(bool(b.all_full) for b in self.by_teacher.values())
        present_K = self.present_K
        return present_K is not None and int(present_K.sum()) >= 2

    def fill(self) -> dict[str, list[int]]:
        """Rows a class in each bank."""
        return {name: b.fill_K.tolist() for name, b in self.by_teacher.items()}

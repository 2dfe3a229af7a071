"""What workers with different pairs tell each other about the images that they share. Together, nothing leaves the worker.

Labels travel as uint8 and confidences as float16, which every layout rounds to (views.py); features as the student's forward
pass gives them (float32), for the rows alone that a low-level loss compares; bank rows as they are pushed. docs/scaling.md
counts the bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod

import torch
from torch import Tensor

from ctt_ray.engine.banks import Rows
from ctt_ray.engine.terms import PeerRows, Queries
from ctt_ray.engine.views import Target
from ctt_ray.engine.world import Gathering, World
from ctt_ray.plan import Plan, Term


class Exchange:
    def __init__(self, plan: Plan, world: World) -> None:
        self.plan, self.world = plan, world

    def targets(self, own: dict[str, Target]) -> Pending:
        """Teacher → what it says of the shared images, from each worker its own; equal shapes."""
        return Pending(own, self._names(self.plan.teachers), self.world)

    def seen(self, own: dict[str, Target]) -> Pending:
        """As `targets`, for students."""
        return Pending(own, self._names(self.plan.students), self.world)

    def bank_rows(self, own: dict[str, Rows]) -> dict[str, Rows]:
        """Teacher → its bank's new rows, from each worker those of its own teachers. The mask travels as one more column."""
        if self.world.peers.size == 1 or not own:
            return own
        names = self._names([teacher for teacher in self.plan.teachers if teacher in self._fed(own)])
        held = [own[teacher] for teacher in self.plan.teachers if teacher in own]
        flat = torch.stack([torch.cat([rows, valid[..., None].to(rows.dtype)], -1) for rows, valid in held])
        found = self.world.peers.gather(flat)
        return {
            name: (part[..., :-1], part[..., -1].bool())
            for mine, parts in zip(names, found, strict=True)
            for name, part in zip(mine, parts, strict=True)
        }

    def low_rows(
        self, feat_MD: Mapping[str, Tensor], queries: Callable[[Term, str, str], Queries]
    ) -> dict[tuple[str, str, str], PeerRows]:
        """(learner, peer student, its teacher) → the rows that the learner's low-level loss compares, with the peer's features.

        feat_MD: of this worker's students, every row · queries: the rows for a term and a (student, teacher) that it looks at;
        both ends work them out from what was exchanged before, so no index travels.
        """
        found: dict[tuple[str, str, str], PeerRows] = {}
        outgoing, incoming = [], []
        like = next(iter(feat_MD.values()))
        for term in self.plan.terms:
            if term.name != "contrast_low":
                continue
            for student, teacher in term.peers:
                if student not in feat_MD and term.learner not in feat_MD:
                    continue
                chosen = queries(term, student, teacher)
                index_Q = chosen[0]
                if student in feat_MD:
                    rows_QD = feat_MD[student][index_Q]
                else:
                    rows_QD = like.new_empty(len(index_Q), like.shape[1])
                    incoming.append((self._holder(student), rows_QD))
                if term.learner in feat_MD:
                    found[term.learner, student, teacher] = (chosen, rows_QD)
                else:
                    outgoing.append((self._holder(term.learner), rows_QD))
        self.world.peers.pass_round(outgoing, incoming)
        return found

    def _fed(self, own: Mapping[str, Rows]) -> set[str]:
        """Teachers whose banks are fed together with these: all that are fed at the same moment of a step."""
        when = {spec.teacher: spec.when for spec in self.plan.banks}
        return {teacher for teacher, moment in when.items() if moment in {when[name] for name in own}}

    def _holder(self, student: str) -> int:
        return self.world.holder(self.plan.students.index(student))

    def _names(self, names: tuple[str, ...] | list[str]) -> list[list[str]]:
        """For each worker of the peer group, which of these it holds."""
        leader = {follow.follower: follow.leader for follow in self.plan.follows}
        return [[name for name in names if leader.get(name, name) == student] for student in self.plan.students]


class Pending:
    """Targets on their way, begun as soon as this worker's own are made; `wait()` gives everybody's, in the plan's order."""

    def __init__(self, own: dict[str, Target], names: list[list[str]], world: World) -> None:
        self._own, self._names = own, names
        self._gathering: Gathering | None = None
        if world.peers.size > 1 and own:
            self._gathering = world.peers.gather_later(torch.stack([_packed(target) for target in own.values()]))

    def wait(self) -> dict[str, Target]:
        if self._gathering is None:
            return self._own
        like = next(iter(self._own.values()))
        return {
            name: _unpacked(part, like)
            for mine, parts in zip(self._names, self._gathering.wait(), strict=True)
            for name, part in zip(mine, parts, strict=True)
        }


def _packed(target: Target) -> Tensor:
    """One row of bytes: labels, then confidences."""
    return torch.cat([target.label_BHW.flatten(), target.conf_BHW.half().view(torch.uint8).flatten()])


def _unpacked(packed: Tensor, like: Target) -> Target:
    shape = like.label_BHW.shape
    label, conf = packed.split([prod(shape), 2 * prod(shape)])
    return Target(label.view(shape), conf.clone().view(torch.float16).view(shape).to(like.conf_BHW.dtype))

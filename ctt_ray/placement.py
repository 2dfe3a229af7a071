"""Which worker holds which students: all of them `together`, or one student and its teachers each, `spread`.

A rule about numbers; it knows neither torch nor Ray. Students are placed with the teachers that follow them: a pair.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ctt_ray.plan import Plan

Placement = Literal["auto", "together", "spread"]


@dataclass(frozen=True)
class Layout:
    """`pairs` over `world` workers, by rank from 0. The workers of one pair follow each other in rank, since Ray ranks by node
    and their gradients are the heaviest thing that travels."""

    spread: bool
    pairs: int
    world: int
    reason: str = ""

    @property
    def shares(self) -> int:
        """Into how many parts a batch is cut: workers that hold the same students."""
        return self.world // self.pairs if self.spread else self.world

    def pair(self, rank: int) -> int | None:
        """The one pair that this worker holds, None for all."""
        return rank // self.shares if self.spread else None

    def share(self, rank: int) -> int:
        """Which part of a batch this worker sees."""
        return rank % self.shares

    def data_groups(self) -> list[list[int]]:
        """Ranks that hold the same students, each with its own share of the images: they average gradients."""
        return [list(range(first, first + self.shares)) for first in range(0, self.world, self.shares)]

    def peer_groups(self) -> list[list[int]]:
        """Ranks that see the same images, each with its own students: they exchange labels."""
        return [list(range(share, self.world, self.shares)) for share in range(self.shares)]

    def __str__(self) -> str:
        kind = f"spread, one pair a worker in {self.shares} data group(s) of each" if self.spread else "together"
        return f"{self.world} worker(s), {self.pairs} pair(s): {kind} ({self.reason})"


def layout(plan: Plan, world: int, placement: Placement = "auto", *, own_accelerators: bool = False) -> Layout:
    """The rule. What cannot be spread is kept together, and `reason` says why.

    own_accelerators: every worker has a whole one; without, spreading saves no memory and adds waiting.
    """
    pairs = len(plan.students)
    if placement == "together":
        return Layout(False, pairs, world, "asked for")
    if obstacle := _obstacle(plan, world):
        return Layout(False, pairs, world, obstacle)
    if placement == "spread":
        return Layout(True, pairs, world, "asked for")
    if not own_accelerators:
        return Layout(False, pairs, world, "workers have no accelerator of their own")
    return Layout(True, pairs, world, f"{world} workers are a multiple of {pairs} pairs, each on its own accelerator")


def _obstacle(plan: Plan, world: int) -> str:
    """Why this plan cannot be spread over so many workers, or nothing."""
    pairs = len(plan.students)
    if pairs == 1:
        return "there is one student"
    if plan.auxiliaries or plan.turns or plan.stages[1:]:
        return f"{plan.method} trains networks beside its students, in turns or in stages"
    if plan.supervised:
        return f"not all of {plan.method}'s students learn from labels"
    if any(route.source in plan.students or route.loss != "ce" or route.view != "strong" for route in plan.routes):
        return f"{plan.method}'s students are labelled by more than hard labels of teachers"
    if any(route.gate in ("reweight", "class_share") for route in plan.routes):
        return f"{plan.method} asks teachers for more than labels and confidences"
    teachers = [sum(follow.leader == student for follow in plan.follows) for student in plan.students]
    if len(set(teachers)) > 1:
        return "students do not have equally many teachers"
    banks = [
        sorted((b.slots, b.take or 0, b.when) for b in plan.banks if plan.leader(b.teacher) == student)
        for student in plan.students
    ]
    if any(each != banks[0] for each in banks):
        return "students' banks are not alike"
    if world % pairs:
        return f"{world} workers are not a multiple of {pairs} pairs"
    return ""

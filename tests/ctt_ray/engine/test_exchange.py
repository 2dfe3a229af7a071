"""What arrives is what was sent, under the name of who sent it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from ctt_ray.engine.exchange import Exchange
from ctt_ray.engine.views import Target
from ctt_ray.plan import Bank, Follow, Plan, PlanError, Term

TEACHERS = ("t0a", "t0b", "t1a", "t1b")
PLAN = Plan(
    method="two teachers a student",
    students=("s0", "s1"),
    teachers=TEACHERS,
    follows=tuple(Follow(follower=name, leader=f"s{name[1]}", decay=0.9) for name in TEACHERS),
    banks=tuple(Bank(teacher=name, slots=4) for name in reversed(TEACHERS)),
)


class Peers:
    """Two workers; what the other one sends is given."""

    size, index = 2, 0

    def __init__(self, other: Tensor) -> None:
        self.other = other

    def gather(self, value: Tensor) -> list[Tensor]:
        return [value, self.other]

    def gather_later(self, value: Tensor) -> Any:
        return SimpleNamespace(wait=lambda: [value, self.other])


def exchange(other: Tensor) -> Exchange:
    return Exchange(PLAN, SimpleNamespace(peers=Peers(other)))  # type: ignore[arg-type]


def test_bank_rows_keep_their_teacher_whatever_the_order_of_the_banks() -> None:
    rows = {name: (torch.full((3, 2, 5), float(i)), torch.rand(3, 2) < 0.5) for i, name in enumerate(TEACHERS)}
    others = torch.stack([torch.cat([rows[name][0], rows[name][1][..., None].float()], -1) for name in ("t1a", "t1b")])
    found = exchange(others).bank_rows({name: rows[name] for name in ("t0b", "t0a")})
    assert found.keys() == rows.keys()
    for name, (values, valid) in rows.items():
        assert torch.equal(found[name][0], values) and torch.equal(found[name][1], valid), name


def test_targets_arrive_bit_for_bit() -> None:
    """Labels 0 to 255, confidences as every layout rounds them."""
    made = [
        Target(torch.randint(0, 256, (2, 4, 5)).to(torch.uint8), torch.rand(2, 4, 5).half().float()) for _ in range(2)
    ]
    packed = torch.cat([made[1].label_BHW.flatten(), made[1].conf_BHW.half().view(torch.uint8).flatten()])
    found = exchange(torch.stack([packed])).seen({"s0": made[0]}).wait()
    for name, target in zip(("s0", "s1"), made, strict=True):
        assert torch.equal(found[name].label_BHW, target.label_BHW)
        assert torch.equal(found[name].conf_BHW, target.conf_BHW) and found[name].conf_BHW.dtype == torch.float32


def test_a_learner_has_a_term_once() -> None:
    """Its query rows are told apart by learner and peer."""
    term = Term(name="contrast_low", learner="s0", teacher="t0a", peers=(("s1", "t1a"),), weight=1.0)
    with pytest.raises(PlanError, match="twice"):
        Plan(
            method="x",
            students=PLAN.students,
            teachers=TEACHERS,
            follows=PLAN.follows,
            banks=PLAN.banks,
            terms=(term, term),
        )

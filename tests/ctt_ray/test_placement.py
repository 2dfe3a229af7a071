"""The rule of placement as a table (docs/flow.md shows it), and what every layout has to be."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctt_ray import methods
from ctt_ray.placement import Layout, Placement, layout
from ctt_ray.plan import Follow, Plan

PLANS = {n: methods.build("ctt", {"pairs": n, "lambda_lc": 0.0 if n == 1 else 0.1}) for n in (1, 2, 3, 4)}


@pytest.mark.parametrize(
    ("pairs", "workers", "asked", "own", "spread", "why"),
    [
        (2, 1, "auto", True, False, "not a multiple"),
        (2, 2, "auto", True, True, "each on its own accelerator"),
        (2, 2, "auto", False, False, "no accelerator of their own"),
        (2, 3, "auto", True, False, "3 workers are not a multiple of 2 pairs"),
        (2, 4, "auto", True, True, "multiple of 2 pairs"),
        (3, 2, "auto", True, False, "not a multiple"),
        (3, 3, "auto", True, True, "multiple of 3 pairs"),
        (3, 6, "auto", True, True, "multiple of 3 pairs"),
        (1, 4, "auto", True, False, "one student"),
        (2, 4, "together", True, False, "asked for"),
        (2, 4, "spread", False, True, "asked for"),
        (2, 3, "spread", True, False, "not a multiple"),
        (1, 2, "spread", True, False, "one student"),
    ],
)
def test_the_rule(pairs: int, workers: int, asked: Placement, own: bool, spread: bool, why: str) -> None:
    found = layout(PLANS[pairs], workers, asked, own_accelerators=own)
    assert found.spread == spread and why in found.reason
    assert f"{workers} worker(s), {pairs} pair(s)" in str(found)


def test_students_with_unequal_teachers_stay_together() -> None:
    follows = (Follow(follower="t0", leader="s0", decay=0.9), Follow(follower="t1", leader="s0", decay=0.99))
    plan = Plan(method="x", students=("s0", "s1"), teachers=("t0", "t1"), follows=follows)
    assert "equally many teachers" in layout(plan, 2, "spread").reason


def test_students_with_unlike_banks_stay_together() -> None:
    plan = PLANS[2]
    assert "banks are not alike" in layout(replace(plan, banks=plan.banks[:1], terms=()), 2, "spread").reason
    longer = (plan.banks[0], replace(plan.banks[1], slots=7))
    assert "banks are not alike" in layout(replace(plan, banks=longer), 2, "spread").reason


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"gate": "reweight"}, "more than labels and confidences"),
        ({"gate": "class_share"}, "more than labels and confidences"),
        ({"loss": "mse"}, "more than hard labels"),
        ({"view": "weak"}, "more than hard labels"),
        ({"source": "s1"}, "more than hard labels"),
    ],
)
def test_routes_that_need_the_teacher_itself_keep_pairs_together(change: dict[str, Any], why: str) -> None:
    """Only labels and confidences travel."""
    plan = PLANS[2]
    assert layout(plan, 2, "spread").spread
    routes = (replace(plan.routes[0], **change), *plan.routes[1:])
    assert why in layout(replace(plan, routes=routes), 2, "spread").reason


def test_a_student_without_labels_keeps_pairs_together() -> None:
    """Its worker would have nothing to do while the plan is on labels alone."""
    plan = replace(PLANS[2], supervised=("s0",))
    assert "learn from labels" in layout(plan, 2, "spread").reason


@given(pairs=st.integers(1, 5), shares=st.integers(1, 5), spread=st.booleans())
def test_every_pair_sees_every_share_of_the_batch_once(pairs: int, shares: int, spread: bool) -> None:
    where = Layout(spread, pairs, pairs * shares if spread else shares)
    held = [range(pairs) if where.pair(rank) is None else [where.pair(rank)] for rank in range(where.world)]
    seen = sorted((pair, where.share(rank)) for rank in range(where.world) for pair in held[rank])
    assert seen == [(pair, share) for pair in range(pairs) for share in range(where.shares)]
    for group in where.data_groups():
        assert {where.pair(rank) for rank in group} == {where.pair(group[0])}
        assert [where.share(rank) for rank in group] == list(range(where.shares))
    if spread:
        for share, group in enumerate(where.peer_groups()):
            assert [where.pair(rank) for rank in group] == list(range(pairs))
            assert {where.share(rank) for rank in group} == {share}

"""Why a campaign waits: the sentence, case by case, and when it is said."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from ctt_ray.tune.board import Board
from ctt_ray.tune.folder import Folder
from ctt_ray.tune.waiting import Waiting
from ctt_ray.tune.watchdog import Bundle, Group, NodeState, explain

ONE = Bundle(1)
FOREIGN = Group("f0", (Bundle(2),), owner="foreign", whose="another program, job 02")


@pytest.mark.parametrize(
    ("needs", "nodes", "groups", "said"),
    [
        ([ONE, ONE], [NodeState("a", 2, free_cpus=1)], [Group("0", (ONE,))],
         ["needs 2 x 1 CPU; free: 1 CPU of 2 CPU on 1 node", "1 CPU held by this campaign's own trials"]),
        ([ONE], [NodeState("a", 2)], [FOREIGN],
         ["free: 0 CPU of 2 CPU", "2 CPU held by another program, job 02 (placement group f0)"]),
        ([ONE], [NodeState("a", 2)], [Group("9", (ONE, ONE), owner="leaked")],
         ["2 CPU held by placement group 9, left behind by a process that is dead"]),
        ([ONE], [NodeState("a", 2)], [Group("0", (ONE,)), Group("1", (ONE,), placed=False)],
         ["1 CPU held by this campaign's own trials", "1 CPU held by tasks or actors outside of any placement group"]),
        ([Bundle(4)], [NodeState("a", 2, free_cpus=2), NodeState("b", 3, free_cpus=3)], [],
         ["no node is large enough for 4 CPU, the largest has 3 CPU: add a larger one"]),
        ([ONE] * 3, [NodeState("a", 2, free_cpus=2)], [], ["all nodes together are too small for 3 CPU"]),
        ([Bundle(1, 1)], [NodeState("a", 8, 1, 8, 0)], [Group("0", (Bundle(0, 1),))],
         ["needs 1 x 1 CPU + 1 GPU; free: 8 CPU of 8 CPU + 1 GPU", "0 CPU + 1 GPU held by this campaign's own trials"]),
        ([Bundle(2)], [NodeState("a", 2, free_cpus=1), NodeState("b", 2, free_cpus=1)], [Group("0", (ONE, ONE))],
         ["what is free is scattered: at most 1 CPU on one node"]),
        ([ONE], [NodeState("a", 1, free_cpus=0), NodeState("10.0.0.2", 4, alive=False)], [Group("0", (ONE,))],
         ["of 1 CPU on 1 node", "1 node dead (10.0.0.2)"]),
        ([ONE], [NodeState("a", 2, free_cpus=1)], [Group("0", (ONE,))], ["there is room now"]),
        ([ONE], [], [], ["on 0 nodes", "no node is large enough"]),
        ([Bundle(0.1)], [NodeState("a", 0.3, free_cpus=0.3 - 0.2)], [], ["there is room now"]),  # rounding is no lack
    ],
)  # fmt: skip
def test_the_sentence(needs: list[Bundle], nodes: list[NodeState], groups: list[Group], said: list[str]) -> None:
    sentence = explain(needs, nodes, groups)
    for text in said:
        assert text in sentence, sentence


def test_what_does_not_apply_is_not_said() -> None:
    sentence = explain([ONE], [NodeState("a", 2)], [FOREIGN])
    for text in ("dead", "scattered", "own trials", "large enough", "outside", "there is room"):
        assert text not in sentence, sentence


def test_it_is_said_within_30_seconds_once_a_reason_and_again_when_that_changes(folder: Folder) -> None:
    now, said = [0.0], list[str]()
    nodes, groups = [NodeState("a", 2)], [FOREIGN, Group("1", (ONE,), placed=False)]
    board = Board(folder, iterations=80, total=6)
    waiting = Waiting(board, said.append, look=lambda: (nodes, groups), clock=lambda: now[0])

    def run(until: float) -> None:
        while now[0] < until:
            waiting.on_step_begin(0, [SimpleNamespace(trial_id="r", status="RUNNING")])
            now[0] += 0.5

    run(9)
    assert not said, "a moment between two trials is nothing"
    run(30)
    assert len(said) == 1 and said[0].startswith("waiting for room: a trial needs 1 x 1 CPU; free: 0 CPU")
    run(100)
    assert len(said) == 1
    nodes.append(NodeState("b", 4, alive=False))
    run(110)
    assert len(said) == 2 and "1 node dead (b)" in said[1]
    groups.pop()
    run(120)
    groups.append(Group("2", (ONE,), placed=False))
    run(128)
    assert len(said) == 2, "another group's patience starts anew"
    run(150)
    assert len(said) == 3
    board.stopping = "asked to"
    nodes.pop()
    run(200)
    assert len(said) == 3


def test_a_process_that_does_not_start_is_named_and_foreign_waits_are_not_ours(folder: Folder) -> None:
    now, said = [0.0], list[str]()
    board = Board(folder, iterations=80, total=6)
    board.live = {"r": "0003"}
    groups = [Group("1", (ONE,), placed=False, owner="foreign")]
    waiting = Waiting(board, said.append, look=lambda: ([NodeState("a", 2)], groups), clock=lambda: now[0])
    for _ in range(40):
        waiting.on_step_begin(0, [SimpleNamespace(trial_id="r", status="PENDING")])
        now[0] += 1.0
    assert said == ["waiting: trial 0003 has its place, its process is still starting"]


def test_what_a_dead_process_of_ours_holds_is_given_back_and_nothing_else(folder: Folder) -> None:
    board = Board(folder, iterations=80, total=6)
    groups = [
        Group(owner, (ONE,), owner=owner)  # type: ignore[arg-type]
        for owner in ("ours", "leftover", "foreign", "leaked")
    ]
    freed: list[Group] = []
    waiting = Waiting(board, print, look=lambda: ([NodeState("a", 2)], groups), free=freed.append, clock=lambda: 0.0)
    waiting.on_step_begin(0, [])
    assert [group.id for group in freed] == ["leftover"]

"""The arithmetic of placing trials, case by case."""

from __future__ import annotations

from typing import Any

import pytest

from ctt_ray.cli import ClusterError
from ctt_ray.tune.capacity import Node, capacity, local_node

ONE = [Node(2)]
BOX = [Node(16, 4)]
MIXED = [Node(8), Node(16, 2), Node(16, 4)]


@pytest.mark.parametrize(
    ("nodes", "asked", "concurrent", "cpus", "gpus"),
    [
        (ONE, {"trials": 8}, 2, 1, 0),
        (ONE, {"trials": 1}, 1, 1, 0),
        (ONE, {"trials": 8, "cpus": 2}, 1, 2, 0),
        (ONE, {"trials": 8, "workers": 2}, 1, 1, 0),
        (ONE, {"trials": 8, "cpus": 0.5, "concurrent": 4}, 4, 0.5, 0),
        (ONE, {"trials": 8, "concurrent": 1}, 1, 2, 0),
        ([Node(64)], {"trials": 32}, 8, 8, 0),  # a quarter of the trials, and the machine shared among them
        ([Node(64)], {"trials": 4}, 2, 32, 0),
        (BOX, {"trials": 64}, 4, 4, 1),
        (BOX, {"trials": 64, "gpus": 0.5}, 8, 2, 0.5),
        (BOX, {"trials": 64, "workers": 2}, 2, 4, 1),
        (BOX, {"trials": 64, "workers": 3}, 1, 4, 1),
        (BOX, {"trials": 64, "cpus": 8}, 2, 8, 1),  # CPUs are the scarcer
        (MIXED, {"trials": 64}, 6, 4, 1),  # the node without a GPU has no slot
        (MIXED, {"trials": 64, "gpus": 0, "cpus": 8}, 5, 8, 0),
        ([Node(3), Node(3)], {"trials": 40, "cpus": 2}, 2, 2, 0),  # a worker does not straddle nodes
        ([Node(3), Node(3)], {"trials": 40, "cpus": 2, "workers": 2}, 1, 2, 0),  # a trial's workers may
        ([Node(0.3)], {"trials": 8, "cpus": 0.1, "concurrent": 9}, 3, 0.1, 0),  # 0.3 / 0.1 is 3, not 2
        ([Node(1, 0.3)], {"trials": 8, "gpus": 0.1, "cpus": 0.1, "concurrent": 9}, 3, 0.1, 0.1),
        ([Node(16, 2)], {"trials": 64, "gpus": 0.4, "cpus": 1}, 4, 1, 0.4),  # a share never spans two GPUs: 4, not 5
        ([Node(16, 4)], {"trials": 64, "gpus": 2, "cpus": 1}, 2, 1, 2),
        ([Node(16, 3)], {"trials": 64, "gpus": 2}, 1, 16, 2),
        (MIXED, {"trials": 64, "gpus": 0.25, "cpus": 1}, 16, 1, 0.25),
        (MIXED, {"trials": 64, "workers": 2, "cpus": 8}, 2, 8, 1),  # 0 + 2 + 2 workers: the CPUs bind on the last node
        ([Node(4), Node(4), Node(4)], {"trials": 16}, 4, 2, 0),  # 3 CPUs each would leave room for three
        ([Node(2), Node(64)], {"trials": 32}, 8, 8, 0),
        ([Node(8, 8), Node(64, 8)], {"trials": 64}, 16, 1, 1),  # the node with few CPUs a GPU sets the share
        ([Node(0), Node(2)], {"trials": 8}, 2, 1, 0),  # a head node that lends nothing
    ],
)
def test_trials_at_once(nodes: list[Node], asked: dict[str, Any], concurrent: int, cpus: float, gpus: float) -> None:
    room = capacity(nodes, **asked)
    assert (room.concurrent, room.cpus, room.gpus) == (concurrent, cpus, gpus)


def test_what_is_chosen_always_fits() -> None:
    for cpus in range(1, 20):
        for gpus in range(4):
            for workers in range(1, 4):
                try:
                    room = capacity([Node(cpus, gpus)], trials=12, workers=workers)
                except ClusterError:
                    assert workers > (gpus or cpus) or workers > cpus
                    continue
                assert room.concurrent * workers * room.cpus <= cpus
                assert room.concurrent * workers * room.gpus <= gpus


def test_a_trial_that_cannot_fit_says_what_it_needs_and_what_there_is() -> None:
    with pytest.raises(
        ClusterError, match=r"3 workers of 1 CPU and 0 GPU are needed, 2 fit on 1 node .* has 2 CPU.*Lower --workers"
    ):
        capacity(ONE, trials=4, workers=3)
    with pytest.raises(ClusterError, match="1 GPU are needed"):
        capacity(ONE, trials=4, gpus=1)
    with pytest.raises(ClusterError):
        capacity([], trials=4)
    with pytest.raises(ClusterError, match=r"take 0\.5 or 2"):
        capacity(BOX, trials=4, gpus=1.5)


def test_the_arithmetic_is_shown() -> None:
    lines = "\n".join(capacity(MIXED, trials=64, workers=2).lines)
    assert "40 CPU + 6 GPU on 3 nodes (8 CPU · 16 CPU + 2 GPU · 16 CPU + 4 GPU)" in lines
    assert "2 workers of 4 CPU + 1 GPU, and a driver on the head node that takes none" in lines
    assert "driver" not in "".join(capacity(BOX, trials=8).lines)
    assert "0 + 2 + 4 = 6 workers = 3 trials at once" in lines


def test_this_machine_has_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert local_node().cpus >= 1
    assert local_node().gpus == 0

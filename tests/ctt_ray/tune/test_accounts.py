"""On a cluster: a node that is taken away costs no retry, a foreign reservation is named, a budget ends a campaign."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import ray
from ray.cluster_utils import Cluster
from tiny_campaigns import finish, logged, start, wait_until

from ctt_ray import cli
from ctt_ray.tune import attempts, budget, ledger
from ctt_ray.tune.folder import Folder

pytestmark = pytest.mark.ray


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A head and a node of one CPU each; this process has joined it, as another program would."""
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    ray.init(address=made.address, logging_level="ERROR", log_to_driver=False)
    yield made
    ray.shutdown()
    made.shutdown()


def test_who_holds_the_room_is_said_and_the_campaign_goes_on_when_it_is_free(cluster: Cluster, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "camp")
    taken = ray.util.placement_group([{"CPU": 1}])
    ray.get(taken.ready())
    running = start(folder, 1, 0.0, ANALYTIC_ADDRESS=cluster.address)
    wait_until(lambda: logged(folder, "waiting for room"), running)
    begun, said = [line for line in folder.log.read_text().splitlines() if "start:" in line or "waiting" in line][:2]
    assert "1 CPU held by another program, job" in said and "free: 0 CPU of 1 CPU on 1 node" in said, said
    assert seconds(said) - seconds(begun) < 60  # within 30 s of the wait; Ray itself takes its time to join
    ray.util.remove_placement_group(taken)
    assert "waiting for room: a trial needs 1 x 1 CPU" in finish(running)
    assert [record.outcome is not None for record in folder.records()] == [True]


def seconds(line: str) -> float:
    hours, minutes, rest = line.split()[1].replace(",", ".").split(":")
    return 3600 * int(hours) + 60 * int(minutes) + float(rest)


def test_a_node_that_is_taken_away_uses_up_no_retry(cluster: Cluster, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "camp")
    node = cluster.add_node(num_cpus=1)
    running = start(folder, 2, 0.3, ANALYTIC_ADDRESS=cluster.address)
    wait_until(lambda: all(attempts.read(folder.trial(id)) for id in ("0000", "0001")), running)  # one on each node
    cluster.remove_node(node, allow_graceful=False)
    assert "its node was taken away" in finish(running)
    tries = sorted(([a.how for a in attempts.read(folder.trial(record.id))] for record in folder.records()), key=len)
    assert [len(each) for each in tries] == [1, 2] and tries[1][0] == "preempted", tries
    assert {tries[0][-1], tries[1][-1]} <= {"complete", "pruned"}
    total = ledger.total(ledger.of(folder))
    assert (total.preemptions, total.deaths) == (1, 0) and 0 < total.lost_to_preemption < total.hours


def test_a_budget_stops_the_campaign_and_a_larger_one_goes_on(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "camp")
    allowed = 4 / 3600
    said = finish(start(folder, 2, 0.1, ANALYTIC_BUDGET=f"{allowed:.5f}cpuh"), cli.RESUMABLE)
    assert "the budget is used up" in said and "a larger --budget goes on" in said
    used = budget.used(folder, "cpuh")
    assert allowed <= used < 10 * allowed
    how = [a.how for record in folder.records() for a in attempts.read(folder.trial(record.id))]
    assert "stopped" in how and set(how) <= {"stopped", "pruned"}, "halving may have come first to one of the two"
    half_way = {record.id: record.iteration for record in folder.records()}

    again = finish(start(folder, 2, 0.1, ANALYTIC_BUDGET=f"{allowed:.5f}cpuh"), cli.RESUMABLE)
    assert "the budget is used up" in again and budget.used(folder, "cpuh") == used, "nothing was trained"

    finish(start(folder, 2, 0.0, ANALYTIC_BUDGET="1cpuh"))
    for record in folder.records():
        tries = attempts.read(folder.trial(record.id))
        assert [attempt.how for attempt in tries] in (["stopped", "complete"], ["stopped", "pruned"], ["pruned"])
        if tries[0].how == "stopped":
            assert tries[1].from_iteration >= half_way[record.id]
    assert budget.used(folder, "cpuh") == budget.used(folder, "cpuh", now=time.time() + 3600)

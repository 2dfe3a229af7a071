"""Trials of two Ray Train workers on two CPUs: no deadlock, and no reservation left behind, whatever ends a trial."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import ray
from ray.cluster_utils import Cluster
from ray.util.placement_group import placement_group
from tiny_campaigns import finish, start, wait_until

from ctt_ray import cli
from ctt_ray.tune import attempts, waiting
from ctt_ray.tune.folder import Folder
from ctt_ray.tune.results import state

RELEASE_S = 30.0

pytestmark = pytest.mark.ray


@pytest.fixture
def address() -> Iterator[str]:
    """Two CPUs; with the dashboard, whose state API tells Ray Train's cleaner that a driver is dead."""
    with socket.socket() as probe:  # Ray's own port may be another cluster's
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    head = {"num_cpus": 2, "include_dashboard": True, "dashboard_port": port}
    made = Cluster(initialize_head=True, head_node_args=head)
    ray.init(address=made.address, logging_level="ERROR", log_to_driver=False)
    yield made.address
    ray.shutdown()
    made.shutdown()


@ray.remote(num_cpus=0)
class Reserving:
    """As a trial's driver does for its workers."""

    def reserve(self) -> None:
        self.group = placement_group([{"CPU": 1}])
        ray.get(self.group.ready())


def owners(count: int, among: str) -> list[str]:
    """Of the placement groups, once there are so many and this one is among them, or after a while as they are."""
    patience = time.monotonic() + RELEASE_S
    while True:
        found = sorted(group.owner for group in waiting.snapshot()[1])
        if (len(found) == count and among in found) or time.monotonic() > patience:
            return list(found)
        time.sleep(0.2)


def test_what_a_killed_process_reserved_is_known_as_ours_and_can_be_given_back(address: str) -> None:
    """Without Ray Train's cleaner, which is blind beside another cluster."""
    alive, dead = Reserving.remote(), Reserving.remote()
    ray.get([alive.reserve.remote(), dead.reserve.remote()])
    ray.kill(dead)
    assert owners(2, "leftover") == ["leftover", "ours"]
    (left,) = [group for group in waiting.snapshot()[1] if group.owner == "leftover"]
    waiting.remove(left)
    assert owners(1, "ours") == ["ours"]


def check_nothing_is_reserved() -> None:
    patience = time.monotonic() + RELEASE_S
    while groups := waiting.snapshot()[1]:
        assert time.monotonic() < patience, groups
        time.sleep(0.5)


def test_early_stops_errors_and_a_stop_leave_no_reservation(address: str, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "camp")
    folder.root.mkdir()
    (folder.root / "broken").touch()
    variables = {"ANALYTIC_ADDRESS": address, "ANALYTIC_WORKERS": "2"}
    running = start(folder, 4, 0.05, **variables)
    wait_until(lambda: bool(folder.records()) and folder.records()[0].iteration >= 20, running)
    os.kill(running.pid, signal.SIGTERM)
    assert "the same command goes on" in finish(running, cli.RESUMABLE)
    check_nothing_is_reserved()
    (stopped,) = attempts.read(folder.trial("0000"))
    assert (stopped.how, stopped.cpus) == ("stopped", 2)
    assert stopped.saved_iteration >= 20, "the workers saved and left"

    finish(start(folder, 4, 0.0, **variables), cli.TRIALS_FAILED)
    check_nothing_is_reserved()
    records = folder.records()
    outcome = records[1].outcome
    assert state(records[0]) == "complete" and outcome is not None
    assert (outcome.state, outcome.kind, outcome.reason) == ("failed", "error", "ValueError: boom"), "at once, no retry"
    assert [attempt.how for attempt in attempts.read(folder.trial("0001"))] == ["failed"]
    assert state(records[3]) in ("pruned", "complete")


@pytest.mark.slow
def test_dead_workers_and_drivers_leave_no_reservation(address: str, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "camp")
    running = start(folder, 1, 0.15, ANALYTIC_ADDRESS=address, ANALYTIC_WORKERS="2")
    wait_until(lambda: bool(folder.records()) and folder.records()[0].iteration >= 20, running)
    os.kill(int(folder.record("0000").lines[-1]["pid"]), signal.SIGKILL)
    wait_until(lambda: len(attempts.read(folder.trial("0000"))) == 2, running)
    wait_until(lambda: folder.record("0000").iteration >= 40, running)
    os.kill(driver(), signal.SIGKILL)
    finish(running)
    check_nothing_is_reserved()
    tries = attempts.read(folder.trial("0000"))
    assert [attempt.how for attempt in tries] == ["died", "died", "complete"]
    assert tries[1].from_iteration >= 10 and tries[2].from_iteration >= 30
    record = folder.record("0000")
    assert state(record) == "complete" and [line["iteration"] for line in record.lines] == list(range(10, 90, 10))


def driver() -> int:
    """The process of the trial that waits for Ray Train's workers."""
    for process in psutil.Process().children(recursive=True):
        try:
            if "ImplicitFunc" in " ".join(process.cmdline()):
                return process.pid
        except psutil.Error:
            continue
    raise AssertionError("no driver runs")

"""A cluster from inside: two machines of which the head takes no trial; and what is said where something is missing."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ctt_ray.doctor import joined, remote
from ctt_ray.doctor.joined import Machine
from ctt_ray.doctor.remote import Seen
from ctt_ray.tune.capacity import Node

HEAD, WORKER = Machine("a", "10.0.0.1", Node(0)), Machine("b", "10.0.0.2", Node(8, 1))


def told(seen: Seen | str, machine: Machine = WORKER, *, shared: bool = True) -> tuple[str, str]:
    found = joined.node(machine, seen, shared=shared)
    return found.state, found.said


def test_one_machine() -> None:
    here = remote.versions()
    assert told(Seen(here, gpus=1, there=True)) == ("ok", "8 CPU + 1 GPU, same versions, same storage")
    assert told(Seen(here, gpus=1), shared=False) == ("ok", "8 CPU + 1 GPU, same versions")
    assert told("does not answer") == ("fail", "does not answer")
    assert "torch sees 0 of 1 GPUs" in told(Seen(here, there=True))[1]
    assert "does not see the storage" in told(Seen(here, gpus=1))[1]
    assert "do not reach over machines" in told(Seen(here, gpus=1, there=True, locked=True))[1]
    assert told(Seen(here | {"ray": "2.1"}, gpus=1, there=True)) == ("fail", f"ray 2.1, here {here['ray']}")


def test_machines_that_can_train() -> None:
    assert joined.present([HEAD], 0).state == "fail"
    assert joined.present([HEAD, WORKER], 2).state == "warn"
    assert joined.present([HEAD, WORKER], 1).said == "2 machines, of which 1 can train: 8 CPU + 1 GPU"


def test_waiting_ends_with_enough_or_with_the_time() -> None:
    looks: Iterator[list[Machine]] = iter([[HEAD, WORKER]])
    assert joined.wait(1, 60.0, lambda: next(looks)) == [HEAD, WORKER]
    assert joined.wait(2, 0.0, lambda: [HEAD, WORKER]) == [HEAD, WORKER]


def test_the_file_that_a_machine_looks_at(tmp_path: Path) -> None:
    assert not remote.look("").there
    assert not remote.look(str(tmp_path / "lock")).there
    (tmp_path / "lock").touch()
    assert remote.look(str(tmp_path / "lock")).locked  # nobody holds it


@pytest.mark.ray
def test_two_machines(tmp_path: Path) -> None:
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": True})
    try:
        cluster.add_node(num_cpus=1)
        found = joined.check(cluster.address, str(tmp_path), machines=1)
    finally:
        cluster.shutdown()
    assert [finding.state for finding in found] == ["ok"] * 4, found
    assert found[0].said == "2 machines, of which 1 can train: 1 CPU"
    assert [finding.check for finding in found[1:2]] == ["State API"]
    assert list(tmp_path.iterdir()) == []

"""A cluster from inside: who is there, the State API as a worker sees it, and from every machine versions and storage."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from ctt_ray.doctor import remote
from ctt_ray.doctor.finding import Finding
from ctt_ray.doctor.machine import nearest
from ctt_ray.doctor.remote import Seen
from ctt_ray.doctor.storage import scratch
from ctt_ray.train.cluster import joined
from ctt_ray.tune.capacity import Node, amount, count

WAIT_S = 900.0  # for spot machines to be found and to start
ANSWER_S = 60.0
LOCAL = {"num_cpus": 1, "num_gpus": 0, "object_store_memory": 80 * 2**20, "include_dashboard": True}


@dataclass(frozen=True)
class Machine:
    id: str
    name: str
    has: Node


def check(address: str, storage: str, machines: int, wait_s: float = WAIT_S) -> list[Finding]:
    """`local` starts a small Ray here, which also shows that one starts. Raises ClusterError where there is none to join.

    machines: so many that train are waited for."""
    with joined(address, local=LOCAL):
        there = wait(machines, wait_s)
        return [present(there, machines), state_api(), *nodes(there, storage)]


def wait(machines: int, wait_s: float, look: Callable[[], list[Machine]] | None = None) -> list[Machine]:
    """Until so many train, or the time is over; whoever is there then."""
    look = look or alive
    until = time.monotonic() + wait_s
    while len(training(there := look())) < machines and time.monotonic() < until:
        time.sleep(2)
    return there


def alive() -> list[Machine]:
    found = [node for node in ray.nodes() if node["Alive"]]
    return [
        Machine(
            node["NodeID"],
            node["NodeManagerAddress"],
            Node(float(node["Resources"].get("CPU", 0)), float(node["Resources"].get("GPU", 0))),
        )
        for node in found
    ]


def training(there: Sequence[Machine]) -> list[Machine]:
    """A head without CPUs does not."""
    return [machine for machine in there if machine.has.cpus or machine.has.gpus]


def present(there: Sequence[Machine], machines: int) -> Finding:
    able = training(there)
    total = amount(sum(each.has.cpus for each in able), sum(each.has.gpus for each in able))
    said = f"{count(len(there), 'machine')}, of which {len(able)} can train: {total}"
    if not able:
        return Finding("fail", "cluster", f"{said}; workers are missing, `ray status` tells why")
    if len(able) < machines:
        return Finding("warn", "cluster", f"{said}; {machines} were asked for, `ray status` tells about the others")
    return Finding("ok", "cluster", said)


def state_api() -> Finding:
    """Asked from a worker, which has to find its own cluster among all; that is how a killed trial's reservation is freed."""
    try:
        seen = ray.get(ray.remote(remote.state_api).options(num_cpus=0).remote(), timeout=ANSWER_S)
    except Exception as error:  # whatever Ray wraps it in
        return Finding(
            "fail", "State API", f"no answer in a worker: {_first(error)}; a dashboard is needed on the head"
        )
    there = {node["NodeID"] for node in ray.nodes()}
    if not set(seen) <= there:
        return Finding("fail", "State API", "a worker asked another cluster's: end the other Ray on its machine")
    return Finding("ok", "State API", "answers in a worker")


def nodes(there: Sequence[Machine], storage: str) -> list[Finding]:
    """One line a machine. A folder is made in the storage, and a lock in it held, while they look."""
    if "://" in storage:
        return [node(machine, _ask(machine, None), shared=False) for machine in there]
    try:
        with scratch(nearest(Path(storage))) as inside, (inside / "lock").open("a") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return [node(machine, _ask(machine, inside / "lock"), shared=True) for machine in there]
    except OSError as error:
        return [Finding("fail", "storage", f"no lock to be held in {storage}: {error.strerror}")]


def node(machine: Machine, seen: Seen | str, *, shared: bool) -> Finding:
    """seen: what the machine told, or why it did not."""
    name = f"machine {machine.name}"
    if isinstance(seen, str):
        return Finding("fail", name, seen)
    here = remote.versions()
    wrong = [
        f"{each} {seen.versions.get(each)}, here {here[each]}" for each in here if here[each] != seen.versions[each]
    ]
    if machine.has.gpus > seen.gpus:
        wrong.append(f"torch sees {seen.gpus} of {machine.has.gpus:g} GPUs")
    if shared and not seen.there:
        wrong.append("does not see the storage folder: mount it in the same place")
    if shared and seen.there and seen.locked:
        wrong.append("got a lock that was held here: this file system's locks do not reach over machines")
    if wrong:
        return Finding("fail", name, "; ".join(wrong))
    return Finding(
        "ok", name, f"{amount(machine.has.cpus, machine.has.gpus)}, same versions{', same storage' * shared}"
    )


def _ask(machine: Machine, lock: Path | None) -> Seen | str:
    where = NodeAffinitySchedulingStrategy(machine.id, soft=False)
    asked: Any = ray.remote(remote.look).options(num_cpus=0, max_retries=0, scheduling_strategy=where)
    try:
        answer: Seen = ray.get(asked.remote(str(lock) if lock else ""), timeout=ANSWER_S)
    except Exception as error:  # whatever Ray wraps it in
        return f"does not answer: {_first(error)}; is ctt_ray installed there?"
    return answer


def _first(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1].strip() if lines else type(error).__name__

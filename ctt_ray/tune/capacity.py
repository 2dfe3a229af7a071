"""How many trials run at once, and with what: plain arithmetic on what the machines have, said in words."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ctt_ray.cli import ClusterError


@dataclass(frozen=True)
class Node:
    cpus: float
    gpus: float = 0


@dataclass(frozen=True)
class Capacity:
    """concurrent: trials at once · cpus, gpus: of each worker · lines: the arithmetic, to be printed."""

    concurrent: int
    cpus: float
    gpus: float
    lines: tuple[str, ...]


def capacity(
    nodes: Sequence[Node],
    *,
    trials: int,
    workers: int = 1,
    cpus: float | None = None,
    gpus: float | None = None,
    concurrent: int | None = None,
) -> Capacity:
    """Slots a node = its CPUs or GPUs, the scarcer, over what a worker takes; trials at once = slots // workers.

    Left open, a worker takes one GPU where there are any and its share of the CPUs, and no more than a quarter of the
    campaign (two at least) runs at once: a sampler learns only from trials that have finished.
    Raises ClusterError where not even one trial fits, with what it needs and what there is.
    """
    gpus = gpus if gpus is not None else float(any(node.gpus >= 1 for node in nodes))
    most = concurrent or max(2, trials // 4)
    if gpus > 1 and gpus != int(gpus):
        raise ClusterError(
            f"{gpus:g} GPUs a worker: Ray shares one GPU among workers, or gives whole ones; take 0.5 or 2"
        )
    cpus = cpus if cpus is not None else _share(nodes, workers=workers, gpus=gpus, most=most)
    slots = [_slots(node, cpus, gpus) for node in nodes]
    fitting = sum(slots) // workers
    if fitting == 0:
        raise ClusterError(_does_not_fit(nodes, workers, cpus, gpus, sum(slots)))
    chosen = min(fitting, most, trials)
    each = amount(cpus, gpus)
    have = f"{sum(n.cpus for n in nodes):g} CPU + {sum(n.gpus for n in nodes):g} GPU on {count(len(nodes), 'node')}"
    if len(set(nodes)) > 1:
        have += f" ({' · '.join(amount(node.cpus, node.gpus) for node in nodes)})"
    bound = f"{concurrent} asked for" if concurrent else f"a quarter of {trials} trials, at least 2: {most}"
    driver = "" if workers == 1 else ", and a driver on the head node that takes none"
    lines = (
        f"machines   {have}",
        f"a trial    {count(workers, 'worker')} of {each}{driver}",
        f"slots      {' + '.join(map(str, slots))} = {sum(slots)} workers = {count(fitting, 'trial')} at once",
        f"at once    {chosen} (room for {fitting}; {bound})",
    )
    return Capacity(chosen, cpus, gpus, lines)


def local_node() -> Node:
    """This machine, without starting anything: the CPUs this process may use, and NVIDIA's devices that it may see."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    devices = Path("/proc/driver/nvidia/gpus")
    gpus = len(list(devices.iterdir())) if devices.is_dir() else 0
    if visible is not None:
        gpus = min(gpus, len([part for part in visible.split(",") if part.strip() not in ("", "-1")]))
    return Node(float(len(os.sched_getaffinity(0))), float(gpus))


def _slots(node: Node, cpus: float, gpus: float) -> int:
    by_cpu = math.floor(node.cpus / cpus + 1e-9) if cpus else math.inf
    return int(min(by_cpu, _by_gpu(node.gpus, gpus) if gpus else math.inf))


def _by_gpu(have: float, gpus: float) -> int:
    """A fraction never spans two GPUs: of 0.4 there are two on each."""
    if gpus >= 1:
        return math.floor(have / gpus + 1e-9)
    whole = math.floor(have + 1e-9)
    return whole * math.floor(1 / gpus + 1e-9) + math.floor((have - whole) / gpus + 1e-9)


def _share(nodes: Sequence[Node], *, workers: int, gpus: float, most: int) -> float:
    """Whole CPUs a worker: as many as leave room for the workers that are to run at once, but at least one."""
    if gpus:
        shares = [node.cpus / _slots(node, 0, gpus) for node in nodes if _slots(node, 0, gpus)]
        return float(max(1, math.floor(min(shares, default=1))))
    if not nodes:
        return 1.0
    at_once = min(most * workers, max(1, int(sum(node.cpus for node in nodes))))
    largest = math.floor(max(node.cpus for node in nodes))
    roomy = [cpus for cpus in range(largest, 0, -1) if sum(_slots(node, cpus, 0) for node in nodes) >= at_once]
    return float(next(iter(roomy), 1))


def _does_not_fit(nodes: Sequence[Node], workers: int, cpus: float, gpus: float, slots: int) -> str:
    largest = max(nodes, key=lambda node: (node.gpus, node.cpus), default=Node(0))
    return (
        f"no trial fits: {count(workers, 'worker')} of {cpus:g} CPU and {gpus:g} GPU are needed, {slots} fit on "
        f"{count(len(nodes), 'node')} (the largest has {largest.cpus:g} CPU and {largest.gpus:g} GPU). "
        "Lower --workers, --cpus-per-trial or --gpus-per-trial, or use a larger cluster."
    )


def amount(cpus: float, gpus: float) -> str:
    """'4 CPU', '4 CPU + 0.5 GPU'."""
    return f"{round(cpus, 4):g} CPU" + (f" + {round(gpus, 4):g} GPU" if gpus else "")


def count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")

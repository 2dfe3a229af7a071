"""Which machines of the cluster live: a process that died with its node was taken away, one on a living node crashed."""

from __future__ import annotations

import time
from collections.abc import Iterable

import ray

from ctt_ray.train import preemption

NOTICE_EVERY_S = 2.0  # a cloud gives half a minute of notice and more
PATIENCE_S = 15.0  # for Ray to notice that a node is gone: a lost connection is heard of first


def here() -> str:
    """Ray's id of the node that this process is on; empty without Ray."""
    return str(ray.get_runtime_context().get_node_id()) if ray.is_initialized() else ""


def alive() -> set[str]:
    """Ids of the living nodes."""
    return {node["NodeID"] for node in ray.nodes() if node["Alive"]}


def leaving() -> bool:
    """Whether this process's node has been told that it is taken away soon: the cluster drains it."""
    try:
        return ray.is_initialized() and here() in preemption.draining()
    except ray.exceptions.RayError:  # the head has such moments, and a trial is not to die of them
        return False


def lost(before: Iterable[str], patience: float = PATIENCE_S) -> bool:
    """Whether one of these nodes is dead; waits so long for Ray to notice. Unknown ('') nodes are left out."""
    known = {node for node in before if node}
    until = time.monotonic() + patience
    while known <= alive():
        if time.monotonic() >= until:
            return False
        time.sleep(0.25)
    return True

"""The Ray node that the campaign's own process is attached to: when it dies Ray can start nothing more, and waits for ever."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import ray
from ray.tune import Callback

from ctt_ray.cli import ClusterError
from ctt_ray.tune.board import log
from ctt_ray.tune.unsaved import Unsaved

LOOK_EVERY_S = 5.0


class Attached(Unsaved, Callback):
    """A callback of Ray's controller: raises ClusterError once the node is dead. The folder has everything that is needed
    to go on.   alive: asks the cluster."""

    def __init__(self, *, alive: Callable[[], bool] | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._alive = alive or _alive
        self._clock = clock
        self._next = 0.0

    def on_step_begin(self, iteration: int, trials: list[Any], **info: Any) -> None:
        now = self._clock()
        if now < self._next:
            return
        self._next = now + LOOK_EVERY_S
        if not self._alive():
            why = "Ray's node on this machine has died under the campaign: give the same command again, it goes on"
            log.info(why)
            raise ClusterError(why)


def _alive() -> bool:
    own = ray.get_runtime_context().get_node_id()
    return all(node["Alive"] for node in ray.nodes() if node["NodeID"] == own)

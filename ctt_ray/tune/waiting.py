"""No silent waiting: while Ray cannot place something of this campaign, the user hears why, and again when that changes.

What a killed trial of this campaign still reserves is given back here: Ray Train's own cleaner asks Ray's state API, which
does not answer where another cluster lives on the machine.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import ray
from ray._private import state
from ray.core.generated import gcs_pb2
from ray.tune import Callback
from ray.util.placement_group import PlacementGroup, remove_placement_group

from ctt_ray.tune import watchdog
from ctt_ray.tune.board import Board, log
from ctt_ray.tune.unsaved import Unsaved
from ctt_ray.tune.watchdog import Bundle, Group, NodeState, Owner

LOOK_EVERY_S = 5.0
PATIENCE_S = 10.0  # between two trials a place may well be empty for a moment
START_PATIENCE_S = 25.0  # for a process that has its place


class Waiting(Unsaved, Callback):
    """A callback of Ray's controller.   say: shows a line to the user · look: the cluster's nodes and placement groups ·
    free: gives a group's room back."""

    def __init__(
        self,
        board: Board,
        say: Callable[[str], None],
        *,
        look: Callable[[], tuple[list[NodeState], list[Group]]] | None = None,
        free: Callable[[Group], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.board = board
        self._say = say
        self._look = look or snapshot
        self._free = free or remove
        self._clock = clock
        self._next = 0.0
        self._since: dict[str, float] = {}  # id of what waits → when it was first seen to
        self._told = ""

    def on_step_begin(self, iteration: int, trials: list[Any], **info: Any) -> None:
        now = self._clock()
        if now < self._next or self.board.stopping:
            return
        self._next = now + LOOK_EVERY_S
        nodes, groups = self._look()
        for group in groups:
            if group.owner == "leftover":
                log.info(f"{group.held} held by a trial's process that is dead: given back")
                self._free(group)
        self._tell(self._why(now, nodes, groups, [trial.trial_id for trial in trials if trial.status == "PENDING"]))

    def _why(self, now: float, nodes: list[NodeState], groups: list[Group], pending: list[str]) -> str:
        waiting = {group.id: group for group in groups if not group.placed and group.owner == "ours"}
        starting = [trial for trial in pending if trial in self.board.live]
        self._since = {id: self._since.get(id, now) for id in [*waiting, *starting]}
        late = [group for id, group in waiting.items() if now - self._since[id] >= PATIENCE_S]
        if late:
            return f"waiting for room: {watchdog.explain(late[0].bundles, nodes, groups)}"
        slow = [] if waiting else [id for id in starting if now - self._since[id] >= START_PATIENCE_S]
        names = ", ".join(self.board.live[id] for id in slow)
        return f"waiting: trial {names} has its place, its process is still starting" if slow else ""

    def _tell(self, why: str) -> None:
        if why and why != self._told:
            log.info(why)
            self._say(why)
        self._told = why


def snapshot() -> tuple[list[NodeState], list[Group]]:
    """What the cluster that this process has joined has, and who has reserved it."""
    free = state.available_resources_per_node()
    nodes = [_node(node, free.get(node["NodeID"], {})) for node in ray.nodes()]
    accessor = state.state._connect_and_get_accessor()
    tables = [gcs_pb2.PlacementGroupTableData.FromString(each) for each in accessor.get_placement_group_table()]
    mine = ray.get_runtime_context().get_job_id()
    return nodes, [_group(table, mine) for table in tables if table.state != gcs_pb2.PlacementGroupTableData.REMOVED]


def remove(group: Group) -> None:
    remove_placement_group(PlacementGroup(ray.PlacementGroupID(bytes.fromhex(group.id))))


def _node(node: Mapping[str, Any], free: Mapping[str, float]) -> NodeState:
    has = node["Resources"]
    return NodeState(
        node.get("NodeManagerAddress") or node["NodeID"][:8],
        float(has.get("CPU", 0)),
        float(has.get("GPU", 0)),
        float(free.get("CPU", 0)),
        float(free.get("GPU", 0)),
        bool(node["Alive"]),
    )


def _group(table: Any, mine: str) -> Group:
    job = table.creator_job_id.hex()
    by_an_actor = bool(table.creator_actor_id.strip(b"\xff"))  # Ray's nil; then `creator_actor_dead` says nothing
    owner: Owner = "ours" if job == mine else "foreign"
    if table.creator_job_dead or (by_an_actor and table.creator_actor_dead):
        owner = "leftover" if job == mine else "leaked"
    return Group(
        id=table.placement_group_id.hex(),
        bundles=tuple(
            Bundle(float(each.unit_resources.get("CPU", 0)), float(each.unit_resources.get("GPU", 0)))
            for each in table.bundles
        ),
        placed=table.state == gcs_pb2.PlacementGroupTableData.CREATED,
        owner=owner,
        whose=f"another program, job {job}",
    )

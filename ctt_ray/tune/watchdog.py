"""Why a campaign waits for room, in one sentence: arithmetic on what is needed, what is free and who holds the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from ctt_ray.tune.capacity import amount, count

Owner = Literal["ours", "leftover", "foreign", "leaked"]
HAIR = 1e-6  # Ray counts in ten-thousandths


@dataclass(frozen=True)
class Bundle:
    """What one process takes, all of it on one node."""

    cpus: float
    gpus: float = 0.0

    def __str__(self) -> str:
        return amount(self.cpus, self.gpus)


@dataclass(frozen=True)
class NodeState:
    name: str
    cpus: float
    gpus: float = 0.0
    free_cpus: float = 0.0
    free_gpus: float = 0.0
    alive: bool = True


@dataclass(frozen=True)
class Group:
    """A placement group, by which Ray reserves room. owner: a live process of this campaign, a dead one of it, another
    program, or a dead process of another · whose: the other program, for people."""

    id: str
    bundles: tuple[Bundle, ...] = ()
    placed: bool = True
    owner: Owner = "ours"
    whose: str = field(default="", compare=False)

    @property
    def held(self) -> Bundle:
        return Bundle(sum(each.cpus for each in self.bundles), sum(each.gpus for each in self.bundles))


def explain(needs: Sequence[Bundle], nodes: Sequence[NodeState], groups: Sequence[Group]) -> str:
    """needs: the processes of what waits · groups: all that hold room. Without a reason that shows, it says so."""
    alive = [node for node in nodes if node.alive]
    has = amount(sum(n.cpus for n in alive), sum(n.gpus for n in alive))
    free = amount(sum(n.free_cpus for n in alive), sum(n.free_gpus for n in alive))
    what = " and ".join(f"{number} x {bundle}" for bundle, number in Counter(needs).items()) or "nothing"
    parts = [
        f"a trial needs {what}; free: {free} of {has} on {count(len(alive), 'node')}",
        _too_small(needs, alive),
        *_holders(alive, groups),
        _dead(nodes),
        _scattered(needs, alive),
    ]
    return "; ".join(filter(None, parts))


def _too_small(needs: Sequence[Bundle], alive: Sequence[NodeState]) -> str:
    """It would not even fit on empty machines."""
    for need in needs:
        if not any(_fits(need, node.cpus, node.gpus) for node in alive):
            largest = max(alive, key=lambda node: (node.gpus, node.cpus), default=NodeState("", 0))
            return (
                f"no node is large enough for {need}, the largest has {amount(largest.cpus, largest.gpus)}: "
                "add a larger one, or stop and lower --cpus-per-trial or --gpus-per-trial"
            )
    total = Bundle(sum(n.cpus for n in needs), sum(n.gpus for n in needs))
    if not _fits(total, sum(n.cpus for n in alive), sum(n.gpus for n in alive)):
        return f"all nodes together are too small for {total}: add one, or stop and lower --workers"
    return ""


def _holders(alive: Sequence[NodeState], groups: Sequence[Group]) -> list[str]:
    placed = [group for group in groups if group.placed]
    ours = [group.held for group in placed if group.owner == "ours"]
    said = [f"{_sum(ours)} held by this campaign's own trials"] if ours and str(_sum(ours)) != amount(0, 0) else []
    for group in placed:
        if group.owner == "foreign":
            said.append(f"{group.held} held by {group.whose or 'another program'} (placement group {group.id[:12]})")
        elif group.owner == "leaked":
            said.append(
                f"{group.held} held by placement group {group.id[:12]}, left behind by a process that is dead "
                f"(ray.util.remove_placement_group frees it)"
            )
    used = _sum([Bundle(n.cpus - n.free_cpus, n.gpus - n.free_gpus) for n in alive])
    grouped = _sum([group.held for group in placed])
    rest = Bundle(max(0.0, used.cpus - grouped.cpus), max(0.0, used.gpus - grouped.gpus))
    if rest.cpus > HAIR or rest.gpus > HAIR:
        said.append(f"{rest} held by tasks or actors outside of any placement group")
    return said


def _dead(nodes: Sequence[NodeState]) -> str:
    names = [node.name for node in nodes if not node.alive]
    return f"{count(len(names), 'node')} dead ({', '.join(names)})" if names else ""


def _scattered(needs: Sequence[Bundle], alive: Sequence[NodeState]) -> str:
    """Enough is free, but nowhere enough in one place."""
    total = _sum(needs)
    if not _fits(total, sum(n.free_cpus for n in alive), sum(n.free_gpus for n in alive)):
        return ""
    for need in needs:
        if not any(_fits(need, node.free_cpus, node.free_gpus) for node in alive):
            most = max(alive, key=lambda node: (node.free_gpus, node.free_cpus))
            return f"what is free is scattered: at most {amount(most.free_cpus, most.free_gpus)} on one node"
    return "there is room now: Ray is about to place it"


def _sum(bundles: Sequence[Bundle]) -> Bundle:
    return Bundle(sum(each.cpus for each in bundles), sum(each.gpus for each in bundles))


def _fits(need: Bundle, cpus: float, gpus: float) -> bool:
    return need.cpus <= cpus + HAIR and need.gpus <= gpus + HAIR

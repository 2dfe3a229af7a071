"""The workers of a run as one of them sees them: with whom it averages gradients, and with whom it exchanges labels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from ctt_ray.placement import Layout

Message = tuple[int, Tensor]  # rank, and what goes there or comes from there


class Group:
    """Some workers. A group of one returns what it is given.   sent: bytes that this worker has handed over so far.

    ranks: in the world, ascending.   handle: torch's process group.
    """

    def __init__(self, ranks: Sequence[int], rank: int, handle: Any = None) -> None:
        self.ranks, self.handle = list(ranks), handle
        self.size, self.index = len(self.ranks), self.ranks.index(rank)
        self.sent = 0

    def total(self, value: Tensor) -> Tensor:
        """The sum of `value` over the group, detached; denominators of losses are made global with it."""
        value = value.detach()
        if self.size == 1:
            return value
        found = self._staged(value).clone()
        self._count(found)
        dist.all_reduce(found, group=self.handle)
        return found.to(value.device)

    def gather(self, value: Tensor) -> list[Tensor]:
        """`value` of every worker, in rank order; equal shapes."""
        return self.gather_later(value).wait()

    def gather_later(self, value: Tensor) -> Gathering:
        """As `gather`, while this worker goes on: `wait()` when it is needed."""
        if self.size == 1:
            return Gathering([value], None, value.device)
        sent = self._staged(value).contiguous()
        self._count(sent)
        found = [torch.empty_like(sent) for _ in range(self.size)]
        return Gathering(found, dist.all_gather(found, sent, group=self.handle, async_op=True), value.device)

    def union(self, names: Iterable[str]) -> list[str]:
        """The names that any worker has, sorted. For reports: it is slow."""
        if self.size == 1:
            return sorted(names)
        found: list[list[str]] = [[] for _ in range(self.size)]
        dist.all_gather_object(found, list(names), group=self.handle)
        return sorted({name for part in found for name in part})

    def pass_round(self, outgoing: Sequence[Message], incoming: Sequence[Message]) -> None:
        """Send to and receive from single workers of the group; shapes are known to both ends, empty tensors stay at home."""
        sent = [(rank, self._staged(value)) for rank, value in outgoing if value.numel()]
        found = [(rank, self._staged(value), value) for rank, value in incoming if value.numel()]
        operations = [dist.P2POp(dist.isend, value, rank, self.handle) for rank, value in sent]
        operations += [dist.P2POp(dist.irecv, buffer, rank, self.handle) for rank, buffer, _ in found]
        for work in dist.batch_isend_irecv(operations) if operations else []:
            work.wait()
        for _, value in sent:
            self._count(value)
        for _, buffer, value in found:
            value.copy_(buffer)

    def average_buffers_(self, nets: Iterable[nn.Module]) -> None:
        """Floating buffers (BatchNorm statistics) become their mean over the group, so that all hold the same networks."""
        buffers = [b for net in nets for b in net.buffers() if b.is_floating_point()]
        if self.size == 1 or not buffers:
            return
        flat = self.total(torch.cat([b.flatten() for b in buffers])) / self.size
        for buffer, part in zip(buffers, flat.split([b.numel() for b in buffers]), strict=True):
            buffer.copy_(part.view_as(buffer))

    def _staged(self, value: Tensor) -> Tensor:
        """On the host where the group speaks gloo: workers that share a GPU, which NCCL refuses."""
        return value.cpu() if value.is_cuda and dist.get_backend(self.handle) == "gloo" else value

    def _count(self, value: Tensor) -> None:
        self.sent += value.numel() * value.element_size()


class Gathering:
    """Tensors that are on their way."""

    def __init__(self, found: list[Tensor], work: Any, device: torch.device) -> None:
        self._found, self._work, self._device = found, work, device

    def wait(self) -> list[Tensor]:
        if self._work is not None:
            self._work.wait()
        return [value.to(self._device) for value in self._found]


class World:
    """data: workers with the same students and other images · peers: those with other students and the same images, this one
    alone where pairs are together · everyone: all. Every worker of the run makes one, at the same time."""

    def __init__(self, layout: Layout, rank: int) -> None:
        self.layout, self.rank = layout, rank
        self.everyone = self._group([list(range(layout.world))])
        self.data = self._group(layout.data_groups()) if layout.spread else self.everyone
        self.peers = self._group(layout.peer_groups()) if layout.spread else Group([rank], rank)

    @classmethod
    def alone(cls) -> World:
        return cls(Layout(False, 1, 1), 0)

    def _group(self, groups: list[list[int]]) -> Group:
        """The one of these that this worker is in; all workers have to make all of them."""
        mine = next(ranks for ranks in groups if self.rank in ranks)
        if len(mine) == 1:
            return Group(mine, self.rank)
        handles = {tuple(ranks): dist.new_group(ranks) for ranks in groups}
        return Group(mine, self.rank, handles[tuple(mine)])

    def holds(self, student: int) -> bool:
        """Whether the student with this index in the plan is on this worker."""
        return self.layout.pair(self.rank) in (None, student)

    def holder(self, student: int) -> int:
        """The rank that holds this student and sees the same images."""
        return self.rank if self.holds(student) else self.peers.ranks[student]

"""Sums over data-parallel workers. In one process every function returns what it was given."""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.distributed as dist
from torch import Tensor, nn


def size() -> int:
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    return dist.get_rank() if dist.is_available() and dist.is_initialized() else 0


def total(value: Tensor) -> Tensor:
    """The sum of `value` over all workers, detached; denominators of losses are made global with it."""
    value = value.detach()
    if size() == 1:
        return value
    value = value.clone()
    dist.all_reduce(value)
    return value


def gather(value: Tensor) -> list[Tensor]:
    """`value` of every worker, in rank order."""
    if size() == 1:
        return [value]
    found = [torch.empty_like(value) for _ in range(size())]
    dist.all_gather(found, value.contiguous())
    return found


def average_buffers_(nets: Iterable[nn.Module]) -> None:
    """Floating buffers (BatchNorm statistics) become their mean over the workers, so that all hold the same networks."""
    if size() == 1:
        return
    buffers = [b for net in nets for b in net.buffers() if b.is_floating_point()]
    if not buffers:
        return
    flat = total(torch.cat([b.flatten() for b in buffers])) / size()
    for buffer, part in zip(buffers, flat.split([b.numel() for b in buffers]), strict=True):
        buffer.copy_(part.view_as(buffer))

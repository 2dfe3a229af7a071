"""Accelerate's part: device, autocast, backward, prepared optimisers, data-parallel wrappers."""

from __future__ import annotations

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from ctt_ray.config import ConfigError
from ctt_ray.engine.world import Group


def make_accelerator(precision: str, *, world: int) -> Accelerator:
    """An accelerator that sees exactly `world` processes. Raises ConfigError where it does not.

    `cpu=True` without a GPU is needed: a bare Accelerator() in a CPU worker group silently trains every rank alone.
    Accelerate's own state outlives a run in a reused process, hence the reset.
    """
    AcceleratorState._reset_state(reset_partial_state=True)
    accelerator = Accelerator(
        cpu=not torch.cuda.is_available(),
        mixed_precision=precision,
        step_scheduler_with_optimizer=False,
    )
    if accelerator.num_processes != world:
        raise ConfigError(
            f"Accelerate sees {accelerator.num_processes} processes, the run has {world} workers: each would train alone. "
            "Start workers with `python -m ctt_ray.train --workers N`, not by hand."
        )
    return accelerator


def wrapped(net: nn.Module, accelerator: Accelerator, data: Group, *, sync_batchnorm: bool = False) -> nn.Module:
    """The network with autocast, and with gradients averaged over the workers that hold it too.

    Accelerate's own wrapper would average over all workers, also those with another student; `evaluation_mode` leaves it
    out. BatchNorm's buffers are not taken from the first worker: the engine averages them (Group.average_buffers_).
    """
    if data.size == 1:
        return accelerator.prepare_model(net, evaluation_mode=True)
    if sync_batchnorm:
        net = nn.SyncBatchNorm.convert_sync_batchnorm(net, data.handle)
    inner = accelerator.prepare_model(net, evaluation_mode=True)
    devices = [accelerator.device] if accelerator.device.type == "cuda" else None
    return DistributedDataParallel(inner, device_ids=devices, process_group=data.handle, forward_sync_buffers=False)

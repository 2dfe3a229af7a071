"""Accelerate's part: device, autocast, backward, prepared optimisers, data-parallel wrappers."""

from __future__ import annotations

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedDataParallelKwargs

from ctt_ray.config import ConfigError


def make_accelerator(precision: str, *, world: int) -> Accelerator:
    """An accelerator that sees exactly `world` processes. Raises ConfigError where it does not.

    `cpu=True` without a GPU is needed: a bare Accelerator() in a CPU worker group silently trains every rank alone.
    Accelerate's own state outlives a run in a reused process, hence the reset. BatchNorm buffers are not broadcast from
    rank 0: the engine averages them (world.average_buffers_).
    """
    AcceleratorState._reset_state(reset_partial_state=True)
    accelerator = Accelerator(
        cpu=not torch.cuda.is_available(),
        mixed_precision=precision,
        step_scheduler_with_optimizer=False,
        kwargs_handlers=[DistributedDataParallelKwargs(broadcast_buffers=False)],
    )
    if accelerator.num_processes != world:
        raise ConfigError(
            f"Accelerate sees {accelerator.num_processes} processes, the run has {world} workers: each would train alone. "
            "Start workers with `python -m ctt_ray.train --workers N`, not by hand."
        )
    return accelerator

"""Students, their teachers and their optimisers, built from a plan and a configuration."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import nn

from ctt_ray import nets
from ctt_ray.config import ConfigError, NetConfig, OptimConfig
from ctt_ray.plan import Plan

SEEDS_PER_RUN = 1009  # a student's seed is seed * SEEDS_PER_RUN + its index: no two students of any two runs share one


def build_students(
    plan: Plan,
    config: NetConfig,
    *,
    classes: int,
    seed: int,
    held: Callable[[int], bool] = lambda index: True,
    turn: int = 0,
) -> dict[str, nn.Module]:
    """One network a student that is `held` here, with initial weights of its own wherever it is; others in each `turn`.

    Raises ConfigError for unknown names or unreadable weights."""
    if len(config.init) not in (1, len(plan.students)):
        raise ConfigError(
            f"init names {len(config.init)} weights for {len(plan.students)} students; give one for all, or one a student"
        )
    inits = config.init * len(plan.students) if len(config.init) == 1 else config.init
    try:
        return {
            name: nets.build(
                arch=config.arch,
                backbone=config.backbone,
                classes=classes,
                feature_dim=config.feature_dim,
                output_stride=config.output_stride,
                width=config.width,
                dropout=config.dropout,
                init=init,
                seed=seed * SEEDS_PER_RUN + index + len(plan.students) * turn,
            )
            for index, (name, init) in enumerate(zip(plan.students, inits, strict=True))
            if held(index)
        }
    except (ValueError, OSError) as error:
        raise ConfigError(str(error)) from None


def build_teachers(plan: Plan, students: Mapping[str, nn.Module]) -> dict[str, nn.Module]:
    """Every teacher of these students starts as a copy of its leader: equal values, storage of its own, no gradient."""
    leaders = {name: plan.leader(name) for name in plan.teachers}
    return {
        name: copy.deepcopy(students[leader]).requires_grad_(False)
        for name, leader in leaders.items()
        if leader in students
    }


def optimiser(net: nn.Module, config: OptimConfig) -> torch.optim.SGD:
    """SGD in two groups, backbone and head; each keeps its own `base_lr` for the schedule."""
    backbone = list(net.backbone.parameters())  # type: ignore[union-attr]
    known = {id(p) for p in backbone}
    head = [p for p in net.parameters() if id(p) not in known]
    rates = (config.lr, config.lr * config.lr_head_factor)
    groups = [{"params": params, "lr": lr, "base_lr": lr} for params, lr in zip((backbone, head), rates, strict=True)]
    return torch.optim.SGD(groups, lr=config.lr, momentum=config.momentum, weight_decay=config.weight_decay)


@contextmanager
def statistics_kept(net: nn.Module, *, kept: bool) -> Iterator[None]:
    """Inside, if `kept`, a forward pass normalises with its batch and leaves BatchNorm's running statistics alone."""
    norms = [module for module in net.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm) and kept]
    momenta = [norm.momentum for norm in norms]
    try:
        for norm in norms:
            norm.momentum = 0.0
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum


def set_mode(net: nn.Module, *, training: bool, batchnorm: bool) -> None:
    """Train or eval mode, with BatchNorm's own switch: True normalises with the batch and updates the statistics."""
    net.train(training)
    for module in net.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.train(batchnorm)

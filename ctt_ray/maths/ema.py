"""How teachers move: the only place where one network's tensors are written from another's.  docs/equations.md#ema"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import torch
from torch import Tensor, nn

Buffers = Literal["average", "copy", "own"]


def decay_at(step: int, decay: float) -> float:
    """α_t = min(1 - 1/(t+1), α): the first update (t = 0) copies, the second is the plain mean, then α is reached."""
    return min(1 - 1 / (step + 1), decay)


@torch.no_grad()
def follow_(
    follower: nn.Module, leader: nn.Module, *, decay: float, skip: tuple[str, ...] = (), buffers: Buffers = "average"
) -> None:
    """follower ← decay·follower + (1 - decay)·leader, in place; decay 0 copies bit for bit.

    skip: names of submodules or tensors ("classifier" skips classifier.weight and all below) that stay as they are.
    buffers: `average` floating ones like parameters, integer ones copied; `copy` all copied; `own` left alone (such a
    follower has to run in train mode, or its BatchNorm statistics stay the initial ones).
    Raises ValueError where the networks differ in names, or share memory."""
    if not 0 <= decay <= 1:
        raise ValueError(f"an EMA decay lies in [0, 1], found {decay}")
    if buffers not in ("average", "copy", "own"):
        raise ValueError(f"unknown buffer policy {buffers!r}; use 'average', 'copy' or 'own'")
    parameters = _pairs(follower.named_parameters(), leader.named_parameters(), skip)
    stored = [] if buffers == "own" else _pairs(follower.named_buffers(), leader.named_buffers(), skip)
    _refuse_shared(parameters + stored)
    floating = [pair for pair in stored if pair[1].is_floating_point() and buffers == "average"]
    _lerp_(parameters + floating, decay)
    _lerp_([pair for pair in stored if not pair[1].is_floating_point() or buffers == "copy"], 0.0)


Named = Iterable[tuple[str, Tensor]]
Pair = tuple[str, Tensor, Tensor]  # name, follower's tensor, leader's tensor


def _pairs(follower: Named, leader: Named, skip: tuple[str, ...]) -> list[Pair]:
    mine, theirs = dict(follower), dict(leader)
    if mine.keys() != theirs.keys():
        odd = sorted(mine.keys() ^ theirs.keys())[0]
        raise ValueError(
            f"follower and leader are different networks: only one of them has {odd!r}; build both by the same call, "
            "and hand over the plain module, not a distributed wrapper"
        )
    return [(name, mine[name], theirs[name]) for name in mine if not _skipped(name, skip)]


def _skipped(name: str, skip: tuple[str, ...]) -> bool:
    return any(name == prefix or name.startswith(prefix + ".") for prefix in skip)


def _refuse_shared(pairs: list[Pair]) -> None:
    for name, mine, theirs in pairs:
        if mine.numel() and mine.data_ptr() == theirs.data_ptr():
            raise ValueError(
                f"follower and leader share the memory of {name!r}, so training one moves the other; "
                "make the follower by copy.deepcopy(leader) or load_state_dict, never by assigning tensors"
            )


def _lerp_(pairs: list[Pair], decay: float) -> None:
    if not pairs:
        return
    mine = [pair[1] for pair in pairs]
    theirs = [pair[2] for pair in pairs]
    if decay == 0:
        torch._foreach_copy_(mine, theirs)
    else:
        torch._foreach_lerp_(mine, theirs, 1 - decay)

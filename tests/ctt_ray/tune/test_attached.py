"""A campaign whose own Ray node has died ends instead of waiting for ever."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ctt_ray.cli import ClusterError
from ctt_ray.tune.attached import LOOK_EVERY_S, Attached


def test_it_looks_now_and_then_and_ends_the_campaign_once_the_node_is_dead() -> None:
    clock: list[float] = [0.0]
    answers: Iterator[bool] = iter([True, True, False])
    attached = Attached(alive=lambda: next(answers), clock=lambda: clock[0])
    for now in (0.0, LOOK_EVERY_S / 2, LOOK_EVERY_S, 1.5 * LOOK_EVERY_S):  # asked twice
        clock[0] = now
        attached.on_step_begin(0, [])
    clock[0] = 2 * LOOK_EVERY_S
    with pytest.raises(ClusterError, match="the same command again"):
        attached.on_step_begin(0, [])

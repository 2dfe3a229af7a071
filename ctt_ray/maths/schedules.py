"""Factors that depend on the step alone."""

from __future__ import annotations

import math


def poly(step: int, total: int, power: float = 0.9) -> float:
    """(1 - t/T)^power for t < T, then 0: multiply *every* group's own lr by it."""
    if total < 1:
        raise ValueError(f"a schedule needs at least one step, found total={total}")
    return float(max(0.0, 1 - step / total) ** power)


def ramp_up(progress: float, share: float) -> float:
    """exp(-5 (1 - progress/share)²) until progress, a share of the run, reaches `share`, then 1. share 0: always 1."""
    if progress >= share:
        return 1.0
    return math.exp(-5 * (1 - progress / share) ** 2)

"""Factors that depend on the step alone."""

from __future__ import annotations


def poly(step: int, total: int, power: float = 0.9) -> float:
    """(1 - t/T)^power for t < T, then 0: multiply *every* group's own lr by it."""
    if total < 1:
        raise ValueError(f"a schedule needs at least one step, found total={total}")
    return float(max(0.0, 1 - step / total) ** power)

"""Means of few runs with their intervals. Pure arithmetic, standard library only.

Student's t quantiles are computed from the closed form of the distribution for whole degrees of freedom (Abramowitz and
Stegun 26.7.3 and 26.7.4): exact, and no reason to depend on SciPy for one number. A bootstrap of three runs has ten
different resamples and is far too narrow; the t interval knows how few they are, and assumes normal noise.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

LEVEL = 0.95
LEAST = 3  # runs that an interval needs: with two, t is 12.7 and the interval says nothing
Verdict = Literal["better", "worse", "not separable", "too few runs", "always equal"]


@dataclass(frozen=True)
class Estimate:
    """Mean of `count` values with the ends of its t interval, which are None below LEAST values; mean None for none."""

    count: int
    mean: float | None
    low: float | None = None
    high: float | None = None

    @property
    def verdict(self) -> Verdict:
        """Of a difference: whether its interval is on one side of 0."""
        if self.low is None or self.high is None:
            return "too few runs"
        if self.low == self.high == 0:
            return "always equal"
        if self.low > 0:
            return "better"
        return "worse" if self.high < 0 else "not separable"


def estimate(values: Sequence[float], level: float = LEVEL) -> Estimate:
    """mean ± t(n-1) s / √n with s the sample standard deviation (n-1)."""
    count = len(values)
    if not count:
        return Estimate(0, None)
    mean = math.fsum(values) / count
    if count < LEAST:
        return Estimate(count, mean)
    spread = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (count - 1))
    half = t_quantile(count - 1, level) * spread / math.sqrt(count)
    return Estimate(count, mean, mean - half, mean + half)


def paired(one: Mapping[int, float], other: Mapping[int, float], level: float = LEVEL) -> Estimate:
    """The mean difference one - other over the keys (seeds) that both have: what the seed does to both cancels."""
    return estimate([one[key] - other[key] for key in one if key in other], level)


def t_quantile(freedom: int, level: float = LEVEL) -> float:
    """t such that a share `level` of Student's distribution lies in [-t, t]. freedom >= 1, 0 < level < 1."""
    if freedom < 1 or not 0 < level < 1:
        raise ValueError(f"freedom={freedom}, level={level}: needed are freedom >= 1 and 0 < level < 1.")
    low, high = 0.0, 1.0
    while t_share(high, freedom) < level:
        low, high = high, 2 * high
    while (middle := (low + high) / 2) not in (low, high):
        low, high = (middle, high) if t_share(middle, freedom) < level else (low, middle)
    return high


def t_share(t: float, freedom: int) -> float:
    """The share of Student's distribution in [-t, t].

    With θ = atan(t / √ν): odd ν  2/π (θ + sin θ (cos θ + 2/3 cos³ θ + ...  to cos^(ν-2))), for ν = 1  2θ/π;
    even ν  sin θ (1 + 1/2 cos² θ + 1·3/(2·4) cos⁴ θ + ...  to cos^(ν-2))."""
    angle = math.atan(t / math.sqrt(freedom))
    odd = freedom % 2
    term = math.cos(angle) if odd else 1.0
    total = 0.0
    for power in range(odd, freedom - 1, 2):
        total += term
        term *= (power + 1) / (power + 2) * math.cos(angle) ** 2
    inside = math.sin(angle) * total
    return 2 / math.pi * (angle + inside) if odd else inside

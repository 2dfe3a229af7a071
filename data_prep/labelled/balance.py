"""Pixel balance: the next image is the one that brings the class shares of what is chosen nearest to a target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum

import numpy as np
import numpy.typing as npt

from data_prep.labelled.pool import Pixels

WINDOW = 32  # candidates a step, the next ones in seeded order: enough to steer by, few enough that seeds differ


@dataclass(frozen=True)
class Balance:
    """Target shares of the classes, (K,) float64, 0 where a class plays no part."""

    target: npt.NDArray[np.float64]

    def nearest(self, total: Pixels, candidates: Sequence[Pixels]) -> int:
        """Place of the candidate whose pixels, added to `total`, make the smallest distance; the first of equal ones.

        The distance is sum over classes of (share - target)² / target, which counts a rare class's miss as much as a
        common one's. Sums are exact (fsum), so that every machine chooses the same."""
        counted = self.target > 0
        sums_NK = (np.stack(list(candidates)) + total)[:, counted]
        shares_NK = sums_NK / np.maximum(sums_NK.sum(1, keepdims=True), 1)
        miss_NK = (shares_NK - self.target[counted]) ** 2 / self.target[counted]
        distances = [fsum(row) for row in miss_NK.tolist()]
        return min(range(len(distances)), key=distances.__getitem__)


def follow(pixels: Sequence[int]) -> Balance:
    """The target is the class shares of these pixels, (K,) counts."""
    counts = np.array(pixels, np.int64)
    return Balance(counts / max(1, int(counts.sum())))


def equal(pixels: Sequence[int]) -> Balance:
    """The target is the same share for every class that has pixels at all."""
    return follow([min(1, count) for count in pixels])


def share_distance(pixels: Sequence[int], others: Sequence[int]) -> float:
    """Total variation between two sets' class shares, in [0, 1]: the part of the pixels that would have to change class."""
    first, second = follow(pixels).target, follow(others).target
    return fsum(np.abs(first - second).tolist()) / 2

"""Running means of what a step measured; they stay on the device until somebody reads them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ctt_ray.engine.views import Target
from ctt_ray.engine.world import World
from ctt_ray.maths import labels

Counts = dict[str, tuple[Tensor, Tensor]]  # name → (numerator, denominator)


class Meter:
    """Sums since the last `read`. A loss is this worker's share of its data group's value, so sums over workers are the value.
    Counts of what several workers see alike are summed above and below, so their quotient stays."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._sums: dict[str, Tensor] = {}
        self._weights: dict[str, Tensor] = {}

    def add(self, key: str, value: Tensor) -> None:
        self._accumulate(
            key, value.detach().float(), torch.full_like(value.detach().float(), 1.0 / self._world.data.size)
        )

    def add_counts(self, counts: Mapping[str, tuple[Tensor, Tensor]]) -> None:
        for key, (above, below) in counts.items():
            self._accumulate(key, above.float(), below.float())

    def _accumulate(self, key: str, value: Tensor, weight: Tensor) -> None:
        self._sums[key] = self._sums[key] + value if key in self._sums else value
        self._weights[key] = self._weights[key] + weight if key in self._weights else weight

    def read(self, *, anew: bool = True) -> dict[str, float]:
        """Means over the steps since the last call, over all workers, and start anew if asked to. One transfer to the host."""
        keys = self._world.everyone.union(self._sums)
        if not keys:
            return {}
        nothing = torch.zeros((), device=next(iter(self._sums.values())).device)
        table = [torch.stack([part.get(key, nothing) for key in keys]) for part in (self._sums, self._weights)]
        pairs = self._world.everyone.total(torch.stack(table, 1)).tolist()
        if anew:
            self._sums, self._weights = {}, {}
        return {key: value / weight for key, (value, weight) in zip(keys, pairs, strict=True) if weight > 0}


def pseudo_label_counts(targets: Mapping[str, Target], truth_BHW: Tensor, threshold: float) -> Counts:
    """How sure the teachers are, how often right where the data set knows the truth, and how alike.

    pseudo/coverage: share of valid pixels with confidence >= threshold.   pseudo/accuracy, pseudo/accuracy_sure: right ones among
    the pixels with known truth, and among the sure ones of these.   pairs/agree: the first two teachers say the same.
    pairs/common_error: both wrong, of those where the first is wrong. No loss reads the truth.
    """
    if not targets:
        return {}
    first = next(iter(targets.values()))
    inside, known = labels.valid(first.label_BHW), labels.valid(truth_BHW)
    sure, right = inside & (first.conf_BHW >= threshold), first.label_BHW == truth_BHW
    counts: Counts = {
        "pseudo/coverage": (sure.sum(), inside.sum()),
        "pseudo/accuracy": ((known & right).sum(), known.sum()),
        "pseudo/accuracy_sure": ((known & right & sure).sum(), (known & sure).sum()),
    }
    if len(targets) > 1:
        second = list(targets.values())[1]
        wrong = known & ~right
        counts["pairs/agree"] = ((inside & (first.label_BHW == second.label_BHW)).sum(), inside.sum())
        counts["pairs/common_error"] = ((wrong & (second.label_BHW != truth_BHW)).sum(), wrong.sum())
    return counts

"""What a step measures beside its losses: sums that stay on the device until a report reads them. docs/diagnostics.md"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

import torch
from torch import Tensor

from ctt_ray.engine.views import Target
from ctt_ray.engine.world import World
from ctt_ray.maths import labels, metrics
from ctt_ray.nets import NetOut
from ctt_ray.plan import Follow

Counts = dict[str, tuple[Tensor, Tensor]]  # name → (numerator, denominator), 0-d or of one axis
BINS = 10  # of the confidence histogram
OUTCOMES = 3  # of a pseudo-label: its truth is not known, it is wrong, it is right


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
            self._accumulate(key, above.float(), below.float().expand_as(above))

    def _accumulate(self, key: str, value: Tensor, weight: Tensor) -> None:
        self._sums[key] = self._sums[key] + value if key in self._sums else value
        self._weights[key] = self._weights[key] + weight if key in self._weights else weight

    def read(self, *, anew: bool = True) -> dict[str, float]:
        """Means over the steps since the last call, over all workers, and start anew if asked to. One transfer to the host.
        What has an axis is read as KEY/0, KEY/1, ...; what there was nothing to divide by is left out."""
        names = [name for key, value in self._sums.items() for name in _names(key, value)]
        keys = self._world.everyone.union(names)
        if not keys:
            return {}
        table = torch.zeros(len(keys), 2, device=next((value.device for value in self._sums.values()), None))
        place = {key: row for row, key in enumerate(keys)}
        if names:
            parts = [torch.cat([value.flatten() for value in part.values()]) for part in (self._sums, self._weights)]
            table[[place[name] for name in names]] = torch.stack(parts, 1).to(table.dtype)
        pairs = self._world.everyone.total(table).tolist()
        if anew:
            self._sums, self._weights = {}, {}
        return {key: value / weight for key, (value, weight) in zip(keys, pairs, strict=True) if weight > 0}


def _names(key: str, value: Tensor) -> Iterator[str]:
    if value.dim() == 0:
        yield key
    else:
        yield from (f"{key}/{index}" for index in range(len(value)))


@torch.no_grad()
def pseudo_label_counts(targets: Mapping[str, Target], truth_BHW: Tensor, threshold: float, classes: int) -> Counts:
    """How sure the teachers are, how often right where the data set knows the truth, and how alike. All teachers count alike.

    truth_BHW: ids of the unlabelled images, VOID where they are hidden for good; no loss reads them.   classes: K.
    pseudo/coverage: share of the pixels inside the images with confidence >= threshold.
    pseudo/accuracy, pseudo/accuracy_sure: right ones among the pixels with known truth, and among the sure ones of these.
    pseudo/precision (K,): right ones among the pixels with known truth that are given to a class.
    pseudo/predicted/TEACHER (K,): share of the pixels that it gives to each class.
    pseudo/confidence (BINS,): share of the pixels in each tenth of confidence.   pairs/: `pair_counts`.   Nothing for no targets.
    """
    if not targets:
        return {}
    known_BHW = labels.valid(truth_BHW)
    counts: Counts = {}
    tables, bins = [], []
    for name, target in targets.items():
        inside_BHW = labels.valid(target.label_BHW)
        outcome_BHW = known_BHW.long() + (known_BHW & (target.label_BHW == truth_BHW))
        sure_BHW = target.conf_BHW >= threshold
        bin_BHW = (target.label_BHW.long() * OUTCOMES + outcome_BHW) * 2 + sure_BHW
        table_KO2 = metrics.tally(bin_BHW, inside_BHW, classes * OUTCOMES * 2).view(classes, OUTCOMES, 2)
        sure_or_0_BHW = target.conf_BHW.nan_to_num()  # a diverged teacher's is no number
        tenth_BHW = (sure_or_0_BHW * BINS).long().clamp(max=BINS - 1)
        bins.append(metrics.tally(tenth_BHW, inside_BHW, BINS))
        counts[f"pseudo/predicted/{name}"] = (table_KO2.sum((1, 2)), table_KO2.sum())
        tables.append(table_KO2)
    table_KO2, bin_N = torch.stack(tables).sum(0), torch.stack(bins).sum(0)
    known_K2, right_K2 = table_KO2[:, 1:].sum(1), table_KO2[:, 2]
    return counts | {
        "pseudo/coverage": (table_KO2[..., 1].sum(), table_KO2.sum()),
        "pseudo/accuracy": (right_K2.sum(), known_K2.sum()),
        "pseudo/accuracy_sure": (right_K2[:, 1].sum(), known_K2[:, 1].sum()),
        "pseudo/precision": (right_K2.sum(1), known_K2.sum(1)),
        "pseudo/confidence": (bin_N, bin_N.sum()),
        **pair_counts(targets, truth_BHW),
    }


def pair_counts(targets: Mapping[str, Target], truth_BHW: Tensor) -> Counts:
    """How alike teachers are, over all pairs of them.   pairs/agree: share of the pixels inside the images with the same label.
    pairs/common_error: of one teacher's wrong labels, the share where the other is wrong too.   Nothing for one teacher."""
    same, inside, both, wrong = [], [], [], []
    known_BHW = labels.valid(truth_BHW)
    for one, other in combinations([target.label_BHW for target in targets.values()], 2):
        inside_BHW = labels.valid(one)
        wrong_one, wrong_other = (known_BHW & (label_BHW != truth_BHW) for label_BHW in (one, other))
        same.append((inside_BHW & (one == other)).sum())
        inside.append(inside_BHW.sum())
        both.append(2 * (wrong_one & wrong_other).sum())
        wrong.append(wrong_one.sum() + wrong_other.sum())
    if not same:
        return {}
    return {
        "pairs/agree": (torch.stack(same).sum(), torch.stack(inside).sum()),
        "pairs/common_error": (torch.stack(both).sum(), torch.stack(wrong).sum()),
    }


@torch.no_grad()
def follow_counts(outs: Mapping[str, NetOut], targets: Mapping[str, Target], follows: Sequence[Follow]) -> Counts:
    """follow/disagree/STUDENT-TEACHER: share of the pixels inside the images where a student on the strong view says another
    class than the teacher that follows it says of the weak one, mixed alike; at the size of the student's output.

    outs: of the students of this worker, on the view that targets were mixed for. Who is in neither of the two is left out.
    """
    counts: Counts = {}
    for follow in follows:
        if follow.leader in outs and follow.follower in targets:
            logits_BKhw = outs[follow.leader].logits_BKhw.detach()
            size = (logits_BKhw.shape[-2], logits_BKhw.shape[-1])
            target_Bhw = labels.nearest(targets[follow.follower].label_BHW, size)
            inside_Bhw = labels.valid(target_Bhw)
            other_Bhw = inside_Bhw & (logits_BKhw.max(1).indices != target_Bhw)
            counts[f"follow/disagree/{follow.leader}-{follow.follower}"] = (other_Bhw.sum(), inside_Bhw.sum())
    return counts


def label_counts(label_Bhw: Tensor, classes: int) -> Counts:
    """labels/share (K,): share of each class among the labelled pixels with a class, to hold the teachers' shares against."""
    count_K = metrics.tally(label_Bhw, labels.valid(label_Bhw), classes)
    return {"labels/share": (count_K, count_K.sum())}

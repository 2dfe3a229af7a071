"""What a report says of the networks beside losses and scores: the meter's sums by class name, distances between weights,
how full the banks are. Made at reports only. docs/diagnostics.md"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ctt_ray.engine.banks import Banks
from ctt_ray.engine.diagnostics import BINS, Counts
from ctt_ray.engine.world import World
from ctt_ray.plan import Follow

if TYPE_CHECKING:
    from ctt_ray.engine import Engine

BY_CLASS = ("pseudo/precision", "labels/share")
PREDICTED, CONFIDENCE, LABELLED = "pseudo/predicted", "pseudo/confidence", "labels/share"


def measured(engine: Engine, classes: Sequence[str]) -> dict[str, float]:
    """Everything since the last report, over all workers, which have to ask together; the meter starts anew.

    classes: names of the K classes."""
    plan = engine.plan
    engine.meter.add_counts(
        weight_distances(plan.students, engine.students, engine.teachers, plan.follows, engine.world)
    )
    return named(engine.meter.read(), classes)


def named(values: Mapping[str, float], classes: Sequence[str]) -> dict[str, float]:
    """The meter's KEY/3 as KEY/CLASS, or KEY/0.3 for the lower end of a confidence bin. Teachers' shares become

    pseudo/predicted/CLASS, their mean · pseudo/top_share/TEACHER: of the class that it says most · pseudo/never: share of the
    classes of the labelled images that no teacher says anywhere; labels/top_share: of the labelled images' commonest class."""
    found, shares = dict(values), _vectors(values, PREDICTED, len(classes))
    for teacher, share_K in shares.items():
        for index in range(len(classes)):
            found.pop(f"{PREDICTED}/{teacher}/{index}", None)
        found[f"pseudo/top_share/{teacher}"] = max(share_K)
    predicted_K = [sum(column) / len(shares) for column in zip(*shares.values(), strict=True)]
    found |= {f"{PREDICTED}/{name}": share for name, share in zip(classes, predicted_K, strict=bool(shares))}
    labelled_K = [values.get(f"{LABELLED}/{index}", 0.0) for index in range(len(classes))]
    if any(labelled_K):
        found["labels/top_share"] = max(labelled_K)
    if shares and any(labelled_K):
        missing = [share == 0 for share, labelled in zip(predicted_K, labelled_K, strict=True) if labelled > 0]
        found["pseudo/never"] = sum(missing) / len(missing)
    renamed = {f"{key}/{index}": f"{key}/{name}" for key in BY_CLASS for index, name in enumerate(classes)}
    renamed |= {f"{CONFIDENCE}/{index}": f"{CONFIDENCE}/{index / BINS:g}" for index in range(BINS)}
    return {renamed.get(key, key): value for key, value in found.items()}


def _vectors(values: Mapping[str, float], key: str, size: int) -> dict[str, list[float]]:
    """KEY/WHO/0, KEY/WHO/1, ... of `values` as WHO → its `size` values."""
    who = {name.removeprefix(f"{key}/").rpartition("/")[0] for name in values if name.startswith(f"{key}/")}
    return {name: [values[f"{key}/{name}/{index}"] for index in range(size)] for name in sorted(who)}


@torch.no_grad()
def weight_distances(
    order: Sequence[str],
    students: Mapping[str, nn.Module],
    teachers: Mapping[str, nn.Module],
    follows: Sequence[Follow],
    world: World,
) -> Counts:
    """d(A, B) = ‖θ_A − θ_B‖ / sqrt(‖θ_A‖·‖θ_B‖) over all parameters: 0 is one network, √2 two of one size, at right angles.

    pairs/distance/A-B: of every two students · follow/distance/STUDENT-TEACHER: of a student held here and what follows it.
    order: all students of the plan.   No distance where it is no number: that a run has diverged is said by its losses.
    Spread students travel, a parameter at a time, so every worker has to ask. BatchNorm's statistics do not count.
    """
    held = [list(students[name].parameters()) for name in order if name in students]
    squares_SS = _squares(_everyone(parameters, world) for parameters in zip(*held, strict=True))
    found = {
        f"pairs/distance/{first}-{second}": _distance(squares_SS, a, b)
        for (a, first), (b, second) in combinations(enumerate(order), 2)
    }
    for follow in follows:
        if follow.leader in students and follow.follower in teachers:
            two = zip(students[follow.leader].parameters(), teachers[follow.follower].parameters(), strict=True)
            found[f"follow/distance/{follow.leader}-{follow.follower}"] = _distance(_squares(two), 0, 1)
    return {key: (distance.nan_to_num(), distance.isfinite()) for key, distance in found.items()}


def _everyone(parameters: Sequence[Tensor], world: World) -> Sequence[Tensor]:
    """One parameter of all students, in the plan's order."""
    return parameters if world.peers.size == 1 else world.peers.gather(parameters[0].detach())


def _squares(rows: Iterable[Sequence[Tensor]]) -> Tensor:
    """squares_SS: ‖θ_a − θ_b‖² beside the diagonal, ‖θ_a‖² on it.   rows: one parameter of all S networks after the other."""
    total: Tensor | None = None
    for row in rows:
        gaps = [[(one if one is other else one - other).square().sum() for other in row] for one in row]
        part_SS = torch.stack([torch.stack(line) for line in gaps])
        total = part_SS if total is None else total + part_SS
    assert total is not None, "a network has parameters"
    return total


def _distance(squares_SS: Tensor, a: int, b: int) -> Tensor:
    return (squares_SS[a, b] / (squares_SS[a, a] * squares_SS[b, b]).sqrt()).sqrt()


def fill(banks: Banks, classes: Sequence[str]) -> dict[str, float | int | str]:
    """bank/fill/TEACHER/CLASS: rows in each queue · bank/min_fill, bank/mean_fill: over all of them · bank/opened_at: the
    iteration at which the gate opened, or -1.   Nothing without banks."""
    rows = banks.fill()
    every = [count for counts in rows.values() for count in counts]
    if not every:
        return {}
    return {
        "bank/min_fill": min(every),
        "bank/mean_fill": sum(every) / len(every),
        "bank/opened_at": banks.opened_at,
        **{
            f"bank/fill/{teacher}/{name}": count
            for teacher, counts in rows.items()
            for name, count in zip(classes, counts, strict=True)
        },
    }

"""A rough forecast of what a campaign costs, in steps of training; in hours once trials of it have been timed."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from ctt_ray.tune import budget
from ctt_ray.tune.budget import Budget
from ctt_ray.tune.capacity import Capacity
from ctt_ray.tune.folder import Folder, Record
from ctt_ray.tune.settings import Settings


def steps(trials: int, rungs: Sequence[int], iterations: int, reduction: int) -> float:
    """Training steps of all trials if each rung lets 1/reduction of its trials on. Asynchronous halving lets more on
    early in a campaign, so this is a low estimate; without rungs it is exact."""
    ends = [*rungs, iterations]
    starts = [0, *rungs]
    return sum(trials / reduction**k * (end - start) for k, (start, end) in enumerate(zip(starts, ends, strict=True)))


def lines(settings: Settings, records: Sequence[Record], concurrent: int) -> list[str]:
    """The forecast in words, for what is left of the campaign."""
    left = settings.trials - sum(record.outcome is not None for record in records)
    full = left * settings.iterations
    expected = steps(left, settings.rungs, settings.iterations, settings.reduction)
    said = [
        f"forecast   {left} of {settings.trials} trials left: about {expected:,.0f} steps of training "
        f"({expected / settings.iterations:.1f} full runs; {full:,} steps if none is stopped early)"
    ]
    per_step = seconds_a_step(records)
    if per_step and left:
        hours = per_step * expected / 3600
        at_once = f"{hours / concurrent:.2f} h with {concurrent} at once"
        said.append(f"           {1000 * per_step:.0f} ms a step so far: {hours:.2f} trial-hours, {at_once}")
    elif left:
        said.append("           in hours: unknown before the first trial of this campaign has run")
    return said


def seconds_a_step(records: Sequence[Record]) -> float | None:
    """Median over the trials that were timed; None before the first."""
    speeds = [record.seconds / record.iteration for record in records if record.iteration and record.seconds]
    return statistics.median(speeds) if speeds else None


def trial_hours(settings: Settings, records: Sequence[Record]) -> float | None:
    """Of training, for what is left of the campaign; None before a trial was timed."""
    per_step = seconds_a_step(records)
    left = settings.trials - sum(record.outcome is not None for record in records)
    expected = steps(left, settings.rungs, settings.iterations, settings.reduction)
    return None if per_step is None else per_step * expected / 3600


def budget_line(allowed: Budget, settings: Settings, folder: Folder, room: Capacity, *, workers: int) -> str:
    """What is used of the budget, and whether the rest is enough for the forecast."""
    devices = workers * (room.gpus if allowed.unit == "gpuh" else room.cpus)
    hours = trial_hours(settings, folder.records())
    return budget.forecast(allowed, budget.used(folder, allowed.unit), hours=hours, devices=devices)

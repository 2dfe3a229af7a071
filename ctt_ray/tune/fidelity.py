"""Comparing like with like: a trial's score counts at a step of the ladder that others reached too, never at its own last one.

Pure functions of the trials' records. A failed trial has no score, and what is not a number is none.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ctt_ray.train.session import SCORE
from ctt_ray.tune.folder import Record


@dataclass(frozen=True)
class Level:
    """A step (iteration) of the ladder and how many trials have a score there."""

    step: int
    reached: int


def levels(records: Sequence[Record], rungs: Sequence[int], iterations: int) -> list[Level]:
    """The ladder from its lowest rung to the full length, with the number of trials that reached each. Empty levels stay."""
    return [Level(step, len(at(records, step))) for step in sorted({*rungs, iterations})]


def at(records: Iterable[Record], step: int) -> dict[str, float]:
    """Trial id → score at exactly that step, in the order of the records; only the trials that reached it."""
    scored = ((record, score_at(record, step)) for record in records)
    return {record.id: score for record, score in scored if score is not None}


def score_at(record: Record, step: int) -> float | None:
    """One trial's score at that step, or None: not reached, not a number, or the trial failed."""
    if record.outcome is not None and record.outcome.state == "failed":
        return None
    for line in record.lines:
        if int(line["iteration"]) == step:
            score = float(line[SCORE])
            return score if math.isfinite(score) else None
    return None


def highest(ladder: Sequence[Level], least: int = 1) -> Level | None:
    """The highest level that at least `least` trials reached, or None where none has."""
    return next((level for level in reversed(ladder) if level.reached >= least), None)


def reached(record: Record, ladder: Iterable[Level]) -> int:
    """The highest step of the ladder at which this trial has a score; 0 below the first."""
    return max((level.step for level in ladder if score_at(record, level.step) is not None), default=0)

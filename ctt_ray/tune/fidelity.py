"""Comparing like with like: a trial's score counts at a step of the ladder that others reached too, never at its own last one.

Pure functions of the trials' records. A failed trial has no score, and what is not a number is none.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ctt_ray.train.session import SCORE
from ctt_ray.tune.folder import Record

ENOUGH = 8  # trials at a level that a comparison of many looks for


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


def last(record: Record) -> float | None:
    """The score of its last report, or None: no report, not a number, or it failed."""
    return score_at(record, record.iteration)


def highest(ladder: Sequence[Level], least: int = 1) -> Level | None:
    """The highest level that at least `least` trials reached, or None where none has."""
    return next((level for level in reversed(ladder) if level.reached >= least), None)


def common(ladder: Sequence[Level], least: int = ENOUGH) -> Level | None:
    """Where to compare many trials: the highest level that `least` reached, else the fullest (or highest of them), else None."""
    fullest = max(ladder, key=lambda level: (level.reached, level.step), default=None)
    return highest(ladder, least) or (fullest if fullest is not None and fullest.reached else None)


@dataclass(frozen=True)
class Standing:
    """How far up the ladder a trial came, and its score there: what it is ranked by."""

    step: int
    miou: float


def standing(record: Record, steps: Iterable[int]) -> Standing | None:
    """Of a trial that did not fail, at the highest of these steps that it has a score at; below the first (or without
    steps) at its last report; None without a report that is a number."""
    for step in sorted(steps, reverse=True):
        if (score := score_at(record, step)) is not None:
            return Standing(step, score)
    score = last(record)
    return None if score is None else Standing(record.iteration, score)

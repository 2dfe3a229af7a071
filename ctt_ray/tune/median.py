"""Early stopping by the median rule (Golovin et al. 2017, Google Vizier, section 3.2.2): the records are its only state."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

LEAST = 3  # trials to compare with, below which nobody is stopped

Scores = Mapping[int, float]  # iteration → mIoU, finite


def below_median(own: Scores, others: Sequence[Scores], *, grace: int) -> bool:
    """Whether a trial is to be stopped at its last iteration: its best score so far is below the median of the running
    means, up to that iteration, of the trials that have come as far. False before `grace` iterations, and where fewer
    than LEAST others have come as far."""
    step = max(own, default=0)
    if step < grace:
        return False
    means = [
        statistics.fmean(score for at, score in scores.items() if grace <= at <= step)
        for scores in others
        if max(scores, default=0) >= step
    ]
    return len(means) >= LEAST and max(own.values()) < statistics.median(means)

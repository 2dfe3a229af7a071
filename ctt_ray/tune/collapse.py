"""Stops trials whose run has raised the alarm (train/alarm.py): they are told as PRUNED, with the score that they really have.

Not as failed: their number is true, a sampler learns from it to keep away, and a poor parameter is no failure of the campaign.
"""

from __future__ import annotations

from typing import Any

from ray.tune.stopper import Stopper

from ctt_ray.train.alarm import COLLAPSED
from ctt_ray.train.session import Metrics
from ctt_ray.tune.board import Board, log
from ctt_ray.tune.unsaved import Unsaved


class Collapse(Unsaved, Stopper):
    """Ray asks it about every report, before the scheduler. on: without it nothing is stopped."""

    def __init__(self, board: Board, *, on: bool) -> None:
        self.board = board
        self._on = on

    def catch_up(self) -> None:
        """End the trials whose last report raised the alarm before a kill; done before anything is issued."""
        for record in self.board.records:
            if record.outcome is None and record.lines and self._stops(record.id, record.lines[-1]):
                self.board.end(record.id)

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        id = self.board.live.get(trial_id)
        return id is not None and self._stops(id, result)

    def stop_all(self) -> bool:
        return False

    def _stops(self, id: str, result: Metrics) -> bool:
        """A trial at its full length ends by itself, after its last checkpoint is in place."""
        if not self._on or not result.get(COLLAPSED) or int(result.get("iteration", 0)) >= self.board.iterations:
            return False
        log.info("trial %s collapsed: %s", id, result[COLLAPSED])
        self.board.pruned.add(id)
        return True

"""Early stopping: Ray Tune's asynchronous successive halving, keyed by our ids so that its rungs survive a restart."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from ray.tune.schedulers import AsyncHyperBandScheduler, FIFOScheduler, TrialScheduler

from ctt_ray.train.session import SCORE
from ctt_ray.tune.board import Board
from ctt_ray.tune.settings import Settings
from ctt_ray.tune.unsaved import Unsaved


class Asha(Unsaved, AsyncHyperBandScheduler):
    """Notes on the board which trials it stops, and takes up the rungs from the trials' files."""

    def __init__(self, board: Board, *, grace: int, longest: int, reduction: int) -> None:
        super().__init__(
            time_attr="iteration",
            metric=SCORE,
            mode="max",
            grace_period=grace,
            max_t=longest,
            reduction_factor=reduction,
        )
        self.board = board
        self.longest = longest
        for record in board.records:
            trial = _named(record.id)
            super().on_trial_add(None, trial)
            for line in record.lines:
                super().on_trial_result(None, trial, line)

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        super().on_trial_add(tune_controller, _ours(trial))

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        action: str = super().on_trial_result(tune_controller, _ours(trial), result)
        if result.get("iteration", 0) >= self.longest:
            return str(TrialScheduler.CONTINUE)  # it ends by itself, after its last checkpoint is in place
        if action == TrialScheduler.STOP:
            self.board.pruned.add(_ours(trial).trial_id)
        return action

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        super().on_trial_complete(tune_controller, _ours(trial), result)

    def on_trial_remove(self, tune_controller: Any, trial: Any) -> None:
        super().on_trial_remove(tune_controller, _ours(trial))

    def rungs(self) -> dict[int, dict[str, float]]:
        """Iteration → trial id → score: what a decision at that rung looks at."""
        return {int(milestone): dict(recorded) for milestone, recorded in reversed(self._brackets[0]._rungs)}


def make_scheduler(board: Board, settings: Settings) -> FIFOScheduler:
    if not settings.rungs:
        return FIFOScheduler()
    return Asha(board, grace=settings.rungs[0], longest=settings.iterations, reduction=settings.reduction)


def _named(id: str) -> SimpleNamespace:
    return SimpleNamespace(trial_id=id)


def _ours(trial: Any) -> SimpleNamespace:
    """All that halving reads of a trial is its id."""
    return _named(trial.config["trial"])

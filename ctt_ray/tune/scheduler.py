"""Early stopping: Ray Tune's asynchronous successive halving, keyed by our ids so that its rungs survive a restart."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

from ray.tune.schedulers import AsyncHyperBandScheduler, FIFOScheduler, TrialScheduler

from ctt_ray.train.session import SCORE, Metrics
from ctt_ray.tune.board import Board
from ctt_ray.tune.folder import Record
from ctt_ray.tune.median import below_median
from ctt_ray.tune.rungs import Decision, decisions, note
from ctt_ray.tune.settings import Settings
from ctt_ray.tune.study import steps
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
        self._open: list[tuple[int, str, Metrics]] = []  # reports, from the first at a rung that nothing was decided of
        for record in board.records:
            trial = _named(record.id)
            super().on_trial_add(None, trial)
            known = self._decided(record)
            for line in record.lines[:known]:
                super().on_trial_result(None, trial, line)
            self._open += [(int(line["iteration"]), record.id, line) for line in record.lines[known:]]

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        super().on_trial_add(tune_controller, _ours(trial))

    def catch_up(self) -> None:
        """Decide what a kill came before, and end the trials that had been stopped; done before anything is issued."""
        for _, id, line in sorted(self._open, key=lambda report: report[:2]):
            if id not in self.board.pruned:
                self.on_trial_result(None, SimpleNamespace(config={"trial": id}), line)
        for record in self.board.records:
            noted = decisions(self.board.folder, record.id) if record.outcome is None else {}
            if not all(decision.goes_on for decision in noted.values()):
                self.board.pruned.add(record.id)
                self.board.end(record.id)

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        before = [len(scores) for _, scores in self._brackets[0]._rungs]
        action: str = super().on_trial_result(tune_controller, _ours(trial), result)
        self._note(_ours(trial).trial_id, result, before, goes_on=action != TrialScheduler.STOP)
        if result.get("iteration", 0) >= self.longest:
            return str(TrialScheduler.CONTINUE)  # it ends by itself, after its last checkpoint is in place
        if action == TrialScheduler.STOP:
            self.board.pruned.add(_ours(trial).trial_id)
        return action

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        super().on_trial_complete(tune_controller, _ours(trial), result)

    def on_trial_remove(self, tune_controller: Any, trial: Any) -> None:
        super().on_trial_remove(tune_controller, _ours(trial))

    def _decided(self, record: Record) -> int:
        """How many of the reports stand before the first one at a rung of which no decision is on file.

        One process waits for the decision, so only its last report can be open. Ray Train's workers do not wait."""
        if record.outcome is not None:
            return len(record.lines)
        noted, rungs = decisions(self.board.folder, record.id), self.rungs()
        is_open = [int(line["iteration"]) in rungs and int(line["iteration"]) not in noted for line in record.lines]
        return is_open.index(True) if True in is_open else len(is_open)

    def _note(self, id: str, result: dict[str, Any], before: list[int], *, goes_on: bool) -> None:
        """Write down the decision, if the report came to a rung: it is then the last of that rung's scores."""
        bracket = self._brackets[0]
        for (rung, scores), among in zip(bracket._rungs, before, strict=True):
            if len(scores) > among:
                cutoff = bracket.cutoff(dict(list(scores.items())[:-1]))
                known = None if cutoff is None or math.isnan(cutoff) else float(cutoff)
                decision = Decision(int(rung), int(result["iteration"]), scores[id], among, known, goes_on)
                note(self.board.folder, id, decision)

    def rungs(self) -> dict[int, dict[str, float]]:
        """Iteration → trial id → score: what a decision at that rung looks at."""
        return {int(milestone): dict(recorded) for milestone, recorded in reversed(self._brackets[0]._rungs)}


class Median(Unsaved, FIFOScheduler):
    """Stops a trial that falls below the others' median. It keeps no state beside the board's records."""

    def __init__(self, board: Board, *, grace: int, longest: int) -> None:
        super().__init__()
        self.board = board
        self.grace = grace
        self.longest = longest

    def catch_up(self) -> None:
        """Decide what a kill may have come before: on the last report of each unfinished trial."""
        for record in self.board.records:
            if record.outcome is None and record.lines and self._stops(record.id, record.lines[-1]):
                self.board.end(record.id)

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        stops = self._stops(_ours(trial).trial_id, result)
        return str(TrialScheduler.STOP if stops else TrialScheduler.CONTINUE)

    def _stops(self, id: str, result: Metrics) -> bool:
        """Whether this report is its trial's last; noted on the board if so."""
        step, score = int(result.get("iteration", 0)), float(result.get(SCORE, math.nan))
        if step >= self.longest or not math.isfinite(score):
            return False
        own = {at: known for at, known in steps(self.board.record(id)).items() if at < step} | {step: score}
        others = [steps(record) for record in self.board.records if record.id != id and not _failed(record)]
        if below_median(own, others, grace=self.grace):
            self.board.pruned.add(id)
            return True
        return False


def make_scheduler(board: Board, settings: Settings) -> FIFOScheduler:
    """To be made before the study is: it may find that trials are already at their end."""
    if settings.scheduler == "median" and settings.ladder:
        median = Median(board, grace=settings.ladder[0], longest=settings.iterations)
        median.catch_up()
        return median
    if not settings.rungs:
        return FIFOScheduler()
    asha = Asha(board, grace=settings.rungs[0], longest=settings.iterations, reduction=settings.reduction)
    asha.catch_up()
    return asha


def _named(id: str) -> SimpleNamespace:
    return SimpleNamespace(trial_id=id)


def _ours(trial: Any) -> SimpleNamespace:
    """All that halving reads of a trial is its id."""
    return _named(trial.config["trial"])


def _failed(record: Record) -> bool:
    return record.outcome is not None and record.outcome.state == "failed"

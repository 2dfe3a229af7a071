"""Ray Tune's searcher on Optuna's ask and tell, with the board between them.

Unlike Ray's own OptunaSearch it tells a trial that was stopped early as PRUNED at its step and a failed one as FAIL,
issues unfinished trials of an earlier process first and under their own ids, and gives each warm point once.
"""

from __future__ import annotations

from typing import Any

import optuna
from ray.tune.search import Searcher

from ctt_ray.train.session import SCORE
from ctt_ray.tune.board import Board
from ctt_ray.tune.folder import Issued, Record
from ctt_ray.tune.samplers import Fixed, Samplers, state
from ctt_ray.tune.settings import Settings, applied
from ctt_ray.tune.study import ID, SCORES, STATES, named, steps, told
from ctt_ray.tune.unsaved import Unsaved
from tune_spaces import Space


class StudySearcher(Unsaved, Searcher):
    """concurrent: most trials that are asked for at once, so that none is drawn long before it can start."""

    def __init__(self, board: Board, study: optuna.Study, space: Space, settings: Settings, *, concurrent: int) -> None:
        super().__init__(metric=SCORE, mode="max")
        self.board = board
        self.study = study
        self.space = space
        self.settings = settings
        self.concurrent = concurrent
        self._asked: dict[str, optuna.Trial] = {}
        self._told: dict[str, set[int]] = {}
        self._samplers = Samplers(settings.sampler, settings.seed, space, levels=settings.grid_levels)
        self._again = sum(record.outcome is None for record in board.records)  # enqueued by study.rebuild

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """{"trial": our id}: the rest stands in the trial's params.json."""
        if self.board.stopping or not (self._again or self.board.unissued):
            return str(Searcher.FINISHED)
        if len(self.board.live) >= self.concurrent:
            return None
        id = self._ask()
        self.board.live[trial_id] = id
        return {"trial": id}

    def _ask(self) -> str:
        fresh = self.board.next_id()
        # An unfinished trial has its parameters, and what the sampler noted in it; it is not drawn a second time.
        self.study.sampler = Fixed({}) if self._again else self._samplers.of(int(fresh))
        trial = self.study.ask()
        values = self.space.suggest(trial)
        id: str = trial.user_attrs.get(ID, fresh)
        self._asked[id], self._told[id] = trial, set()
        if id == fresh:
            trial.set_user_attr(ID, id)
            self.board.issue(Issued(id, trial.params, values, applied(self.settings.base, values).hash(), state(trial)))
        else:
            self._again -= 1
            self._tell_steps(self.board.refresh(id))
        return id

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        self._tell_steps(self.board.refresh(self.board.live[trial_id]))

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        id = self.board.live.pop(trial_id, None)
        if id is None:
            return
        lost = "its process died again and again; the last output is in Ray's log" if error else ""
        record = self.board.end(id, lost=lost)
        self._tell_steps(record)
        trial = self._asked.pop(id)
        if record.outcome is None:  # stopped with the campaign: the next start issues it again
            return
        if record.outcome.reason:
            trial.set_user_attr("reason", record.outcome.reason)
        ended = STATES[record.outcome.state]
        found = told(record, self.settings.objectives) if ended == optuna.trial.TrialState.COMPLETE else None
        self.study.tell(trial, found, state=ended)
        self.board.compare(record)

    def _tell_steps(self, record: Record) -> None:
        trial = self._asked[record.id]
        new = {step: value for step, value in steps(record).items() if step not in self._told[record.id]}
        self._told[record.id] |= set(new)
        if len(self.settings.objectives) > 1:  # Optuna takes intermediate values of a single objective only
            if new:
                trial.set_user_attr(SCORES, named(steps(record)))
            return
        for step, value in new.items():
            trial.report(value, step)

    def save(self, checkpoint_path: str) -> None:
        """Nothing to save: the files in the campaign's folder are the state."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing to restore: a campaign starts from its folder."""

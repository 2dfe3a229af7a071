"""How a campaign is asked to stop, and how it does: first the trials save and leave, then Ray ends what is left."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ray.tune import Callback
from ray.tune.stopper import Stopper

from ctt_ray.tune.board import Board, log
from ctt_ray.tune.unsaved import Unsaved

GRACE_S = 120.0  # to finish a step, save, and leave


class Ender(Unsaved, Stopper, Callback):
    """Ray's stopper and a callback of its controller, asked many times a second.

    signalled: True once SIGTERM or Ctrl-C has come · deadline: on the monotonic clock, or None · polite: whether the
    running trials look at the stop file; if not they are ended at once and lose what came after their last checkpoint.
    """

    def __init__(self, board: Board, *, signalled: Callable[[], bool], deadline: float | None, polite: bool) -> None:
        self.board = board
        self._signalled = signalled
        self._deadline = deadline
        self._grace = GRACE_S if polite else 0.0
        self._hard: float | None = None

    def on_step_begin(self, iteration: int, trials: list[Any], **info: Any) -> None:
        self._forget_ended(trials)
        if self.board.stopping:
            return
        if self._signalled():
            self._stop("asked to stop")
        elif self._deadline is not None and time.monotonic() >= self._deadline:
            self._stop("the hours given are over")
        elif self.board.halt:
            self._stop(self.board.halt)

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        return self._hard is not None and time.monotonic() >= self._hard

    def _stop(self, why: str) -> None:
        self.board.stopping = why
        self.board.folder.stop.touch()
        self._hard = time.monotonic() + self._grace
        log.info("%s: %d running trials save and leave", why, len(self.board.live))

    def _forget_ended(self, trials: list[Any]) -> None:
        """Ray drops a trial without telling the searcher where its process could not be reused: its slot is free."""
        for ended in [trial.trial_id for trial in trials if trial.is_finished() and trial.trial_id in self.board.live]:
            self.board.live.pop(ended)

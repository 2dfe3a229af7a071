"""How a campaign is asked to stop, and how it does: first the trials save and leave, then Ray ends what is left."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from ray.tune import Callback
from ray.tune.stopper import Stopper

from ctt_ray.tune import failures
from ctt_ray.tune.board import Board, log
from ctt_ray.tune.unsaved import Unsaved

GRACE_S = 120.0  # to finish a step, save, and leave
Why = Callable[[], str]  # asked again and again: why the campaign must stop, or nothing


class Ender(Unsaved, Stopper, Callback):
    """Ray's stopper and a callback of its controller, asked many times a second. whys: reasons to stop, the first counts."""

    def __init__(self, board: Board, whys: Sequence[Why]) -> None:
        self.board = board
        self._whys = whys
        self._hard: float | None = None

    def on_step_begin(self, iteration: int, trials: list[Any], **info: Any) -> None:
        self._forget_ended(trials)
        if self.board.stopping:
            return
        why = next(filter(None, (ask() for ask in self._whys)), "")
        if why:
            self._stop(why)

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        return self._hard is not None and time.monotonic() >= self._hard

    def _stop(self, why: str) -> None:
        self.board.stopping = why
        self.board.folder.stop.touch()
        self._hard = time.monotonic() + GRACE_S
        log.info("%s: %d running trials save and leave", why, len(self.board.live))

    def _forget_ended(self, trials: list[Any]) -> None:
        """Ray drops a trial without telling the searcher where its process could not be reused: its slot is free."""
        for ended in [trial.trial_id for trial in trials if trial.is_finished() and trial.trial_id in self.board.live]:
            self.board.live.pop(ended)


def signal_came(signalled: Callable[[], bool]) -> Why:
    return lambda: "asked to stop" if signalled() else ""


def halted(board: Board) -> Why:
    return lambda: board.halt


def hours_over(deadline: float | None) -> Why:
    """deadline: on the monotonic clock, or None."""
    return lambda: "the hours given are over" if deadline is not None and time.monotonic() >= deadline else ""


def hopeless(board: Board, most: float) -> Why:
    """most: share of failed trials. Judged when another trial has finished."""
    judged = -1

    def ask() -> str:
        nonlocal judged
        if board.finished == judged:
            return ""
        judged = board.finished
        return failures.hopeless(board.records, most)

    return ask

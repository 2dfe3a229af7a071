"""What happens when a trial's process dies: Ray starts it again, this decides whether it may and whose fault it was."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ray.tune import Callback

from ctt_ray.tune import attempts, failures, nodes
from ctt_ray.tune.board import Board, log
from ctt_ray.tune.unsaved import Unsaved

FOREVER = -1  # Ray's restarts: it cannot tell a node that was taken away from a crash, so the counting is ours


class Recovery(Unsaved, Callback):
    """A callback of Ray's controller. A trial that may not go on gets its outcome here; when Ray starts it all the same,
    it leaves at once (trial.py).   say: shows a line to the user."""

    def __init__(
        self, board: Board, say: Callable[[str], None], node_lost: Callable[[list[str], float], bool] = nodes.lost
    ) -> None:
        self.board = board
        self._say = say
        self._node_lost = node_lost

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        id = trial.config["trial"]
        if self.died(id, _words(trial)):
            trial.max_failures = trial.num_failures  # if it dies once more Ray lets go

    def died(self, id: str, words: str) -> bool:
        """Account for a death; true if it was the trial's last. words: Ray's, about it."""
        where = self.board.folder.trial(id)
        cause = self._cause(where, words)
        if cause == "refused":
            self._tell(words.strip().splitlines()[-1].partition(": ")[2])
            return False
        how: attempts.How = "failed" if cause == "memory" else cause
        attempts.note_death(where, how, now=time.time())
        count = attempts.deaths(attempts.read(where))
        record = self.board.refresh(id)
        if cause == "memory":
            self.board.end(id, lost="out of memory: Ray ended it before its machine ran out", kind="memory")
        elif cause == "died" and count > failures.RESTARTS:
            self.board.end(id, lost=f"its process died {count} times; the last output is in Ray's log", kind="lost")
        else:
            what = "its node was taken away" if cause == "preempted" else "its process died"
            costs = "" if cause == "preempted" else f" (death {count}, {failures.RESTARTS} are forgiven)"
            self._tell(f"trial {id}: {what} at {record.iteration} or later; it goes on from its checkpoint{costs}")
            return False
        return True

    def _tell(self, line: str) -> None:
        log.info(line)
        self._say(line)

    def _cause(self, trial: Path, words: str) -> failures.Death:
        """Ray hears of a lost connection before it knows that the node behind it is gone: then that is waited for."""
        cause = failures.death(words)
        tries = attempts.read(trial)
        if cause == "died" and tries and not tries[-1].how:
            patience = nodes.PATIENCE_S if failures.unclear(words) else 0.0
            return "preempted" if self._node_lost([tries[-1].node], patience) else "died"
        return cause


def _words(trial: Any) -> str:
    """What Ray wrote down about the last failure of one of its trials."""
    path = trial.error_file
    if not path or not Path(path).is_file():
        return ""
    return Path(path).read_text(errors="replace").rpartition("Failure #")[2]

"""Who sits by a run while Ray's workers train: shows what they write, passes signals on, follows nodes that come and go."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Any, TypeVar

import ray

from ctt_ray.train import preemption, reservations
from ctt_ray.train.asks import Ask
from ctt_ray.train.background import repeated
from ctt_ray.train.progress import line
from ctt_ray.train.session import RESULTS, STARTS
from ctt_ray.train.signals import save_requested, stop_requested
from ctt_ray.train.wishes import Wishes, located
from ctt_ray.train.worker import read_lines

LOOK_EVERY_S = 1.0
SAVED_WITHIN_S = (
    60.0  # the longest that a new node waits for the checkpoint before the workers are started anew with it
)
Result = TypeVar("Result")


class Attendant:
    """wishes: how workers hear of signals · elastic: nodes that come are to be used · show: lines on stderr."""

    def __init__(self, storage: str, name: str, wishes: Wishes, *, elastic: bool, show: bool) -> None:
        self._wishes = wishes
        self._fs, self._run = located(storage, name)
        self._elastic, self._show = elastic, show
        self._seen, self._starts = -1, len(self._lines(STARTS))
        self._alive, self._draining = _alive(), preemption.draining()
        self._grown: float | None = None  # since when a new node waits for a checkpoint
        self._asked = Ask.NOTHING
        self.lost = 0  # nodes, so far

    def attend(self, fit: Callable[[], Result]) -> Result:
        """`fit`, beside which this looks around. From the main thread signals are heard: Ray's own handler of Ctrl-C would
        end the run without saving, so `fit` then runs in another one."""
        if threading.current_thread() is not threading.main_thread():
            with repeated(self.look, every_s=LOOK_EVERY_S):
                return fit()
        done: list[Any] = []
        with ExitStack() as stack:
            stopping = stack.enter_context(stop_requested())
            saving: list[bool] = []
            stack.enter_context(save_requested(lambda: saving.append(True)))
            thread = threading.Thread(target=_keep, args=(fit, done), daemon=True)
            thread.start()
            while thread.is_alive():
                thread.join(LOOK_EVERY_S)
                if saving and self._ask(Ask.SAVE):
                    saving.clear()
                if stopping() and self._asked is not Ask.STOP:
                    self._ask(Ask.STOP)
                self.look()
            if stopping() and self._asked is not Ask.STOP:  # it came as this round ended, and counts for the next
                self._ask(Ask.STOP)
        result, error = done[0]
        if error is not None:
            raise error
        return result

    def look(self) -> None:
        with suppress(OSError, ray.exceptions.RayError):  # storage and cluster have such moments
            self._look_at_nodes()
            self._look_at_lines()

    def _ask(self, ask: Ask) -> bool:
        """Whether the storage took it; else it is tried again at the next look."""
        try:
            self._wishes.put(ask)
        except OSError:
            return False
        self._asked = max(self._asked, ask)
        self.say("asked the workers to save" + (" and leave" if ask is Ask.STOP else ""))
        return True

    def _look_at_nodes(self) -> None:
        """Ray looks at the cluster three times a minute; a run that waits for it would wait for most of its restart."""
        alive, draining = _alive(), preemption.draining()
        for node in sorted(draining - self._draining):
            self.say(f"node {node[:8]} is to be taken away: the workers save and leave it")
        gone, come = self._alive - alive, alive - self._alive
        self._alive, self._draining = alive, draining
        self.lost += len(gone)
        if gone:
            self.say(f"{len(gone)} node{'s' * (len(gone) > 1)} lost, {len(alive)} left")
        if come:
            self.say(f"{len(come)} node{'s' * (len(come) > 1)} more, {len(alive)} now")
        if not self._elastic:
            return
        if come:
            self._grown = time.monotonic()
            self._wishes.put(Ask.SAVE)  # what is saved now is not trained again after the restart
        saved = not self._wishes.there(Ask.SAVE)
        late = self._grown is not None and time.monotonic() - self._grown > SAVED_WITHIN_S
        if gone or (self._grown is not None and (saved or late)):
            reservations.refresh()
            self._grown = None

    def _look_at_lines(self) -> None:
        if not self._show:
            return
        starts = self._lines(STARTS)
        for start in starts[self._starts :]:
            workers = int(start["workers"])
            self.say(f"it {start['iteration']} · {workers} worker{'s' * (workers > 1)}")
        self._starts = len(starts)
        for metrics in self._lines(RESULTS):
            if int(metrics["iteration"]) > self._seen:
                self._seen = int(metrics["iteration"])
                self.say(line(metrics))

    def _lines(self, name: str) -> list[Any]:
        return read_lines(self._fs, f"{self._run}/{name}")

    def say(self, text: str) -> None:
        if self._show:
            print(text, file=sys.stderr, flush=True)


def _alive() -> set[str]:
    return {node["NodeID"] for node in ray.nodes() if node["Alive"]}


def _keep(fit: Callable[[], Any], done: list[Any]) -> None:
    try:
        done.append((fit(), None))
    except BaseException as error:
        done.append((None, error))

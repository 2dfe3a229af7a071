"""A campaign's heartbeat: alive.json in its folder, written every few seconds, so that any machine can tell whether it runs.

The file's own time is compared with the reader's clock: the machines' clocks have to agree to well within STALE_S.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import TracebackType

from ctt_ray.tune import requests
from ctt_ray.tune import settings as settings_of
from ctt_ray.tune.board import Board
from ctt_ray.tune.folder import Folder, write_json
from ctt_ray.tune.settings import Settings

ALIVE = "alive.json"
BEAT_S = 5.0  # between two heartbeats
LOOK_S = 1.0  # between two looks for a request
STALE_S = 30.0  # a heartbeat older than this is that of a killed process

log = logging.getLogger("ctt_ray.tune")


@dataclass(frozen=True)
class Alive:
    """Who runs the campaign, as of `time` (seconds since 1970). ended: how it left, "" while it runs or if it was killed."""

    host: str
    pid: int
    time: float
    started: float
    live: list[str] = field(default_factory=list)  # ids of the trials that run
    ended: str = ""

    def runs(self, now: float) -> bool:
        return not self.ended and now - self.time < STALE_S


def read(root: Path) -> Alive | None:
    """The last heartbeat, or None where no campaign has run yet."""
    try:
        return Alive(**json.loads((root / ALIVE).read_text()))
    except (FileNotFoundError, json.JSONDecodeError, TypeError):
        return None


def last_seen(root: Path) -> float:
    """When the campaign was last alive, in seconds since 1970; 0 for never."""
    found = read(root)
    return found.time if found is not None else 0.0


class Steering:
    """A thread beside a running campaign: writes the heartbeat, and takes up what `stop` and `extend` asked for.

    Use as a context manager; an earlier request to stop is removed on entering. `board` is the one it steers: set anew for
    every round.
    """

    def __init__(self, folder: Folder, settings: Settings) -> None:
        self.folder = folder
        self.settings = settings
        self.board: Board | None = None
        self.stop_asked = False
        self._over = threading.Event()
        self._alive = Alive(socket.gethostname(), os.getpid(), 0.0, time.time())
        self._thread = threading.Thread(target=self._watch, name="steering", daemon=True)

    def __enter__(self) -> Steering:
        requests.forget_stop(self.folder)
        self._beat()
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()
        self._alive = replace(self._alive, ended=_said(error))
        self._beat()

    def total(self) -> int:
        """Trials the campaign is to have now, with what was added while it ran."""
        return settings_of.current_total(self.folder, self.settings)

    def follow(self, board: Board) -> Board:
        """The board whose total grows when trials are added, and whose live trials the heartbeat names."""
        board.total = self.total()
        self.board = board
        return board

    def _watch(self) -> None:
        beat = time.monotonic()
        while not self._over.wait(LOOK_S):
            try:
                self._look()
                if time.monotonic() - beat >= BEAT_S:
                    beat = time.monotonic()
                    self._beat()
            except OSError as error:  # a full or absent disk ends the trials, not this thread
                log.warning("the campaign's folder cannot be used: %s", error)

    def _look(self) -> None:
        if not self.stop_asked and requests.stop_asked(self.folder):
            self.stop_asked = True
        if self.board is not None and (total := self.total()) != self.board.total:
            log.info("extended from %d to %d trials", self.board.total, total)
            self.board.total = total

    def _beat(self) -> None:
        live = sorted(self.board.live.values()) if self.board is not None and not self._over.is_set() else []
        self._alive = replace(self._alive, time=time.time(), live=live)
        write_json(self.folder.root / ALIVE, asdict(self._alive))


def _said(error: BaseException | None) -> str:
    if error is None:
        return "finished"
    return str(error).strip().partition("\n")[0] or type(error).__name__

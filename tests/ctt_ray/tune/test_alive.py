"""The thread beside a running campaign: heartbeat, requests, and how it says goodbye."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable

import pytest

from ctt_ray.train.session import Interrupted
from ctt_ray.tune import alive, requests
from ctt_ray.tune.alive import Steering
from ctt_ray.tune.board import Board
from ctt_ray.tune.folder import Folder
from ctt_ray.tune.settings import Settings


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alive, "LOOK_S", 0.01)
    monkeypatch.setattr(alive, "BEAT_S", 0.02)


def until(true: Callable[[], bool]) -> None:
    patience = time.monotonic() + 10
    while not true():
        assert time.monotonic() < patience
        time.sleep(0.005)


def test_heartbeat_requests_and_the_end(folder: Folder, settings: Settings) -> None:
    assert alive.read(folder.root) is None
    requests.ask_stop(folder)  # of an earlier run
    with Steering(folder, settings) as steering:
        first = alive.read(folder.root)
        assert first is not None and first.runs(time.time()) and not first.runs(time.time() + 2 * alive.STALE_S)
        assert (first.host, first.pid, first.live) == (socket.gethostname(), os.getpid(), [])
        board = steering.follow(Board(folder, iterations=80, total=1))
        assert board.total == settings.trials == 6 and not steering.stop_asked
        board.live["ray_a"] = "0003"
        requests.ask_more(folder, 2)
        until(lambda: board.total == 8)
        until(lambda: (now := alive.read(folder.root)) is not None and now.live == ["0003"] and now.time > first.time)
        requests.ask_stop(folder)
        until(lambda: steering.stop_asked)
    ended = alive.read(folder.root)
    assert ended is not None and (ended.ended, ended.live) == ("finished", []) and not ended.runs(time.time())


def test_the_reason_of_a_stop_is_kept(folder: Folder, settings: Settings) -> None:
    with pytest.raises(Interrupted), Steering(folder, settings):
        raise Interrupted("stopped, the hours given are over: 3 of 6 trials finished")
    ended = alive.read(folder.root)
    assert ended is not None and ended.ended.startswith("stopped, the hours given are over")


def test_a_heartbeat_that_is_no_heartbeat_is_none(folder: Folder) -> None:
    folder.root.mkdir()
    for text in ("", "{", '{"host": "a"}', "[]"):
        (folder.root / alive.ALIVE).write_text(text)
        assert alive.read(folder.root) is None

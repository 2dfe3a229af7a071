"""Reasons to stop: the first one counts, the trials are told by a file, and what does not leave in time is ended."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest

from ctt_ray.tune import stopping
from ctt_ray.tune.board import Board
from ctt_ray.tune.folder import Folder
from ctt_ray.tune.settings import Settings
from ctt_ray.tune.stopping import Ender


@pytest.fixture
def board(folder: Folder, settings: Settings, put: Callable[..., None]) -> Board:
    for id, state in (("0000", "complete"), ("0001", "failed"), ("0002", "failed"), ("0003", "failed")):
        put(id, {80: 1.0}, state)
    return Board(folder, iterations=settings.iterations, total=settings.trials)


def test_the_first_reason_counts_and_the_trials_get_their_time(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(stopping.time, "monotonic", lambda: now[0])
    said = ["", ""]
    ender = Ender(board, [lambda: said[0], lambda: said[1]])
    ender.on_step_begin(0, [])
    assert not board.stopping and not board.folder.stop.exists() and not ender.stop_all()
    said[1] = "the budget is used up"
    ender.on_step_begin(1, [])
    said[0] = "asked to stop"
    ender.on_step_begin(2, [])
    assert board.stopping == "the budget is used up" and board.folder.stop.exists()
    now[0] = stopping.GRACE_S - 1
    assert not ender.stop_all()
    now[0] = stopping.GRACE_S
    assert ender.stop_all()


def test_each_reason(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping.time, "monotonic", lambda: 100.0)
    assert stopping.signal_came(lambda: True)() and not stopping.signal_came(lambda: False)()
    assert stopping.hours_over(100.0)() and not stopping.hours_over(100.1)() and not stopping.hours_over(None)()
    assert not stopping.halted(board)()
    board.halt = "twins"
    assert stopping.halted(board)() == "twins"
    assert stopping.hopeless(board, 0.5)().startswith("3 of 4 finished trials failed")
    assert stopping.hopeless(board, 0.75)() == ""


def test_a_slot_that_ray_dropped_is_free(board: Board) -> None:
    board.live = {"a": "0004", "b": "0005"}
    trials = [SimpleNamespace(trial_id=id, is_finished=lambda id=id: id == "a") for id in "ab"]
    Ender(board, []).on_step_begin(0, trials)
    assert board.live == {"b": "0005"}

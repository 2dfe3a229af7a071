"""Reasons to stop: the first one counts, the trials are told by a file, and what does not leave in time is ended."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import pytest

from ctt_ray.train.session import Interrupted
from ctt_ray.tune import campaign as campaign_of
from ctt_ray.tune import failures, stopping
from ctt_ray.tune.attempts import Attempt
from ctt_ray.tune.board import Board
from ctt_ray.tune.budget import Budget
from ctt_ray.tune.campaign import Campaign, run_campaign
from ctt_ray.tune.capacity import Node, capacity
from ctt_ray.tune.folder import Folder, write_json
from ctt_ray.tune.settings import Settings
from ctt_ray.tune.stopping import Ender
from tune_spaces import Space


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


def test_a_hopeless_or_spent_campaign_trains_nothing_and_says_how_to_go_on(
    board: Board, space: Space, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_cluster(*_: object, **__: object) -> None:
        raise AssertionError("Ray was started")

    monkeypatch.setattr(campaign_of, "cluster", no_cluster)
    asked = Campaign(board.folder, space, settings, capacity([Node(2)], trials=6), Node(2), max_failed_share=0.5)
    with pytest.raises(failures.Hopeless, match=r"3 of 4 .* Commonest: 3 x why: 4 of 6 .* larger --max-failed-share"):
        run_campaign(asked)
    now = time.time()
    write_json(
        board.folder.trial("0000") / "attempts/00.json", vars(Attempt(now - 7200, now, now, 2, 0, how="complete"))
    )
    allowed = replace(asked, max_failed_share=1.0, budget=Budget(3, "cpuh"))
    with pytest.raises(Interrupted, match=r"the budget is used up, 4 of 3 cpuh .a larger --budget goes on"):
        run_campaign(allowed)
    assert (board.folder.root / "ledger.csv").read_text().splitlines()[-1].startswith("all,1,2.0,4.0")
    assert len(board.folder.records()) == 4

"""Early stopping: decisions by hand, and rungs that a restart finds again in the trial files."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

from ray.tune.schedulers import FIFOScheduler

from ctt_ray.tune.board import Board
from ctt_ray.tune.folder import Folder
from ctt_ray.tune.scheduler import Asha, make_scheduler
from ctt_ray.tune.settings import Settings


def start(folder: Folder, settings: Settings) -> Asha:
    scheduler = make_scheduler(Board(folder, iterations=settings.iterations, total=settings.trials), settings)
    assert isinstance(scheduler, Asha)
    return scheduler


def ray_trial(id: str) -> SimpleNamespace:
    return SimpleNamespace(trial_id=f"ray_{id}", config={"trial": id})


def feed(scheduler: Asha, id: str, scores: dict[int, float]) -> list[str]:
    trial = ray_trial(id)
    scheduler.on_trial_add(None, trial)
    return [scheduler.on_trial_result(None, trial, {"iteration": at, "miou": score}) for at, score in scores.items()]


def test_the_worse_half_stops_at_each_rung_and_is_noted(folder: Folder, settings: Settings) -> None:
    scheduler = start(folder, settings)
    assert feed(scheduler, "0000", {10: 5.0, 20: 6.0, 30: 6.5, 40: 7.0, 80: 8.0}) == ["CONTINUE"] * 5
    assert feed(scheduler, "0001", {10: 4.0}) == ["STOP"]  # below the median of {5}
    assert feed(scheduler, "0002", {10: 4.8, 20: 5.0}) == [
        "CONTINUE",
        "STOP",
    ]  # above that of {5, 4}, below that of {6}
    assert scheduler.board.pruned == {"0001", "0002"}


def test_the_last_report_stops_nobody(folder: Folder, settings: Settings) -> None:
    scheduler = start(folder, settings)
    feed(scheduler, "0000", {80: 9.0})
    assert feed(scheduler, "0001", {80: 1.0}) == ["CONTINUE"]
    assert not scheduler.board.pruned


def test_a_report_without_a_score_is_passed_over(folder: Folder, settings: Settings) -> None:
    trial = ray_trial("0000")
    scheduler = start(folder, settings)
    scheduler.on_trial_add(None, trial)
    assert scheduler.on_trial_result(None, trial, {"iteration": 13}) == "CONTINUE"
    assert scheduler.on_trial_result(None, trial, {}) == "CONTINUE"


def test_rungs_after_a_restart_are_those_before_it(
    folder: Folder, settings: Settings, put: Callable[..., None]
) -> None:
    scores = {
        "0000": {10: 5.0, 20: 6.0, 30: 6.5, 40: 7.0, 50: 7.5, 60: 7.6, 70: 7.7, 80: 8.0},
        "0001": {10: 4.0},
        "0002": {10: 4.8, 20: 5.0},
        "0003": {10: 9.0},
    }
    alive = start(folder, settings)
    for id, lines in scores.items():
        feed(alive, id, lines)
    for id, lines in scores.items():
        put(id, lines, "" if id == "0003" else "pruned")
    again = start(folder, settings)
    assert again.rungs() == alive.rungs()
    assert again.rungs()[10] == {"0000": 5.0, "0001": 4.0, "0002": 4.8, "0003": 9.0}
    assert not again.board.pruned  # taking up the past decides nothing

    for scheduler in (alive, again):  # the unfinished trial goes on under another Ray id and is not counted twice
        assert feed(scheduler, "0003", {20: 5.5}) == ["CONTINUE"]  # above the median of {6, 5}
    assert again.rungs() == alive.rungs()


def test_none_stops_nobody(folder: Folder, settings: Settings) -> None:
    board = Board(folder, iterations=settings.iterations, total=settings.trials)
    assert type(make_scheduler(board, settings.model_copy(update={"scheduler": "none"}))) is FIFOScheduler

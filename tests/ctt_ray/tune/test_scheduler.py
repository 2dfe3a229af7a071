"""Early stopping: decisions by hand, and rungs that a restart finds again in the trial files."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

from ray.tune.schedulers import FIFOScheduler

from ctt_ray.tune.board import Board
from ctt_ray.tune.folder import Folder, Outcome
from ctt_ray.tune.rungs import RUNGS, Decision, decisions, note
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


def test_a_decision_that_a_kill_came_before_is_taken_at_the_restart(
    folder: Folder, settings: Settings, put: Callable[..., None]
) -> None:
    put("0000", {10: 5.0, 20: 6.0, 30: 6.1, 40: 6.5, 50: 7, 60: 7, 70: 7, 80: 8.0}, "complete")
    put("0001", {10: 4.0})  # its report is on file, the decision about it is not
    put("0002", {10: 9.0})
    put("0003", {10: 9.5, 20: 9.6, 30: 9.7})  # beyond its rungs: it was let on
    again = start(folder, settings)
    assert again.board.record("0001").outcome == Outcome("pruned", 10, 4.0, 10.0, "stopped early at 10 of 80")
    assert all(again.board.record(id).outcome is None for id in ("0002", "0003"))
    assert again.rungs()[10] == {"0000": 5.0, "0003": 9.5, "0001": 4.0, "0002": 9.0}
    taken = {id: decisions(folder, id) for id in ("0001", "0002", "0003")}
    assert taken["0001"] == {10: Decision(10, 10, 4.0, among=2, cutoff=7.25, goes_on=False)}
    assert taken["0002"] == {10: Decision(10, 10, 9.0, among=3, cutoff=5.0, goes_on=True)}
    assert taken["0003"] == {}


def test_a_decision_on_file_is_held_to(folder: Folder, settings: Settings, put: Callable[..., None]) -> None:
    put("0000", {10: 4.0})
    put("0001", {10: 9.0})
    put("0002", {10: 8.0}, "pruned")
    note(folder, "0000", Decision(10, 10, 4.0, among=0, cutoff=None, goes_on=True))  # the first at its rung
    note(folder, "0001", Decision(10, 10, 9.0, among=1, cutoff=9.5, goes_on=False))  # stopped, then killed
    again = start(folder, settings)
    assert again.board.record("0000").outcome is None
    assert again.board.record("0001").outcome == Outcome("pruned", 10, 9.0, 10.0, "stopped early at 10 of 80")


def test_every_decision_is_on_file_in_the_order_of_its_rung(
    folder: Folder, settings: Settings, put: Callable[..., None]
) -> None:
    for id in ("0000", "0001", "0002"):
        put(id, {})
    scheduler = start(folder, settings)
    feed(scheduler, "0000", {10: 5.0, 20: 6.0, 80: 8.0})
    feed(scheduler, "0001", {10: 4.0})
    feed(scheduler, "0002", {10: 4.8, 20: 5.0})
    assert decisions(folder, "0002") == {
        10: Decision(10, 10, 4.8, among=2, cutoff=4.5, goes_on=True),
        20: Decision(20, 20, 5.0, among=1, cutoff=6.0, goes_on=False),
    }
    assert decisions(folder, "0000")[10] == Decision(10, 10, 5.0, among=0, cutoff=None, goes_on=True)
    path = folder.trial("0001") / RUNGS
    path.write_text(path.read_text()[:-5])  # as a kill may leave it
    assert decisions(folder, "0001") == {}
    note(folder, "0001", Decision(10, 10, 4.0, among=1, cutoff=5.0, goes_on=False))
    assert decisions(folder, "0001")[10].goes_on is False


def test_none_stops_nobody(folder: Folder, settings: Settings) -> None:
    board = Board(folder, iterations=settings.iterations, total=settings.trials)
    assert type(make_scheduler(board, settings.model_copy(update={"scheduler": "none"}))) is FIFOScheduler

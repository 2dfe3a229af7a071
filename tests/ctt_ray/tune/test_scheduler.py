"""Early stopping: decisions by hand, and rungs that a restart finds again in the trial files."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import SimpleNamespace

from ray.tune.schedulers import FIFOScheduler

from ctt_ray.tune.board import Board
from ctt_ray.tune.folder import Folder, Outcome
from ctt_ray.tune.median import below_median
from ctt_ray.tune.rungs import RUNGS, Decision, decisions, note
from ctt_ray.tune.scheduler import Asha, Median, make_scheduler
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


def test_decisions_that_a_kill_came_before_are_taken_at_the_restart(
    folder: Folder, settings: Settings, put: Callable[..., None]
) -> None:
    put("0000", {10: 5.0, 20: 6.0, 30: 6.1, 40: 6.5, 50: 7, 60: 7, 70: 7, 80: 8.0}, "complete")
    put("0001", {10: 4.0})  # its report is on file, the decision about it is not
    put("0002", {10: 9.0})
    put("0003", {10: 9.5, 20: 9.6, 30: 9.7})  # Ray Train's workers do not wait for a decision
    put("0004", {10: 3.0, 20: 9.9})
    again = start(folder, settings)
    assert again.board.record("0001").outcome == Outcome("pruned", 10, 4.0, 10.0, "stopped early at 10 of 80")
    assert all(again.board.record(id).outcome is None for id in ("0002", "0003"))
    assert again.rungs()[10] == {"0000": 5.0, "0001": 4.0, "0002": 9.0, "0003": 9.5, "0004": 3.0}
    assert again.rungs()[20] == {"0000": 6.0, "0003": 9.6}  # 0004 was stopped at 10, whatever it reported after that
    taken = {id: decisions(folder, id) for id in ("0001", "0002", "0003", "0004")}
    assert taken["0001"] == {10: Decision(10, 10, 4.0, among=1, cutoff=5.0, goes_on=False)}
    assert taken["0002"] == {10: Decision(10, 10, 9.0, among=2, cutoff=4.5, goes_on=True)}
    assert taken["0003"] == {
        10: Decision(10, 10, 9.5, among=3, cutoff=5.0, goes_on=True),
        20: Decision(20, 20, 9.6, among=1, cutoff=6.0, goes_on=True),
    }
    assert taken["0004"] == {10: Decision(10, 10, 3.0, among=4, cutoff=7.0, goes_on=False)}


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


CURVES = {
    "0000": {10: 4.0, 20: 6.0, 30: 8.0, 40: 8.0, 50: 8.0, 60: 8.0, 70: 8.0, 80: 8.0},
    "0001": {10: 1.0, 20: 3.0, 30: 5.0, 40: 5.0, 50: 5.0, 60: 5.0, 70: 5.0, 80: 5.0},
    "0002": {10: 2.0, 20: 2.0},
    "0003": {10: 9.0, 20: 9.0},
}


def with_median(folder: Folder, settings: Settings) -> Median:
    settings = settings.model_copy(update={"scheduler": "median"})
    scheduler = make_scheduler(Board(folder, iterations=settings.iterations, total=settings.trials), settings)
    assert isinstance(scheduler, Median)
    return scheduler


def test_median_compares_the_best_so_far_with_the_others_running_means(
    folder: Folder, settings: Settings, put: Callable[..., None]
) -> None:
    """At 20 the means of those that came as far are 5, 2, 2 and 9 → median 3.5; at 30 there are two left: too few."""
    for id, scores in CURVES.items():
        put(id, scores, "complete" if 80 in scores else "pruned")
    for best, stops in ((3.4, True), (3.5, False), (3.6, False)):
        put("0004", {10: best}, "")
        scheduler = with_median(folder, settings)
        trial = ray_trial("0004")
        assert scheduler.on_trial_result(None, trial, {"iteration": 20, "miou": 0.1}) == (
            "STOP" if stops else "CONTINUE"
        )
        assert scheduler.board.pruned == ({"0004"} if stops else set())
        assert scheduler.on_trial_result(None, trial, {"iteration": 30, "miou": 0.1}) == "CONTINUE"
        assert scheduler.on_trial_result(None, trial, {"iteration": 80, "miou": 0.1}) == "CONTINUE"
        assert scheduler.on_trial_result(None, trial, {"iteration": 20, "miou": math.nan}) == "CONTINUE"
        assert scheduler.on_trial_result(None, trial, {"iteration": 13}) == "CONTINUE"


def test_median_decides_at_a_restart_what_a_kill_came_before(
    folder: Folder, settings: Settings, put: Callable[..., None]
) -> None:
    for id, scores in CURVES.items():
        put(id, scores, "complete" if 80 in scores else "pruned")
    put("0004", {10: 1.0, 20: 1.0}, "")
    put("0005", {10: 1.0, 20: 5.0}, "")
    with_median(folder, settings)
    ended = folder.record("0004").outcome
    assert ended is not None and (ended.state, ended.iteration) == ("pruned", 20)
    assert folder.record("0005").outcome is None


def test_the_median_rule_alone() -> None:
    others = [{10: 1.0, 20: 3.0}, {10: 5.0, 20: 7.0}, {20: 4.0}]  # means up to 20: 2, 6, 4
    assert below_median({10: 3.9, 20: 0.0}, others, grace=10)
    assert not below_median({10: 4.0, 20: 0.0}, others, grace=10)
    assert not below_median({10: 0.0}, others[:2], grace=10)  # too few
    assert not below_median({10: 0.0}, others, grace=20)  # too early
    assert below_median({20: 3.5}, others, grace=20)  # means from 20 on: 3, 7, 4
    assert not below_median({}, others, grace=10)


def test_none_stops_nobody(folder: Folder, settings: Settings) -> None:
    board = Board(folder, iterations=settings.iterations, total=settings.trials)
    assert type(make_scheduler(board, settings.model_copy(update={"scheduler": "none"}))) is FIFOScheduler

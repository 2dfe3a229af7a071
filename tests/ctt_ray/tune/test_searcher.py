"""The searcher alone, driven as Ray drives it: what it asks, what it tells, and that restarts change nothing."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import optuna
import pytest
from optuna.trial import TrialState

from ctt_ray.train.session import RESULTS
from ctt_ray.tune import study as study_of
from ctt_ray.tune.board import Board
from ctt_ray.tune.folder import ERROR, Folder, write_text
from ctt_ray.tune.searcher import StudySearcher
from ctt_ray.tune.settings import Settings
from tune_spaces import Space


def make(folder: Folder, space: Space, settings: Settings, concurrent: int = 1) -> StudySearcher:
    board = Board(folder, iterations=settings.iterations, total=settings.trials)
    board.reconcile()
    study = study_of.rebuild(folder.study, "camp", space, board.records, settings.points)
    return StudySearcher(board, study, space, settings, concurrent=concurrent)


def report(folder: Folder, id: str, scores: dict[int, float]) -> None:
    lines = "".join(json.dumps({"iteration": step, "miou": value}) + "\n" for step, value in scores.items())
    write_text(folder.trial(id) / RESULTS, lines)


@pytest.fixture
def searcher(folder: Folder, space: Space, settings: Settings) -> StudySearcher:
    return make(folder, space, settings, concurrent=2)


def test_points_first_ids_in_order_and_no_more_than_there_is_room_for(
    searcher: StudySearcher, settings: Settings
) -> None:
    assert searcher.suggest("ray_a") == {"trial": "0000"}
    assert searcher.suggest("ray_b") == {"trial": "0001"}
    assert searcher.suggest("ray_c") is None
    issued = [searcher.board.folder.issued(id) for id in ("0000", "0001")]
    assert [each.params for each in issued] == list(settings.points)
    assert issued[0].config_hash != issued[1].config_hash


def test_a_trial_that_was_stopped_early_is_told_pruned_at_its_step(searcher: StudySearcher, folder: Folder) -> None:
    searcher.suggest("ray_a")
    report(folder, "0000", {10: 1.0})
    searcher.on_trial_result("ray_a", {"iteration": 10})
    report(folder, "0000", {10: 1.0, 20: 2.0})
    searcher.board.pruned.add("0000")
    searcher.on_trial_complete("ray_a", {"iteration": 20})
    told = searcher.study.trials[0]
    assert (told.state, told.last_step, told.value) == (TrialState.PRUNED, 20, 2.0)
    assert told.intermediate_values == {10: 1.0, 20: 2.0}
    outcome = folder.record("0000").outcome
    assert outcome is not None and (outcome.state, outcome.iteration, outcome.miou) == ("pruned", 20, 2.0)


def test_a_full_run_is_told_complete_with_its_last_score(searcher: StudySearcher, folder: Folder) -> None:
    searcher.suggest("ray_a")
    report(folder, "0000", {10: 9.0, 80: 8.0})
    searcher.on_trial_complete("ray_a", {})
    told = searcher.study.trials[0]
    assert (told.state, told.value) == (TrialState.COMPLETE, 8.0)


@pytest.mark.parametrize(
    ("scores", "error", "dead", "reason"),
    [
        ({10: 1.0}, "ValueError: boom", False, "ValueError: boom"),
        ({10: 1.0}, "", True, "its process died"),
        ({}, "", False, "without a report"),
        ({10: 1.0}, "", False, "ended at 10 of 80"),
        ({80: math.nan}, "", False, "mIoU is nan"),
    ],
)
def test_failures_are_told_fail_with_their_reason_and_without_a_value(
    searcher: StudySearcher, folder: Folder, scores: dict[int, float], error: str, dead: bool, reason: str
) -> None:
    searcher.suggest("ray_a")
    report(folder, "0000", scores)
    if error:
        write_text(folder.trial("0000") / ERROR, f"Traceback\n{error}\n")
    searcher.on_trial_complete("ray_a", None if dead else {}, error=dead)
    told = searcher.study.trials[0]
    assert told.state == TrialState.FAIL and told.value is None
    assert reason in told.user_attrs["reason"]
    outcome = folder.record("0000").outcome
    assert outcome is not None and (outcome.state, outcome.miou) == ("failed", None)
    assert searcher.suggest("ray_b") == {"trial": "0001"}  # the campaign goes on


def test_a_stopped_campaign_leaves_its_trials_unfinished(searcher: StudySearcher, folder: Folder) -> None:
    searcher.suggest("ray_a")
    report(folder, "0000", {10: 1.0})
    searcher.board.stopping = "asked to"
    searcher.on_trial_complete("ray_a", {})
    assert folder.record("0000").outcome is None
    assert searcher.suggest("ray_b") == "FINISHED"


def test_the_next_start_resumes_it_first_and_the_total_is_exact(
    searcher: StudySearcher, folder: Folder, space: Space, settings: Settings
) -> None:
    for ray_id, id in (("ray_a", "0000"), ("ray_b", "0001")):
        searcher.suggest(ray_id)
        report(folder, id, {10: 1.0})
    before = folder.issued("0001").params
    report(folder, "0000", {80: 5.0})
    searcher.on_trial_complete("ray_a", {})

    again = make(folder, space, settings)
    asked = []
    for number in range(settings.trials):
        given = again.suggest(f"ray_{number}")
        if given == "FINISHED":
            break
        assert isinstance(given, dict)
        asked.append(given["trial"])
        report(folder, asked[-1], {80: 5.0})
        again.on_trial_complete(f"ray_{number}", {})
    assert asked == ["0001", "0002", "0003", "0004", "0005"]
    assert folder.issued("0001").params == before
    states = [trial.state for trial in again.study.trials]
    assert states == [TrialState.COMPLETE] * settings.trials
    assert len({tuple(record.issued.params.items()) for record in folder.records()}) == settings.trials


def test_a_trial_that_raised_just_before_the_kill_stays_failed(
    folder: Folder, space: Space, settings: Settings, put: Callable[..., None]
) -> None:
    put("0000", {10: 1.0})
    write_text(folder.trial("0000") / ERROR, "ValueError: boom\n")
    assert make(folder, space, settings).suggest("ray_a") == {"trial": "0001"}
    outcome = folder.record("0000").outcome
    assert outcome is not None and outcome.reason == "ValueError: boom"


def test_ray_may_pickle_it(searcher: StudySearcher) -> None:
    from ray import cloudpickle

    assert isinstance(cloudpickle.loads(cloudpickle.dumps(searcher)), StudySearcher)
    assert optuna.logging.get_verbosity() == optuna.logging.ERROR

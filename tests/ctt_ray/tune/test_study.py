"""The study is a projection of the trial files: same trials, same states, same numbers, nothing running."""

from __future__ import annotations

from collections.abc import Callable

import optuna
import pytest
from optuna.trial import TrialState

from ctt_ray.tune import study as study_of
from ctt_ray.tune.folder import Folder
from ctt_ray.tune.settings import Settings
from tune_spaces import Space


@pytest.fixture
def study(folder: Folder, space: Space, settings: Settings, put: Callable[..., None]) -> optuna.Study:
    put("0000", {10: 1.0, 20: 2.0, 80: 8.0}, "complete", lr=0.01, phi=0.75)
    put("0001", {10: 0.5}, "pruned", lr=0.1)
    put("0002", {10: 3.0}, "", lr=0.2)
    put("0003", {}, "failed", lr=0.3)
    put("0004", {}, "", lr=0.4)
    return study_of.rebuild(folder.study, "camp", space, folder.records(), settings.points)


def test_finished_trials_are_as_they_ended(study: optuna.Study) -> None:
    complete, pruned, _, failed, _ = study.trials
    assert (complete.state, complete.value) == (TrialState.COMPLETE, 8.0)
    assert complete.intermediate_values == {10: 1.0, 20: 2.0, 80: 8.0}
    assert complete.params == {"lr": 0.01, "phi": 0.75}
    assert complete.distributions["lr"] == optuna.distributions.FloatDistribution(1e-4, 1.0, log=True)
    assert (pruned.state, pruned.last_step, pruned.value) == (TrialState.PRUNED, 10, 0.5)
    assert failed.state == TrialState.FAIL and failed.user_attrs["reason"] == "why"


def test_unfinished_ones_wait_at_their_own_numbers_and_nothing_runs(study: optuna.Study) -> None:
    assert [t.number for t in study.trials if t.state == TrialState.WAITING] == [2, 4]
    assert not [t for t in study.trials if t.state == TrialState.RUNNING]


def test_they_are_asked_for_first_with_the_same_parameters(study: optuna.Study, space: Space) -> None:
    for id, lr in (("0002", 0.2), ("0004", 0.4)):
        trial = study.ask()
        assert trial.user_attrs["id"] == id
        assert space.suggest(trial) == {"lr": lr, "phi": 0.3}


def test_points_come_once(folder: Folder, space: Space, settings: Settings, put: Callable[..., None]) -> None:
    fresh = study_of.rebuild(folder.study, "camp", space, [], settings.points)
    assert [space.suggest(fresh.ask()) for _ in range(2)] == list(settings.points)
    put("0000", {80: 1.0}, "complete")
    again = study_of.rebuild(folder.study, "camp", space, folder.records(), settings.points)
    assert space.suggest(again.ask()) == settings.points[1]
    assert [t.state for t in again.trials].count(TrialState.WAITING) == 0


def test_the_file_opens_in_another_process_and_an_old_lock_does_not_matter(
    folder: Folder, space: Space, settings: Settings, study: optuna.Study
) -> None:
    folder.study.with_name("study.journal.lock").symlink_to(folder.study)
    study_of.rebuild(folder.study, "camp", space, folder.records(), settings.points)
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(folder.study)))
    opened = optuna.load_study(study_name="camp", storage=storage)
    assert opened.best_value == 8.0 and len(opened.trials) == 5


def test_scores_that_are_no_numbers_are_left_out(folder: Folder, put: Callable[..., None]) -> None:
    put("0000", {10: float("nan"), 20: 2.0})
    assert study_of.steps(folder.record("0000")) == {20: 2.0}

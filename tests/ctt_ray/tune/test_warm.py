"""Warm start: what of an earlier campaign or a table enters, what is left out and how that is said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState

from ctt_ray.config import ConfigError, with_values
from ctt_ray.tune import past, results, warm
from ctt_ray.tune import settings as settings_of
from ctt_ray.tune import study as study_of
from ctt_ray.tune.board import Board
from ctt_ray.tune.folder import Folder
from ctt_ray.tune.searcher import StudySearcher
from ctt_ray.tune.settings import Settings
from tune_spaces import Fidelity, Space, load


@pytest.fixture
def earlier(folder: Folder, settings: Settings, put: Callable[..., None]) -> Folder:
    put("0000", {10: 1.0, 80: 8.0}, "complete")
    put("0001", {10: 0.5}, "pruned", lr=0.1)
    put("0002", {10: 0.5}, "failed", lr=0.1)
    put("0003", {80: 9.0}, "complete", lr=0.5, phi=0.9)
    put("0004", {10: 9.0}, "", lr=0.5)
    settings_of.save(folder, settings)
    results.write(folder, folder.records(), settings)
    return folder


def narrow(space: Space) -> Space:
    def suggest(trial: Any) -> dict[str, float]:
        return {
            "lr": trial.suggest_float("lr", 1e-4, 0.1, log=True),
            "phi": trial.suggest_categorical("phi", (0.3, 0.5)),
            "tau_hc": trial.suggest_float("tau_hc", 0.1, 1.0) if trial.suggest_categorical("k", (1, 2)) == 2 else 0.1,
        }

    return Space(space.name, "", space.base, suggest, (), Fidelity(8, 1, 2))


@pytest.mark.parametrize("kind", ["folder", "table"])
def test_finished_trials_at_full_length_are_taken_and_the_others_are_counted(
    kind: str, earlier: Folder, space: Space, settings: Settings
) -> None:
    found = warm.taken(earlier.root if kind == "folder" else earlier.table, space, settings)
    assert [(trial.params, trial.miou) for trial in found.trials] == [
        ({"lr": 0.02, "phi": 0.3}, 8.0),
        ({"lr": 0.5, "phi": 0.9}, 9.0),
    ]
    assert [trial.source.rpartition("/")[2] for trial in found.trials] == ["0000", "0003"]
    assert found.said == ("2 left out: stopped early or unfinished", "1 left out: failed")


def test_misfits_name_the_column(tmp_path: Path, space: Space, settings: Settings) -> None:
    table = tmp_path / "old.csv"
    table.write_text(
        "miou,iteration,lr,phi,k,tau_hc,note\n"
        "1,80,0.01,0.3,1,,fits without tau_hc\n"
        "2,80.0,0.01,0.50,2.0,0.7,fits\n"
        "3,80,5,0.3,1,,outside\n"
        "4,80,0.01,0.4,1,,unknown choice\n"
        "5,80,0.01,0.3,2,,missing parameter\n"
        "6,40,0.01,0.3,1,,length\n"
        ",80,0.01,0.3,1,,no score\n"
        "7,80,high,0.3,1,,no number\n"
        "8,80,0.01,0.3,1,0.9,another value than follows\n"
    )
    found = warm.taken(table, narrow(space), settings)
    assert [(trial.miou, trial.params) for trial in found.trials] == [
        (1.0, {"lr": 0.01, "phi": 0.3, "k": 1}),
        (2.0, {"lr": 0.01, "phi": 0.5, "k": 2, "tau_hc": 0.7}),
    ]
    assert set(found.said) == {
        "1 left out: parameter 'lr' is outside 0.0001 … 0.1",
        "1 left out: parameter 'phi' is 0.4, not one of 0.3, 0.5",
        "1 left out: parameter 'tau_hc' is missing",
        "1 left out: 'iteration' is 40, this campaign's trials have 80",
        "1 left out: 'miou' is no number",
        "1 left out: parameter 'lr' is 'high', no number",
        "1 left out: 'tau_hc' would be 0.1, there it was 0.9",
    }


def test_a_table_of_ours_gives_back_what_was_sampled_under_another_name(tmp_path: Path) -> None:
    """ema_step is sampled and ema_decay follows; both stand in trials.csv."""
    space = load("voc")
    base = with_values(settings_of.RunConfig(), {**space.base, "iterations": 16})
    settings = settings_of.settle(space, base, trials=4)
    from ctt_ray.tune.folder import Issued, Outcome, Record

    point = dict(space.points[1])
    line = {"iteration": 16, "miou": 50.0, "seconds": 3.0}
    record = Record(Issued("0000", point, space.values(point), ""), [line], Outcome("complete", 16, 50.0, 3.0))
    folder = Folder(tmp_path / "camp")
    results.write(folder, [record], settings)
    (found,) = warm.taken(folder.table, space, settings).trials
    assert found.params == point


def test_they_are_completed_observations_first_and_do_not_count(
    earlier: Folder, space: Space, settings: Settings, tmp_path: Path
) -> None:
    folder = Folder(tmp_path / "next")
    started = warm.start(earlier.root, folder, space, settings, issued=False)
    assert started is not None
    past.save(folder, started)
    earlier.root.rename(tmp_path / "gone")
    again = warm.start(None, folder, space, settings, issued=True)
    assert again == started
    for _ in range(2):
        board = Board(folder, iterations=settings.iterations, total=settings.trials)
        study = study_of.rebuild(
            folder.study,
            "next",
            space,
            board.records,
            settings.points,
            past=past.load(folder).trials,  # type: ignore[union-attr]
        )
        searcher = StudySearcher(board, study, space, settings, concurrent=1)
        assert searcher.suggest("ray_a") == {"trial": "0000"}
        assert folder.issued("0000").params == settings.points[0]  # the points are still tried, and under our numbers
    assert board.total == settings.trials and board.unissued == settings.trials - 1
    taken = study.trials[:2]
    assert [(trial.state, trial.value) for trial in taken] == [(TrialState.COMPLETE, 8.0), (TrialState.COMPLETE, 9.0)]
    assert [trial.user_attrs for trial in taken] == [{"warm_from": "camp/0000"}, {"warm_from": "camp/0003"}]
    assert study.best_value == 9.0


def test_it_moves_what_is_proposed(earlier: Folder, space: Space, settings: Settings, tmp_path: Path) -> None:
    """TPE starts from the earlier trials at once instead of from random ones."""

    def first(trials: tuple[past.Past, ...]) -> dict[str, Any]:
        folder = Folder(tmp_path / str(len(trials)))
        board = Board(folder, iterations=settings.iterations, total=settings.trials)
        study = study_of.rebuild(folder.study, "x", space, [], (), past=trials)
        StudySearcher(board, study, space, settings, concurrent=1).suggest("ray_a")
        return folder.issued("0000").params

    many = tuple(past.Past(str(n), {"lr": 0.01, "phi": 0.4 + n / 1000}, 9.0 - n) for n in range(12))
    assert first(many) != first(())


def test_what_was_trained_otherwise_is_said(earlier: Folder, space: Space, settings: Settings) -> None:
    other = settings.model_copy(update={"base": with_values(settings.base, {"backbone": "resnet50"})})
    (*_, said) = warm.taken(earlier.root, space, other).said
    assert said.startswith("its trials were trained otherwise (backbone)")


def test_a_cost_that_is_not_known_is_missing_where_it_counts(tmp_path: Path, space: Space, settings: Settings) -> None:
    table = tmp_path / "old.csv"
    table.write_text("miou,iteration,lr,phi,cost\n1,80,0.01,0.3,\n2,80,0.01,0.3,7.5\n")
    two = settings.model_copy(update={"objectives": ("miou", "cost")})
    found = warm.taken(table, space, two)
    assert [(trial.miou, trial.cost) for trial in found.trials] == [(2.0, 7.5)]
    assert found.said == ("1 left out: 'cost' is missing, and it is an objective",)
    study = study_of.rebuild(tmp_path / "s", "x", space, [], (), objectives=two.objectives, past=found.trials)
    assert study.trials[0].values == [2.0, 7.5]


def test_mistakes(earlier: Folder, space: Space, settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.csv").write_text("a,b\n1,2\n")
    new = Folder(tmp_path / "new")
    for source, message in (
        (tmp_path / "nowhere", "no such folder or file"),
        (tmp_path / "empty", "no trials there"),
        (tmp_path / "bad.csv", "no column miou, iteration"),
    ):
        with pytest.raises(ConfigError, match=message):
            warm.start(source, new, space, settings, issued=False)
    with pytest.raises(ConfigError, match="began without one; use another --name"):
        warm.start(earlier.root, new, space, settings, issued=True)
    past.save(new, past.Warm("/elsewhere", ()))
    with pytest.raises(ConfigError, match="began from /elsewhere"):
        warm.start(earlier.root, new, space, settings, issued=True)

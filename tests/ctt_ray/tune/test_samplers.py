"""Samplers by name: what they propose depends on seed, number and the trials' files, and on nothing that a restart loses."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest

from ctt_ray.config import ConfigError
from ctt_ray.train.session import RESULTS
from ctt_ray.tune import choices
from ctt_ray.tune import study as study_of
from ctt_ray.tune.board import Board
from ctt_ray.tune.folder import Folder, write_text
from ctt_ray.tune.samplers import STARTUP, Samplers
from ctt_ray.tune.searcher import StudySearcher
from ctt_ray.tune.settings import Settings
from tune_spaces import Space


def make(folder: Folder, space: Space, settings: Settings) -> StudySearcher:
    board = Board(folder, iterations=settings.iterations, total=settings.trials)
    study = study_of.rebuild(
        folder.study, "camp", space, board.records, settings.points, objectives=settings.objectives
    )
    return StudySearcher(board, study, space, settings, concurrent=1)


def score(params: dict[str, Any]) -> float:
    return 60 - 5 * abs(math.log10(params["lr"]) + 2) - 20 * abs(params.get("phi", 0.1) - 0.4)


def run(folder: Folder, space: Space, settings: Settings, *, restart: bool, stopped: int = 3) -> list[dict[str, Any]]:
    """A campaign of one trial at a time; every `stopped`th is stopped early. restart: a new process for each, with the
    study written anew; every fourth trial is killed once on its way and asked for again."""
    searcher = make(folder, space, settings)
    for number in range(settings.trials):
        id = f"{number:04d}"
        if restart:
            searcher = make(folder, space, settings)
        searcher.suggest(f"ray_{number}")
        params = folder.issued(id).params
        if restart and number % 4 == 2:
            searcher = make(folder, space, settings)
            assert searcher.suggest(f"ray_{number}") == {"trial": id}
            assert folder.issued(id).params == params
        value = score(params)
        early = stopped and number % stopped == 1
        scores = {10: value / 2} if early else {10: value / 2, 80: value}
        lines = [
            json.dumps({"iteration": at, "miou": miou, "seconds": 1 + params["lr"]}) for at, miou in scores.items()
        ]
        write_text(folder.trial(id) / RESULTS, "\n".join(lines) + "\n")
        if early:
            searcher.board.pruned.add(id)
        searcher.on_trial_complete(f"ray_{number}", {})
    return [record.issued.params for record in folder.records()]


@pytest.mark.parametrize(
    ("kind", "objectives"),
    [
        ("tpe", ("miou",)), ("tpe", ("miou", "cost")), ("gp", ("miou",)), ("gp", ("miou", "cost")),
        ("cmaes", ("miou",)), ("random", ("miou",)), ("grid", ("miou",)),
    ],
)  # fmt: skip
def test_suggestions_do_not_depend_on_restarts(
    kind: str, objectives: tuple[str, ...], tmp_path: Path, space: Space, settings: Settings
) -> None:
    """One at a time, with the models at work after their start, in a single process against a new one for each trial."""
    trials = STARTUP + {"cmaes": 8, "gp": 2}.get(kind, 4)
    change: dict[str, Any] = {"trials": trials, "sampler": kind, "objectives": objectives, "grid_levels": 5}
    settings = settings.model_copy(update=change | ({"points": ()} if kind == "grid" else {}))
    stopped = 0 if kind in ("cmaes", "gp") else 3
    once = run(Folder(tmp_path / "once"), space, settings, restart=False, stopped=stopped)
    assert run(Folder(tmp_path / "again"), space, settings, restart=True, stopped=stopped) == once
    assert len({tuple(params.items()) for params in once}) == trials
    if kind == "cmaes":
        kept = [record.issued.sampler.get("cma:generation", 0) for record in Folder(tmp_path / "again").records()]
        assert kept == sorted(kept) and kept[-1] >= 2


@pytest.mark.parametrize(
    "kind", ["tpe", pytest.param("gp", marks=pytest.mark.slow), pytest.param("cmaes", marks=pytest.mark.slow)]
)
def test_those_that_model_learn(kind: str, tmp_path: Path, space: Space, settings: Settings) -> None:
    """Later proposals are better than random ones, and other results lead to others."""
    settings = settings.model_copy(update={"trials": 24, "sampler": kind, "points": ()})
    found = run(Folder(tmp_path / "a"), space, settings, restart=False, stopped=0)
    drawn = run(
        Folder(tmp_path / "b"), space, settings.model_copy(update={"sampler": "random"}), restart=False, stopped=0
    )
    late, random = ([score(params) for params in each[STARTUP:]] for each in (found, drawn))
    assert sum(late) / len(late) > sum(random) / len(random)


def test_a_sampler_depends_on_seed_and_number_alone(space: Space) -> None:
    def draw(kind: Any, seed: int, number: int) -> dict[str, float]:
        return space.suggest(optuna.create_study(sampler=Samplers(kind, seed, space).of(number)).ask())

    for kind in ("tpe", "random", "gp", "cmaes", "grid"):
        assert draw(kind, 0, 5) == draw(kind, 0, 5)
        assert draw(kind, 0, 5) != draw(kind, 0, 6)
    assert draw("tpe", 0, 5) != draw("tpe", 1, 5)


def test_a_grid_is_worked_off_once_in_an_order_of_the_seed(tmp_path: Path, space: Space, settings: Settings) -> None:
    def order(seed: int) -> list[tuple[float, ...]]:
        asked = settings.model_copy(update={"trials": 9, "sampler": "grid", "points": (), "seed": seed})
        found = run(Folder(tmp_path / str(seed)), space, asked, restart=False)
        return [tuple(params.values()) for params in found]

    whole = list(itertools.product((1e-4, 1e-2, 1.0), (0.0, 0.5, 1.0)))
    flat = sorted(tuple(round(value, 9) for value in point) for point in order(0))
    assert flat == whole
    assert order(0) != sorted(order(0)) and order(1) != order(0)


def test_a_grid_of_a_conditional_space(tmp_path: Path, space: Space, settings: Settings) -> None:
    def suggest(trial: Any) -> dict[str, Any]:
        lr = trial.suggest_float("lr", 1e-4, 1.0, log=True)
        return {"lr": lr} | ({"phi": trial.suggest_float("phi", 0.0, 1.0)} if lr > 0.5 else {})

    asked = settings.model_copy(update={"trials": 5, "sampler": "grid", "points": ()})
    found = run(Folder(tmp_path / "c"), replace(space, suggest=suggest), asked, restart=True)
    assert sorted(len(params) for params in found) == [1, 1, 2, 2, 2]


@pytest.mark.parametrize(
    ("sampler", "objectives", "message"),
    [
        ("cmaes", ("miou", "cost"), "knows one objective"),
        ("tpe", ("cost",), "use `miou`, or `miou cost`"),
        ("tpe", ("cost", "miou"), "use `miou`, or `miou cost`"),
    ],
)
def test_what_does_not_go_together(sampler: Any, objectives: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        choices.check(sampler, objectives)


def test_a_missing_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    gone: Callable[[str], None] = lambda name: None  # noqa: E731
    monkeypatch.setattr(choices, "find_spec", gone)
    with pytest.raises(ConfigError, match=r"needs the package 'cmaes'.*ctt-ray\[samplers\]"):
        choices.check("cmaes", ("miou",))
    choices.check("tpe", ("miou",))

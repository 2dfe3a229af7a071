"""Two objectives: the front against a plain double loop, what the study is told, and the files."""

from __future__ import annotations

import csv
import random
from collections.abc import Callable
from dataclasses import asdict

import optuna
import pytest
from optuna.trial import TrialState

from ctt_ray.tune import objectives, results
from ctt_ray.tune import study as study_of
from ctt_ray.tune.attempts import Attempt
from ctt_ray.tune.folder import Folder, Issued, Outcome, Record, write_json
from ctt_ray.tune.settings import Settings
from tune_spaces import Space


def trial(id: int, miou: float, seconds: float, state: str = "complete") -> Record:
    line = {"iteration": 80, "miou": miou, "seconds": seconds}
    return Record(Issued(f"{id:04d}", {}, {"lr": 0.1}, ""), [line], Outcome(state, 80, miou, seconds))  # type: ignore[arg-type]


@pytest.fixture
def two(settings: Settings) -> Settings:
    return settings.model_copy(update={"objectives": ("miou", "cost")})


@pytest.mark.parametrize("seed", range(20))
def test_the_front_is_what_nobody_beats(seed: int) -> None:
    draw = random.Random(seed)
    records = [trial(n, draw.randint(0, 5), draw.randint(0, 5)) for n in range(12)]
    expected = set()
    for one in records:
        beaten = False
        for other in records:
            assert one.miou is not None and other.miou is not None
            no_worse = other.miou >= one.miou and other.seconds <= one.seconds
            better = other.miou > one.miou or other.seconds < one.seconds
            beaten |= no_worse and better
        if not beaten:
            expected.add(one.id)
    front = objectives.front(records)
    assert {record.id for record in front} == expected
    assert [record.seconds for record in front] == sorted(record.seconds for record in front)


def test_cost_counts_every_device_of_the_last_attempt(folder: Folder, put: Callable[..., None]) -> None:
    put("0000", {10: 1.0, 80: 8.0}, "complete")
    assert objectives.cost(folder.record("0000")) == 80.0
    for number, (cpus, gpus, expected) in enumerate(((2.0, 1.0, 80.0), (2.0, 4.0, 320.0), (2.0, 0.0, 160.0))):
        write_json(folder.trial("0000") / "attempts" / f"{number:02d}.json", asdict(Attempt(0.0, 1.0, 1.0, cpus, gpus)))
        assert objectives.cost(folder.record("0000")) == expected


def test_only_trials_at_full_length_are_on_it() -> None:
    records = [trial(0, 9.0, 9.0), trial(1, 99.0, 1.0, "pruned"), trial(2, 99.0, 1.0, "failed")]
    assert [record.id for record in objectives.front(records)] == ["0000"]
    assert objectives.front([]) == []


def test_the_study_has_both_values_and_the_steps_as_an_attribute(
    folder: Folder, space: Space, two: Settings, put: Callable[..., None]
) -> None:
    put("0000", {10: 1.0, 80: 8.0}, "complete")
    put("0001", {10: 0.5}, "pruned")
    put("0002", {10: 0.5}, "failed")
    study = study_of.rebuild(folder.study, "camp", space, folder.records(), (), objectives=two.objectives)
    assert [direction.name for direction in study.directions] == ["MAXIMIZE", "MINIMIZE"]
    complete, pruned, failed = study.trials
    assert (complete.state, complete.values) == (TrialState.COMPLETE, [8.0, 80.0])
    assert complete.user_attrs["scores"] == {"10": 1.0, "80": 8.0} and not complete.intermediate_values
    assert (pruned.state, pruned.values) == (TrialState.PRUNED, None)
    assert (failed.state, failed.values) == (TrialState.FAIL, None)
    assert [each.number for each in study.best_trials] == [0]
    assert study.metric_names == ["miou", "cost"]
    assert optuna.logging.get_verbosity() == optuna.logging.ERROR


def test_the_front_is_in_the_files_and_best_yaml_is_the_best_score(
    folder: Folder, two: Settings, settings: Settings, put: Callable[..., None]
) -> None:
    put("0000", {80: 8.0}, "complete")
    put("0001", {80: 9.0}, "complete", lr=0.5)
    put("0002", {10: 5.0}, "pruned")
    found = results.write(folder, folder.records(), two)
    assert found is not None and found.id == "0001"
    rows = list(csv.DictReader(folder.table.open()))
    assert [(row["cost"], row["pareto"]) for row in rows] == [("80.0", "false"), ("80.0", "true"), ("10.0", "false")]
    (on_front,) = csv.DictReader((folder.root / "pareto.csv").open())
    assert (on_front["trial"], on_front["miou"], on_front["cost"], on_front["lr"]) == ("0001", "9.0", "80.0", "0.5")
    header = [column.header for column in results.as_table(folder.records(), two).columns]
    assert header[5:7] == ["cost", "pareto"]
    (folder.root / "pareto.csv").unlink()
    results.write(folder, folder.records(), settings)
    assert not (folder.root / "pareto.csv").exists() and "pareto" not in folder.table.read_text()

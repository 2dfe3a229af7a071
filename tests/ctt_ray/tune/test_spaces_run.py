"""Conditional spaces through whole campaigns: the space of methods, a file of one's own, each with what else can be asked for."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import optuna
import postgres_server
import pytest
from optuna.trial import TrialState

from ctt_ray import cli, methods
from ctt_ray.tune import study as study_of
from ctt_ray.tune.folder import Folder
from tune_spaces import load

SCRIPT = Path(__file__).with_name("formula.py")
MINE = """
'''Contrast or not.'''
NAME = "mine"
BASE = {"data": "", "labelled": "n4_s0", "iterations": 80, "report_every": 10}
POINTS = ({"contrast": "yes", "tau_hc": 0.1, "ratio": 5.0, "lr": 0.01}, {"contrast": "no", "lr": 0.02})
FIDELITY = {"reports": 8, "reduction": 2}
TRIALS = 6


def suggest(trial):
    values = {"lr": trial.suggest_float("lr", 1e-4, 1e-1, log=True), "lambda_hc": 0.0, "lambda_lc": 0.0}
    if trial.suggest_categorical("contrast", ("yes", "no")) == "yes":
        tau = trial.suggest_float("tau_hc", 0.05, 0.2)
        values |= {"lambda_hc": 0.1, "tau_hc": tau, "tau_lc": tau * trial.suggest_float("ratio", 1.0, 5.0)}
    return values
"""


def campaign(where: Path, *arguments: str) -> tuple[dict[str, Any], str]:
    path = os.pathsep.join([str(Path(cli.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--json", *arguments],
        capture_output=True, text=True, cwd=where, env={**os.environ, "PYTHONPATH": path}, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found, done.stderr


@pytest.mark.ray
def test_the_space_of_methods(tmp_path: Path) -> None:
    found, said = campaign(tmp_path, "--space", "methods", "--trials", "20", "--scheduler", "none", "--allow-twins")
    folder = Folder(tmp_path / "campaigns" / "methods")
    assert "REHEARSAL" in said and "python -m data_prep camvid" in said
    seen = set()
    for record in folder.records():
        assert record.outcome is not None and record.outcome.state == "complete"
        method = record.issued.values["method"]
        read = {"method", "lr", *methods.parameters(method)}
        assert set(record.issued.values) <= read
        seen.add(method)
    assert seen == {str(point["method"]) for point in load("methods").points}
    assert found["best"]["method"] == "ctt"
    config = cli.read_config(folder.best)
    assert config.method == "ctt" and config.hash() == found["best"]["config_hash"]
    rows = list(csv.DictReader(folder.table.open()))
    assert [row["method"] for row in rows[:3]] == ["ctt", "mean_teacher", "supervised"]  # the points
    assert (rows[0]["phi"], rows[1]["phi"], rows[2]["ema_decay"]) == ("0.75", "", "")


@pytest.mark.ray
def test_a_file_of_ones_own_with_a_database_two_objectives_the_median_rule_and_a_warm_start(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    wanted = ("--space", "mine.py", "--objectives", "miou", "cost", "--scheduler", "median", "--concurrent", "1")
    study = ("--study", "sqlite:///study.db", "--allow-twins")
    found, _ = campaign(tmp_path, *wanted, *study)
    assert found["paths"]["study"] == "sqlite:///study.db"
    folder = Folder(tmp_path / "campaigns" / "mine")
    space = load(str(tmp_path / "mine.py"))
    records = folder.records()
    assert len(records) == 6 and not folder.study.exists()
    for record in records:
        assert space.values(record.issued.params) == record.issued.values
        assert ("tau_hc" in record.issued.params) == (record.issued.params["contrast"] == "yes")
    (front,) = csv.DictReader((folder.root / "pareto.csv").open())  # all cost the same
    assert front["trial"] == found["best"]["trial"] and found["best"]["pareto"] == "true"

    opened = optuna.load_study(study_name="mine", storage=f"sqlite:///{tmp_path / 'study.db'}")
    complete = [trial for trial in opened.trials if trial.state == TrialState.COMPLETE]
    assert len(opened.trials) == 6 and all(len(trial.values) == 2 for trial in complete)

    again, said = campaign(
        tmp_path, *wanted, *study, "--name", "next", "--trials", "2", "--warm-from", str(folder.table)
    )
    assert f"warm start from {folder.table}: {len(complete)} trials taken" in said
    opened = optuna.load_study(study_name="next", storage=f"sqlite:///{tmp_path / 'study.db'}")
    assert len(again["trials"]) == 2 and len(opened.trials) == len(complete) + 2
    assert [trial.user_attrs.get("id") for trial in opened.trials[-2:]] == ["0000", "0001"]


@pytest.mark.ray
def test_a_database_that_goes_away_stops_the_campaign_in_words_and_loses_nothing(tmp_path: Path) -> None:
    if why := postgres_server.missing():
        pytest.skip(why)
    folder = Folder(tmp_path / "campaigns" / "demo")
    wanted = ["--json", "--space", "demo", "--trials", "150", "--scheduler", "none", "--allow-twins"]
    path = os.pathsep.join([str(Path(cli.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    with postgres_server.server() as url:
        running = subprocess.Popen(
            [sys.executable, str(SCRIPT), *wanted, "--study", url],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env={**os.environ, "PYTHONPATH": path},
        )  # fmt: skip
        patience = time.monotonic() + 120
        while sum(record.outcome is not None for record in folder.records()) < 2:
            assert running.poll() is None and time.monotonic() < patience
            time.sleep(0.1)
    _, said = running.communicate(timeout=120)
    assert running.returncode == cli.ENVIRONMENT, said
    last = said.strip().splitlines()[-1]  # Ray logs the database's own words before it
    assert "was lost" in last and "the same command goes on" in last and "secret" not in said
    records = folder.records()
    study = study_of.rebuild(folder.study, "demo", load("demo"), records, ())  # elsewhere, from the files alone
    assert len(study.trials) == len(records) >= 2


def test_a_file_of_ones_own_says_its_conditions_and_grid_before_anything_runs(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    path = os.pathsep.join([str(Path(cli.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "ctt_ray.tune", "--space", "mine.py", "--sampler", "grid", "--dry-run"]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, env={**os.environ, "PYTHONPATH": path}, timeout=60
    )
    assert done.returncode == 0, done.stderr
    for line in ("contrast = yes", "tau_lc     from tau_hc, ratio", "grid       30 points with 3 values a range"):
        assert line in done.stdout, done.stdout
    assert "30 of 30 trials left" in done.stdout
    done = subprocess.run(
        [*command, "--trials", "99"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert "the grid has 30 points" in done.stderr and "30 of 30" in done.stdout

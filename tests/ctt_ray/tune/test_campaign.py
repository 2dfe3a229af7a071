"""Whole campaigns on Ray, their runs a formula: early stopping, failures, a clean stop, and a kill in the middle."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState
from tiny_campaigns import PATIENCE_S

from ctt_ray import cli
from ctt_ray.tune import requests
from ctt_ray.tune.__main__ import main
from ctt_ray.tune.folder import Folder
from ctt_ray.tune.results import best, state

SCRIPT = Path(__file__).with_name("analytic.py")

pytestmark = pytest.mark.ray


def start(folder: Folder, trials: int, pause: float = 0.0) -> subprocess.Popen[str]:
    command = [sys.executable, str(SCRIPT), str(folder.root), str(trials), str(pause)]
    path = os.pathsep.join([str(Path(cli.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": path},
    )


def finish(process: subprocess.Popen[str], code: int = 0) -> tuple[dict[str, Any], str]:
    """The result on stdout, and what was said on stderr."""
    out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == code, err
    assert "Traceback" not in err, err
    found: dict[str, Any] = json.loads(out)  # nothing but the result goes to stdout
    return found, err


def wait_until(true: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    patience = time.monotonic() + PATIENCE_S
    while not true():
        assert process.poll() is None and time.monotonic() < patience
        time.sleep(0.05)


def study_of(folder: Folder) -> optuna.Study:
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(folder.study)))
    return optuna.load_study(study_name=folder.root.name, storage=storage)


def check_whole(folder: Folder, trials: int) -> None:
    """Total exact, none doubled, all ended, and the study says the same as the files."""
    records = folder.records()
    assert [record.id for record in records] == [f"{n:04d}" for n in range(trials)]
    assert len({json.dumps(record.issued.params, sort_keys=True) for record in records}) == trials
    told = study_of(folder).trials
    states = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}
    assert [trial.state for trial in told] == [states[state(record)] for record in records]
    for record, trial in zip(records, told, strict=True):
        assert trial.params == pytest.approx(record.issued.params)
        assert trial.intermediate_values == {int(line["iteration"]): line["miou"] for line in record.lines}
        assert record.outcome is not None
        if record.outcome.state == "pruned":
            assert record.iteration in (10, 20, 40) and trial.value == record.miou
        if record.outcome.state == "complete":
            assert [line["iteration"] for line in record.lines] == list(range(10, 90, 10))
    assert not folder.stop.exists()


def test_a_campaign_stops_weak_trials_reuses_its_processes_and_survives_broken_runs(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "camp")
    folder.root.mkdir()
    (folder.root / "broken").touch()
    found, _ = finish(start(folder, 9), cli.TRIALS_FAILED)
    records = folder.records()
    check_whole(folder, 9)
    ended = Counter(state(record) for record in records)
    assert ended["failed"] == 2 and ended["pruned"] >= 1 and ended["complete"] >= 1
    assert records[1].outcome is not None and records[1].outcome.reason == "ValueError: boom"
    assert records[2].outcome is not None and records[2].outcome.reason.startswith("NotApplied")
    assert len({line["pid"] for record in records for line in record.lines}) <= 2
    top = best(records)
    assert top is not None and found["best"]["trial"] == top.id and top.iteration == 80
    assert cli.read_config(folder.best).hash() == top.issued.config_hash


def test_a_trial_that_collapses_is_stopped_and_told_as_pruned(tmp_path: Path) -> None:
    """At 20 its teacher says one class, at 30 it still does: stopped there, with its score and the reason."""
    folder = Folder(tmp_path / "camp")
    folder.root.mkdir()
    (folder.root / "collapses").touch()
    _, said = finish(start(folder, 3))
    records = folder.records()
    assert [(state(record), record.iteration) for record in records] == [
        ("complete", 80),
        ("pruned", 30),
        ("complete", 80),
    ]
    outcome = records[1].outcome
    assert outcome is not None and outcome.miou == 3.0
    assert outcome.reason.startswith(
        "stopped early at 30 of 80, collapsed: t0 says one class on 99.90% and then 99.90%"
    )
    assert "trial pruned 0001  mIoU 3.00 at 30/80" in said and "collapsed: t0 says one class" in said
    told = study_of(folder).trials[1]
    assert told.state == TrialState.PRUNED and told.value == 3.0 and "collapsed" in told.user_attrs["reason"]


def test_a_kill_in_the_middle_and_a_stop_lose_nothing(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "camp")
    killed = start(folder, 6, pause=0.03)
    wait_until(lambda: any(record.iteration >= 30 for record in folder.records()), killed)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    issued = {record.id: record.issued for record in folder.records()}
    ended = {record.id: record.outcome for record in folder.records() if record.outcome}
    assert len(ended) < len(issued)

    stopped = start(folder, 6, pause=0.03)
    wait_until(lambda: len(folder.records()) >= 3 and any(r.outcome for r in folder.records()), stopped)
    os.kill(stopped.pid, signal.SIGTERM)
    _, err = stopped.communicate(timeout=PATIENCE_S)
    assert stopped.returncode == cli.RESUMABLE, err
    assert "of 6 trials finished; the same command goes on" in err
    half_way = {record.id: record.iteration for record in folder.records()}

    finish(start(folder, 6))
    check_whole(folder, 6)
    for record in folder.records():
        assert record.issued == issued.get(record.id, record.issued)  # the same parameters
        assert record.outcome == ended.get(record.id, record.outcome)  # what had ended was not run again
        assert record.iteration >= half_way.get(record.id, 0)
    assert len(study_of(folder).trials) == 6


def test_a_trial_whose_process_dies_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "camp")
    running = start(folder, 2, pause=0.05)
    wait_until(lambda: any(record.iteration >= 20 for record in folder.records()), running)
    victim = next(record for record in folder.records() if record.iteration >= 20)
    os.kill(int(victim.lines[-1]["pid"]), signal.SIGKILL)
    _, said = finish(running)
    assert f"trial {victim.id}: its process died" in said
    after = folder.record(victim.id)
    assert state(after) == "complete" and after.issued == victim.issued
    assert [line["iteration"] for line in after.lines] == list(range(10, 90, 10))
    assert len({line["pid"] for line in after.lines}) == 2  # the lines before the kill are the old process's
    assert len(folder.records()) == 2


def test_twins_halt_the_campaign_with_an_explanation(folder: Folder) -> None:
    """phi reaches no loss of the formula: two trials that differ in nothing else have one curve."""
    folder.root.mkdir(parents=True)
    (folder.root / "twins").touch()
    process = start(folder, trials=6)
    out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == cli.TRIALS_FAILED, err
    assert out == ""
    assert "were sampled differently (phi " in err
    assert "had no effect" in err
    assert sum(record.outcome is not None for record in folder.records()) < 6


def test_extend_and_stop_reach_a_running_campaign(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = Folder(tmp_path / "camp")

    def verb(name: str, *args: str) -> dict[str, Any]:
        assert main([name, str(folder.root), *args, "--json"]) == cli.DONE
        said: dict[str, Any] = json.loads(capsys.readouterr().out)
        return said

    running = start(folder, 2, pause=0.1)
    wait_until(lambda: any(record.lines for record in folder.records()), running)
    assert verb("extend", "3")["total"] == 5
    wait_until(lambda: len(folder.records()) > 2, running)  # taken up without a restart
    found = verb("status")
    assert (found["state"], found["pid"], found["total"]) == ("running", running.pid, 5)
    assert verb("stop")["asked"] is True
    _, err = running.communicate(timeout=PATIENCE_S)
    assert running.returncode == cli.RESUMABLE and "asked to stop" in err, err
    stopped = verb("status")
    assert stopped["state"] == "stopped" and "asked to stop" in stopped["why"]

    finish(start(folder, 2))  # the command that started it
    check_whole(folder, 5)
    assert not requests.stop_asked(folder) and verb("status")["state"] == "finished"

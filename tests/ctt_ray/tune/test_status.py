"""What a campaign's folder says about it, told on any machine: state, counts, best at equal fidelity; requests to it."""

from __future__ import annotations

import csv
import io
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from ctt_ray.config import ConfigError
from ctt_ray.tune import candidates, requests
from ctt_ray.tune import settings as settings_of
from ctt_ray.tune.__main__ import main
from ctt_ray.tune.alive import ALIVE, STALE_S, Alive
from ctt_ray.tune.folder import Folder, write_json
from ctt_ray.tune.opened import find
from ctt_ray.tune.settings import Settings
from ctt_ray.tune.status import Running, lines, look

NOW = 2_000_000_000.0


@pytest.fixture
def campaign(folder: Folder, settings: Settings, put: Callable[..., None]) -> Folder:
    settings_of.save(folder, settings)
    put("0000", {10: 30.0, 20: 42.0, 40: 46.0, 80: 50.0}, "complete", lr=0.01)
    put("0001", {10: 90.0}, "pruned", lr=0.1)
    put("0002", {10: 99.0}, "failed", lr=0.3)
    put("0003", {10: 30.0, 20: 44.0, 30: 20.0}, lr=0.4)
    put("0004", {}, lr=0.5)
    return folder


def beat(folder: Folder, *, age: float = 0.0, live: list[str] | None = None, ended: str = "") -> None:
    alive = Alive("far", 12, NOW - age, NOW - 60, live or [], ended)
    write_json(folder.root / ALIVE, asdict(alive))


def test_a_fresh_heartbeat_is_a_running_campaign_with_its_trials(campaign: Folder, settings: Settings) -> None:
    beat(campaign, age=STALE_S - 1, live=["0003"])
    found = look(campaign, settings, NOW)
    assert (found.state, found.where, found.since) == ("running", "process 12 on far", NOW - 60)
    assert found.counts == {"complete": 1, "pruned": 1, "failed": 1, "running": 1, "unfinished": 1}
    assert found.running == [Running("0003", 30, 20.0)]
    assert (found.finished, found.total) == (3, 6)
    assert [(level.step, level.reached) for level in found.levels] == [(10, 3), (20, 2), (40, 1), (80, 1)]
    text = "\n".join(lines(found))
    assert "3 of 6 finished: 1 complete, 1 pruned, 1 failed, 1 running, 1 unfinished" in text
    assert "running     0003  30/80  mIoU 20.00" in text and "0000  mIoU 50.00 at 80/80" in text


@pytest.mark.parametrize(
    ("age", "ended", "why"),
    [(STALE_S + 1, "", "killed or lost its machine"), (1.0, "stopped, asked to stop: 3 of 6", "asked to stop: 3 of 6")],
)
def test_an_old_or_a_last_heartbeat_is_a_stopped_one(
    campaign: Folder, settings: Settings, age: float, ended: str, why: str
) -> None:
    beat(campaign, age=age, live=["0003"], ended=ended)
    found = look(campaign, settings, NOW)
    assert (found.state, found.since, found.running) == ("stopped", NOW - age, [])
    assert found.counts["unfinished"] == 2 and why in found.why and why in lines(found)[0]


def test_best_is_the_best_at_the_highest_level_and_no_report_between_two_levels_counts(
    folder: Folder, settings: Settings, put: Callable[..., None]
) -> None:
    put("0000", {10: 30.0, 20: 42.0, 30: 95.0}, lr=0.01)  # further, but 30 is no level: nobody else is compared there
    put("0001", {10: 99.0, 20: 43.0}, "pruned", lr=0.02)
    best = look(folder, settings, NOW).best
    assert best is not None and (best.trial, best.iteration, best.miou) == ("0001", 20, 43.0)


def test_finished_and_not_started(folder: Folder, settings: Settings, put: Callable[..., None]) -> None:
    found = look(folder, settings, NOW)
    assert (found.state, found.best, found.since) == ("not started", None, 0.0)
    assert "none yet" in "\n".join(lines(found))
    for number in range(6):
        put(f"{number:04d}", {10: 1.0}, "pruned")
    assert look(folder, settings, NOW).state == "finished"


def test_more_trials_are_added_for_good_and_counted_once(folder: Folder, settings: Settings) -> None:
    settings_of.save(folder, settings)
    requests.ask_more(folder, 3)
    requests.ask_more(folder, 1)
    assert settings_of.current_total(folder, settings) == 10  # what a running campaign sees
    loaded = settings_of.load(folder)
    assert loaded is not None and (loaded.trials, loaded.added) == (10, 4)
    settings_of.save(folder, loaded)  # what the next start writes
    again = settings_of.load(folder)
    assert again == loaded
    requests.ask_more(folder, 2)
    assert settings_of.current_total(folder, loaded) == 12
    latest = settings_of.load(folder)
    assert latest is not None and latest.trials == 12
    settings_of.check_same(folder.settings, latest, settings)  # the same campaign still


def test_stop_and_extend_leave_requests(campaign: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    alive = Alive(socket.gethostname(), os.getpid(), time.time(), time.time())
    write_json(campaign.root / ALIVE, asdict(alive))
    assert main(["stop", str(campaign.root)]) == 0
    assert requests.stop_asked(campaign) and f"process {os.getpid()}" in capsys.readouterr().out
    assert main(["status", str(campaign.root)]) == 0
    assert "asked to stop" in capsys.readouterr().out
    assert main(["extend", str(campaign.root), "4", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"total": 10, "state": "running"}
    requests.forget_stop(campaign)
    assert not requests.stop_asked(campaign)
    requests.forget_stop(campaign)


def test_a_confirmation_is_not_extended(campaign: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    write_json(campaign.root / candidates.FILE, [])
    assert main(["extend", str(campaign.root), "4"]) == 2
    assert "it grows by `confirm --best`" in capsys.readouterr().err
    assert requests.added(campaign) == 0


def test_a_finished_campaign_is_not_asked_to_stop(
    folder: Folder, settings: Settings, put: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    settings_of.save(folder, settings.model_copy(update={"trials": 1}))
    put("0000", {80: 5.0}, "complete")
    assert main(["stop", folder.root.name, "--storage", str(folder.root.parent)]) == 0
    assert not requests.stop_asked(folder) and "nothing to stop" in capsys.readouterr().out


def test_trials_as_csv_json_and_table(campaign: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trials", str(campaign.root), "--csv"]) == 0
    table = {row["trial"]: row for row in csv.DictReader(io.StringIO(capsys.readouterr().out))}
    assert [table[f"000{n}"]["common_miou"] for n in range(5)] == ["30.0", "90.0", "", "30.0", ""]
    assert {row["common_iteration"] for row in table.values()} == {"10"}
    assert table["0003"]["iteration"] == "30" and table["0003"]["state"] == "unfinished"
    assert main(["trials", str(campaign.root), "--json"]) == 0
    assert [row["miou"] for row in json.loads(capsys.readouterr().out)] == [50.0, 90.0, None, 20.0, None]
    assert main(["trials", str(campaign.root)]) == 0
    shown = capsys.readouterr().out
    assert "0002" not in shown and shown.index("0000") < shown.index("0003") < shown.index("0001")
    assert main(["trials", str(campaign.root), "--all"]) == 0
    assert "0002" in capsys.readouterr().out
    assert main(["trials", str(campaign.root), "--csv", "--json"]) == 2


def test_an_unknown_campaign_is_answered_with_those_that_exist(
    campaign: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", "cmap", "--storage", str(campaign.root.parent)]) == 2
    error = capsys.readouterr().err
    assert "did you mean 'camp'" in error and "there are: camp" in error
    with pytest.raises(ConfigError, match="there is none in nowhere"):
        find("camp", Path("nowhere"))


def test_settings_that_cannot_be_read_are_no_traceback(campaign: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    for text in ("base: {", "space: x\n", "[]"):
        campaign.settings.write_text(text)
        assert main(["status", str(campaign.root)]) == 2
        assert "cannot be read as a campaign's settings" in capsys.readouterr().err


def test_reading_and_steering_need_neither_ray_nor_optuna(campaign: Folder) -> None:
    code = (
        "import sys; from ctt_ray.tune.__main__ import main; main(sys.argv[1:]); "
        "print(sorted({'ray', 'optuna', 'torch'} & set(sys.modules)))"
    )
    for verb in (["status"], ["trials"], ["stop"], ["extend", "1"]):
        command = [sys.executable, "-c", code, verb[0], str(campaign.root), *verb[1:]]
        out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert out.endswith("[]\n"), (verb, out)

"""The command: what it refuses before anything runs; and whole confirmations on Ray, one of them killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import tiny_search
from tiny_campaigns import PATIENCE_S
from tiny_scenes import make_scenes
from tiny_search import ITERATIONS, formula, make_search

from ctt_ray import cli
from ctt_ray.config import with_values
from ctt_ray.tune.__main__ import main
from ctt_ray.tune.candidates import DEFAULTS, SUPERVISED
from ctt_ray.tune.folder import Folder
from ctt_ray.tune.settings import Settings
from ctt_ray.tune.statistics import estimate

SCORES = [50.0, 44.0, 46.0, 52.0]  # the best is 0003, then the defaults, 0000


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_scenes(tmp_path_factory.mktemp("scenes"), train=8, val=5)


@pytest.fixture
def search(tmp_path: Path, data: Path) -> tuple[Folder, Settings]:
    return make_search(tmp_path / "camp", data, "val:0/2", SCORES)


def untouched(folder: Folder) -> bool:
    return sorted(path.name for path in folder.root.iterdir()) == ["campaign.yaml", "trials"]


def test_a_dry_run_says_who_and_on_what_and_writes_nothing(
    search: tuple[Folder, Settings], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, _ = search
    assert main(["confirm", str(folder.root), "--dry-run"]) == 0
    said = capsys.readouterr().err
    for text in ("0003, defaults = 0000, supervised", "9 of 40 steps, 360 in all", "2 of val:1/2", "at once"):
        assert text in said, said
    assert untouched(folder)


@pytest.mark.parametrize(
    ("argv", "code", "message"),
    [
        (["--on", "val"], 2, "3 of its 5 images"),
        (["--on", "train"], 2, "among the training images"),
        (["--on", "val:1/0"], 3, "counted from 0"),
        (["--name", "trials"], 2, "something else than a confirmation"),
        (["--name", "../x"], 2, "no folder's name"),
    ],
)
def test_mistakes(
    search: tuple[Folder, Settings], argv: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, _ = search
    assert main(["confirm", str(folder.root), *argv]) == code
    assert message in capsys.readouterr().err
    assert untouched(folder)


def test_no_campaign(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["confirm", "nowhere", "--storage", str(tmp_path)]) == 2
    assert "no campaign" in capsys.readouterr().err


def test_a_search_that_read_all_of_val_is_told_what_to_do(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_search(tmp_path / "camp", data, "val", SCORES)
    assert main(["confirm", "camp", "--storage", str(tmp_path)]) == 2
    assert "--set eval_split=val:0/2" in capsys.readouterr().err


def test_after_a_search_on_labelled_images_all_of_val_is_read_and_all_labels_are_trained_on(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_search(tmp_path / "camp", data, "labelled:0/4", SCORES)
    assert main(["confirm", "camp", "--storage", str(tmp_path), "--dry-run"]) == 0
    assert "5 of val; the search's 1 of labelled:0/4" in capsys.readouterr().err


def start(folder: Folder, *flags: str, pause: float = 0.0) -> subprocess.Popen[str]:
    path = os.pathsep.join([str(Path(cli.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, tiny_search.__file__, str(folder.root), "--json", *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": path, "PAUSE": str(pause), "EXPECTED": "val:1/2"},
    )


def finish(process: subprocess.Popen[str], code: int = 0) -> dict[str, Any]:
    out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == code, err
    assert "Traceback" not in err, err
    found: dict[str, Any] = json.loads(out)
    return found


@pytest.mark.ray
def test_a_confirmation_survives_a_kill_and_grows(search: tuple[Folder, Settings]) -> None:
    folder, settings = search
    inside = Folder(folder.root / "confirm")
    killed = start(folder, "--concurrent", "1", pause=0.02)
    patience = time.monotonic() + PATIENCE_S
    while sum(record.outcome is not None for record in inside.records()) < 3:
        assert killed.poll() is None and time.monotonic() < patience
        time.sleep(0.05)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    before = {record.id: record for record in inside.records()}
    assert len(before) < 9 and not (folder.root / "confirm.json").exists()

    found = finish(start(folder))
    records = inside.records()
    assert len(records) == 9 and all(record.outcome and record.outcome.state == "complete" for record in records)
    for record in records:
        assert record.issued == (before[record.id].issued if record.id in before else record.issued)
        if record.id in before and before[record.id].outcome:
            assert record.outcome == before[record.id].outcome  # what had ended was not run again
    runs = {(record.issued.params["candidate"], record.issued.params["seed"]) for record in records}
    assert runs == {(name, seed) for name in (DEFAULTS, SUPERVISED, "0003") for seed in (5, 6, 7)}

    stored = json.loads((folder.root / "confirm.json").read_text())
    assert stored == {name: value for name, value in found.items() if name != "paths"}
    best, defaults, supervised = stored["candidates"]
    assert (best["name"], defaults["label"], supervised["name"]) == ("0003", "defaults = 0000", "supervised")
    wanted = [formula(with_values(settings.base, {"lr": 0.1, "phi": 0.3, "seed": seed})) for seed in (5, 6, 7)]
    assert best["mean"] == pytest.approx(estimate(wanted).mean) and best["high"] == pytest.approx(estimate(wanted).high)
    assert best["search_miou"] == 52.0
    assert best["minus"]["defaults"]["verdict"] == "worse" and defaults["minus"]["supervised"]["verdict"] == "better"
    assert (stored["search"]["split"], stored["confirm"]["split"], stored["confirm"]["images"]) == (
        "val:0/2",
        "val:1/2",
        2,
    )
    assert [record.iteration for record in records] == [ITERATIONS] * 9

    grown = finish(start(folder, "--best", "3", "--seeds", "4"))
    assert [each["name"] for each in grown["candidates"]] == ["0003", "defaults", "0002", "supervised"]
    assert [each["count"] for each in grown["candidates"]] == [4, 4, 4, 4]
    assert [record.outcome for record in inside.records()[:9]] == [record.outcome for record in records]
    assert main(["confirm", str(folder.root), "--on", "val:1/2", "--dry-run"]) == 0


@pytest.mark.ray
def test_real_runs_on_one_half_after_a_search_on_the_other(tmp_path: Path, data: Path) -> None:
    tiny = ["backbone=mobilenet_v2", "width=0.25", "feature_dim=8", "crop=[32,32]", "iterations=4", "eval_limit=1"]
    tiny += ["batch_labelled=2", "batch_unlabelled=2", "eval_split=val:0/2"]
    command = [sys.executable, "-m", "ctt_ray.tune"]
    common = ["--storage", str(tmp_path), "--cpus-per-trial", "1", "--json"]
    flags = ["--space", "demo", "--data", str(data), "--labelled", "few", "--name", "c", "--trials", "2"]
    flags += ["--allow-twins"]  # four steps: no bank is full yet
    subprocess.run(
        [*command, *common, *flags, "--scheduler", "none", "--set", *tiny], check=True, capture_output=True, timeout=200
    )
    done = subprocess.run(
        [*command, "confirm", "c", *common, "--best", "1", "--seeds", "1"], capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["search"]["split"], found["confirm"]["split"]) == ("val:0/2", "val:1/2")
    assert {run["state"] for run in found["runs"]} == {"complete"} and {run["seed"] for run in found["runs"]} == {1}
    assert {each["name"] for each in found["candidates"]} >= {"defaults", "supervised"}
    assert all(0 <= each["mean"] <= 100 and each["low"] is None for each in found["candidates"])

"""A published table as a whole campaign: killed half way, given again, longer by a seed, with its page."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tiny_campaigns import finish, wait_until
from tiny_scenes import make_scenes

from ctt_ray import cli
from ctt_ray.tune.folder import Folder

SCRIPT = Path(__file__).with_name("formula.py")
WANTED = (
    "--json", "--space", "recipes/table4", "--data", "data", "--labelled", "few", "--only", "parts=sup", "parts=ct",
    "--set", "iterations=80", "backbone=resnet18", "--cpus-per-trial", "1", "--concurrent", "1",
)  # fmt: skip


def start(where: Path, *arguments: str, pause: float = 0.0) -> subprocess.Popen[str]:
    path = os.pathsep.join([str(Path(cli.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), *WANTED, *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=where, start_new_session=True,
        env={**os.environ, "PYTHONPATH": path, "PAUSE": str(pause)},
    )  # fmt: skip


def ended(where: Path, *arguments: str) -> dict[str, Any]:
    process = start(where, *arguments)
    out, err = process.communicate(timeout=240)
    assert process.returncode == cli.DONE, err
    found: dict[str, Any] = json.loads(out)
    return found


@pytest.mark.ray
def test_a_table_killed_half_way_goes_on_and_has_every_row_with_every_seed(tmp_path: Path) -> None:
    make_scenes(tmp_path / "data")
    folder = Folder(tmp_path / "campaigns" / "table4")
    running = start(tmp_path, "--seeds", "2", pause=0.1)
    wait_until(lambda: len([r for r in folder.records() if r.outcome]) >= 1 and len(folder.records()) >= 2, running)
    os.killpg(running.pid, signal.SIGKILL)
    finish(running, -signal.SIGKILL)
    before = {record.id: record for record in folder.records() if record.outcome}

    found = ended(tmp_path, "--seeds", "2")
    records = folder.records()
    assert {record.id: record for record in records if record.id in before} == before
    assert [(r.issued.params["row"], r.issued.params["seed"]) for r in records] == [
        ("sup", 0), ("ct", 0), ("sup", 1), ("ct", 1),
    ]  # fmt: skip
    rows = {row["key"]: row for row in found["recipe"]["rows"]}
    assert (rows["sup"]["figure"], rows["ct"]["figure"]) == (57.74, 63.69)
    assert rows["ct"]["best"] == {"mean": pytest.approx(30.75, abs=1e-3), "sd": 0.0} and rows["ct"]["runs"] == 2
    assert rows["ct"]["minus_reference"]["mean"] == pytest.approx(20.0) and rows["ct"]["minus_paper"] is None
    assert "iterations 80 of 80,000" in rows["ct"]["marks"] and "backbone resnet18 for resnet101" in rows["ct"]["marks"]

    found = ended(tmp_path, "--seeds", "3")
    assert [row["runs"] for row in found["recipe"]["rows"]] == [3, 3] and len(found["trials"]) == 6
    page = Path(found["paths"]["report"]).read_text()
    assert "63.69" in page and "not at the paper&#39;s scale (a)" in page and "(a) not at" in page
    assert "one seed" not in page

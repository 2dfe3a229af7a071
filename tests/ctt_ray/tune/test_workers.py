"""Trials of two Ray Train workers: real training, on as many CPUs as one trial needs, without a deadlock."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_scenes import make_scenes

pytestmark = pytest.mark.ray


def test_a_campaign_of_two_worker_trials_ends_by_itself(tmp_path: Path) -> None:
    data = make_scenes(tmp_path / "data")
    net = ["backbone=mobilenet_v2", "width=0.25", "feature_dim=8", "crop=[32, 32]", "iterations=4", "eval_limit=1"]
    command = [sys.executable, "-m", "ctt_ray.tune", "--space", "demo", "--data", str(data), "--labelled", "few"]
    command += ["--trials", "2", "--workers", "2", "--cpus-per-trial", "1", "--scheduler", "none", "--json"]
    command += ["--allow-twins"]  # the two differ in their contrast, which has no effect in four steps
    done = subprocess.run(
        [*command, "--storage", str(tmp_path), "--name", "c", "--set", *net],
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)
    for trial in ("0000", "0001"):
        outcome = json.loads((tmp_path / "c" / "trials" / trial / "outcome.json").read_text())
        assert outcome["state"] == "complete", outcome
        assert outcome["iteration"] == 4
    assert (tmp_path / "c" / "best.yaml").is_file()

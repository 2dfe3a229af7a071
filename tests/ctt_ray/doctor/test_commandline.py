"""python -m ctt_ray.doctor: lines, JSON and exit codes; rendering without a check."""

import json
from pathlib import Path

import pytest

from ctt_ray.doctor.__main__ import main

ROOT = Path(__file__).resolve().parents[3]


def test_findings_as_lines_and_their_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--storage", str(tmp_path), "--data", str(tmp_path)]) == 4
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith("fail")] == [line for line in lines if " data " in line]
    assert all(line.startswith(("ok   ", "warn ", "fail ")) for line in lines)


def test_findings_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--storage", str(tmp_path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is True
    assert {"python", "packages", "torch", "locks", "renames"} <= {each["check"] for each in told["findings"]}


def test_render_prints_the_file(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert main(["--render", "rayjob"]) == 0
    assert capsys.readouterr().out == (ROOT / "deploy" / "rayjob.yaml").read_text()


def test_a_missing_profile_is_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--render", "ray", "--profile", "none.yaml"]) == 2
    assert "no profile none.yaml" in capsys.readouterr().err

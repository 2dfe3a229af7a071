"""Mistakes on the command line: a message with the remedy and the exit code of ctt_ray/cli.py, never a traceback."""

import subprocess
import sys
from pathlib import Path

import pytest

from ctt_ray.train.__main__ import main


def run(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", *args], capture_output=True, text=True)


def code_of(argv: list[str]) -> int:
    """Exit code of `python -m ctt_ray.train`, in process; the parser leaves by SystemExit."""
    try:
        return main(argv)
    except SystemExit as stop:
        return int(stop.code or 0)


@pytest.mark.parametrize(
    ("argv", "code", "said"),
    [
        (["--lambda-hx", "1"], 2, "lambda-hc"),
        (["--phi", "1.7"], 2, "less than or equal to 1"),
        (["--n-q", "0"], 2, "greater than or equal to 1"),
        (["--method", "cttt", "--show-plan"], 2, "did you mean 'ctt'"),
        (["--profile", "papper"], 2, "did you mean 'paper'"),
        (["--config", "nowhere.yaml"], 2, "no configuration file nowhere.yaml"),
        (["--workers", "0"], 2, "give --data"),
        (["--workers", "0", "--data", "nowhere"], 3, "python -m data_prep"),
        (["--pairs", "1", "--show-plan"], 2, "set lambda_lc to 0"),
        (["--bank-add", "9", "--n-q", "4", "--show-plan"], 2, "use 1 <= take <= slots"),
        (["--show-plan", "--pairs", "3"], 0, "follow t2 <- s2"),
        (["--print-config", "--lr", "0.5"], 0, "lr: 0.5"),
    ],
)
def test_train(
    argv: list[str],
    code: int,
    said: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert code_of(argv) == code
    captured = capsys.readouterr()
    assert said in " ".join((captured.out + captured.err).replace("│", " ").split())
    assert "Traceback" not in captured.err


def test_a_yaml_with_an_unknown_key_names_the_nearest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("optim: {lrr: 0.1}\n")
    assert code_of(["--config", str(path)]) == 2
    assert "unknown key 'optim.lrr', did you mean 'lr'?" in capsys.readouterr().err


def test_more_classes_in_masks_than_names_and_a_corrupt_shard(tmp_path: Path) -> None:
    """From raw images on: the bad mask is quarantined with value and file; a damaged shard is named by training."""
    import numpy as np
    from PIL import Image

    raw = tmp_path / "raw"
    for kind in ("images", "masks"):
        (raw / kind).mkdir(parents=True)
    rng = np.random.default_rng(0)
    for i in range(8):
        Image.fromarray(rng.integers(0, 255, (40, 40, 3), dtype=np.uint8)).save(raw / "images" / f"{i}.png")
        Image.fromarray(np.full((40, 40), 7 if i == 3 else i % 2, np.uint8)).save(raw / "masks" / f"{i}.png")
    made = run("data_prep", "folder", "--raw", str(raw), "--out", str(tmp_path / "d"), "--classes", "a,b")
    assert made.returncode == 0, made.stderr
    reasons = (tmp_path / "d" / "quarantine.csv").read_text()
    assert "3.png" in reasons
    assert "7" in reasons
    shard = next(iter(sorted((tmp_path / "d").glob("train-*.arrow"))))
    shard.write_bytes(shard.read_bytes()[: shard.stat().st_size // 2])
    argv = ["--workers", "0", "--data", str(tmp_path / "d"), "--method", "supervised", "--backbone", "mobilenet_v2"]
    trained = run("ctt_ray.train", *argv, "--crop", "32", "32", "--iterations", "1", "--storage", str(tmp_path / "r"))
    assert trained.returncode == 3, trained.stderr
    assert shard.name in trained.stderr
    assert "Traceback" not in trained.stderr


def test_the_console_script_knows_its_verbs() -> None:
    assert "evaluate" in run("ctt_ray").stdout
    wrong = run("ctt_ray", "tran")
    assert wrong.returncode == 2
    assert "did you mean 'train'" in wrong.stderr


@pytest.mark.parametrize(
    "module",
    ["ctt_ray", "ctt_ray.train", "ctt_ray.tune", "ctt_ray.evaluate", "ctt_ray.predict", "ctt_ray.doctor", "data_prep"],
)
def test_help_shows_how_to_start(module: str) -> None:
    shown = run(module, "--help")
    assert shown.returncode == 0
    assert "usage" in shown.stdout


def test_a_closed_pipe_is_no_traceback() -> None:
    """`python -m ctt_ray.train --print-config | head -1`, with a reader that is gone before the first byte."""
    command = f"{sys.executable} -m ctt_ray.train --print-config | true"
    done = subprocess.run(["bash", "-c", f"{command}; exit ${{PIPESTATUS[0]}}"], capture_output=True, text=True)
    assert done.returncode in (0, 141), done.stderr
    assert "Traceback" not in done.stderr

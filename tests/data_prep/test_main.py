"""The command line: exit codes, stdout and stderr, messages instead of tracebacks, light --help."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from data_prep.__main__ import main
from data_prep.shards import ShardWriter
from data_prep.sources import SOURCES

ROOT = Path(__file__).resolve().parents[2]
SMALL = ["--size", "32", "--train", "8", "--val", "4"]
HEAVY = ("numpy", "cv2", "PIL", "pyarrow", "datasets", "torch", "ray")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, cwd=ROOT, env={**os.environ, "COLUMNS": "100"}
    )


def test_the_flow_of_a_user(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "out")
    assert main(["scenes", "--out", out, *SMALL]) == 0
    captured = capsys.readouterr()
    assert "train: 8 images, 8 with a mask, 4 shards" in captured.out and "train: 8 of 8 images" in captured.err
    assert main(["scenes", "--out", out, *SMALL]) == 0
    assert "is up to date" in capsys.readouterr().out
    assert main(["split", out, "--labelled", "1/2"]) == 0
    assert "4 labelled, 4 unlabelled" in capsys.readouterr().out
    assert main(["verify", out]) == 0
    assert "12 rows in 8 shards, 1 split files: sound" in capsys.readouterr().out
    assert main(["show", out, "--out", str(tmp_path / "s.png")]) == 0
    assert "class" in capsys.readouterr().out and (tmp_path / "s.png").is_file()


def test_json_results(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "out")

    def result(*arguments: str) -> dict[str, object]:
        capsys.readouterr()
        assert main([*arguments, "--json"]) == 0
        parsed: dict[str, object] = json.loads(capsys.readouterr().out)
        return parsed

    made = result("scenes", "--out", out, *SMALL)
    assert made["splits"] == {
        "train": {"rows": 8, "with_mask": 8, "shards": 4},
        "val": {"rows": 4, "with_mask": 4, "shards": 4},
    }
    assert made["up_to_date"] is False and made["quarantined"] == 0
    assert result("split", out, "--labelled", "2")["name"] == "n2_s0"
    assert result("verify", out)["ok"] is True
    assert result("show", out, "--out", str(tmp_path / "s.png"))["rows"] == 8


def test_a_failed_check_is_three(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    main(["scenes", "--out", str(out), *SMALL])
    (out / "train-00000.arrow").unlink()
    assert main(["verify", str(out)]) == 3
    assert "problem: train-00000.arrow is missing" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["voc", "--raw", "{tmp}/no", "--out", "{tmp}/o"], 3, "not a folder"),
        (["folder", "--raw", "{tmp}", "--out", "{tmp}/o"], 2, "--classes background,cat,dog"),
        (["folder", "--raw", "{tmp}", "--out", "{tmp}/o", "--classes", "a"], 3, "the images not found"),
        (["scenes", "--out", "{tmp}/file", *SMALL], 2, "is a file: name a folder"),
        (["scenes", "--out", "{tmp}/file/below", *SMALL], 4, "Make room or give rights"),
        (["scenes", "--out", "{tmp}/o", "--size", "5"], 2, "--size 5"),
        (["scenes", "--out", "{tmp}/o", "--val", "0"], 3, "--val 0"),
        (["split", "{tmp}/no", "--labelled", "1/8"], 3, "not a prepared data set"),
        (["verify", "{tmp}/no"], 3, "not a prepared data set"),
        (["show", "{tmp}/no"], 3, "not a prepared data set"),
    ],
)
def test_mistakes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, message: str
) -> None:
    (tmp_path / "file").write_text("")
    assert main([argument.replace("{tmp}", str(tmp_path)) for argument in arguments]) == code
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.startswith("data_prep: ") and message in captured.err


@pytest.mark.parametrize("arguments", [[], ["vok"], ["voc", "--out", "o"], ["scenes", "--out", "o", "--sice", "3"]])
def test_what_tyro_refuses_is_two(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err


@pytest.mark.parametrize(("after_a_shard", "code"), [(True, 75), (False, 130)])
def test_control_c(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], after_a_shard: bool, code: int
) -> None:
    real = ShardWriter.finish

    def interrupted(self: ShardWriter) -> Any:
        if after_a_shard and self.name.startswith("train"):
            return real(self)
        raise KeyboardInterrupt

    monkeypatch.setattr(ShardWriter, "finish", interrupted)
    assert main(["scenes", "--out", str(tmp_path / "o"), *SMALL]) == code
    assert "interrupted" in capsys.readouterr().err


def test_as_a_process(tmp_path: Path) -> None:
    done = run("-m", "data_prep", "scenes", "--out", str(tmp_path / "o"), *SMALL, "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["classes"] == 10
    wrong = run("-m", "data_prep", "camvid", "--raw", str(tmp_path / "no"), "--out", str(tmp_path / "p"))
    assert wrong.returncode == 3 and "the CamVid folder not found" in wrong.stderr
    assert "Traceback" not in wrong.stderr and wrong.stdout == ""


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom data_prep.__main__ import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit as done:\n    assert not done.code\n"
        f"print('HEAVY', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    for command in ([], ["folder"]):
        shown = run("-c", code, *command, "--help")
        assert shown.returncode == 0 and shown.stdout.endswith("HEAVY []\n"), shown.stdout + shown.stderr


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    assert all(name in text for name in (*SOURCES, "split", "verify", "leaks", "show", "card"))


def test_options_say_what_the_code_does() -> None:
    """The options stay light, so they repeat these."""
    from typing import get_type_hints

    from data_prep.labelled.exporting import Format
    from data_prep.leaks.find import NEAR
    from data_prep.options import LeakOptions, SplitOptions
    from data_prep.splits import BalanceKind

    hints = get_type_hints(SplitOptions)
    assert (hints["format"], hints["balance"]) == (Format, BalanceKind) and LeakOptions.near == NEAR

"""The command: what it prints, which networks and data it takes, and what it says to a mistake."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_scenes import make_scenes, save_checkpoint

from ctt_ray.engine.evaluation import evaluate
from ctt_ray.evaluate.__main__ import main, names
from ctt_ray.maths import metrics
from ctt_ray.stream import EvalSet
from data_prep.schema import load_manifest


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_scenes(tmp_path_factory.mktemp("scenes"), train=4, val=3)


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two checkpoints; the older one has the better score and other weights."""
    folder = tmp_path_factory.mktemp("runs") / "one"
    save_checkpoint(folder / "checkpoints" / "00000002", data, iteration=2, seed=1, metrics={"miou": 9.0})
    save_checkpoint(folder / "checkpoints" / "00000004", data, iteration=4, metrics={"miou": 5.0})
    return folder


def scored(capsys: pytest.CaptureFixture[str], *argv: object) -> dict[str, Any]:
    assert main([*map(str, argv), "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_scores_are_those_of_the_engine(
    run: Path, data: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    engine = save_checkpoint(tmp_path, data)
    images = EvalSet(data, "val")
    plain = evaluate(engine.networks, images, classes=10, device=torch.device("cpu"), ensemble=engine.plan.students)
    found = scored(capsys, run)
    assert list(found["networks"]) == ["s0", "s1", "t0", "t1", "ensemble"]
    for name, values in found["networks"].items():
        assert values["miou"] == 100 * float(metrics.mean_iou(plain[name]))
        assert values["accuracy"] == 100 * float(metrics.pixel_accuracy(plain[name]))


def test_table_on_stdout_and_progress_on_stderr(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(run), "--networks", "t1,s0"]) == 0
    out, err = capsys.readouterr()
    assert "val 3/3" in err and "val 3/3" not in out
    assert any(line.split() == ["per", "cent", "t1", "s0"] for line in out.splitlines())
    assert "data-set level, one confusion matrix, ignore=255, absent classes: " in out


def test_parts_of_a_split(run: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    counts = [scored(capsys, run, "--split", f"val:{part}/2", "--networks", "s0")["images"] for part in (0, 1)]
    assert counts == [2, 1]
    assert main([str(run), "--split", "labelled:0/2", "--networks", "s0"]) == 0
    assert "may have been trained on it" in capsys.readouterr().err
    assert main([str(run), "--split", "val:2/2"]) == 3
    assert "counted from 0" in capsys.readouterr().err


def test_last_best_and_one_checkpoint(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    last, best = scored(capsys, run), scored(capsys, run, "--which", "best")
    assert (last["iteration"], best["iteration"]) == (4, 2)
    assert last["networks"] != best["networks"]
    assert scored(capsys, run / "checkpoints" / "00000002")["networks"] == best["networks"]


def test_modes_split_and_networks(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = scored(capsys, run)
    for mode in ("whole", "slide", "half"):
        assert scored(capsys, run, "--mode", mode)["mode"] == mode
    assert scored(capsys, run, "--mode", "slide")["networks"] == whole["networks"], "the crop is the image"
    assert scored(capsys, run, "--mode", "half")["networks"] != whole["networks"]
    assert scored(capsys, run, "--split", "train")["images"] == 4
    ensemble = scored(capsys, run, "--networks", "ensemble")["networks"]
    assert ensemble == {"ensemble": whole["networks"]["ensemble"]}


def test_another_data_set_with_the_same_classes(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = make_scenes(tmp_path / "other", train=2, val=2)
    found = scored(capsys, run, "--data", other)
    assert (found["images"], found["data"], found["same_data_as_trained"]) == (2, str(other), False)


def test_one_student_alone_has_no_ensemble(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_checkpoint(tmp_path / "iteration_00000004", data, method="supervised")
    assert list(scored(capsys, tmp_path)["networks"]) == ["s0"]


def refused(capsys: pytest.CaptureFixture[str], code: int, *argv: object) -> str:
    assert main([*map(str, argv)]) == code
    out, err = capsys.readouterr()
    assert out == "" and "Traceback" not in err
    return err


def test_mistakes_about_the_run(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert f"no run at {run.parent / 'two'}; there are: {run}" in refused(capsys, 2, run.parent / "two")
    assert "holds no checkpoint yet" in refused(capsys, 2, tmp_path)
    assert "no network 'x1'" in (error := refused(capsys, 2, run, "--networks", "s0,x1"))
    assert "there are: s0, s1, t0, t1, ensemble" in error
    assert "names no network" in refused(capsys, 2, run, "--networks", ",")
    with pytest.raises(SystemExit) as caught:
        main([str(run), "--mode", "full"])
    assert caught.value.code == 2


def test_mistakes_about_the_data(run: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "there are: train, val" in refused(capsys, 3, run, "--split", "test")
    assert "Name its folder with --data" in refused(capsys, 3, run, "--data", tmp_path / "gone")
    renamed = tmp_path / "renamed"
    shutil.copytree(data, renamed)
    manifest = load_manifest(renamed)
    classes = ("void", *manifest.classes[1:])
    (renamed / "manifest.json").write_text(replace(manifest, classes=classes).to_json())
    error = refused(capsys, 3, run, "--data", renamed)
    assert f"10 ({', '.join(classes)})" in error and f"10 ({', '.join(manifest.classes)})" in error


@pytest.mark.parametrize("keep", [0.5, 1.0])
def test_a_damaged_shard_is_named(run: Path, data: Path, tmp_path: Path, keep: float, capsys) -> None:
    """Cut short, and of the right size with other bytes in it."""
    broken = tmp_path / "broken"
    shutil.copytree(data, broken)
    shard = broken / load_manifest(broken).splits["val"].shards[0].file
    whole = shard.read_bytes()
    shard.write_bytes(whole[: int(len(whole) * keep)] if keep < 1 else b"x" * len(whole))
    error = refused(capsys, 3, run, "--data", broken)
    assert shard.name in error and "data_prep verify" in error


def test_a_run_whose_data_have_moved(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(data, moved)
    save_checkpoint(tmp_path / "run", moved)
    moved.rename(tmp_path / "new place")
    assert f"at {moved} (where the run was trained)" in refused(capsys, 3, tmp_path / "run")
    assert scored(capsys, tmp_path / "run", "--data", tmp_path / "new place")["same_data_as_trained"]


def test_networks_are_taken_apart() -> None:
    assert names("") == ()
    assert names("s0, t1,,s0") == ("s0", "t1")


def test_a_missing_run_is_told_and_help_printed_without_torch() -> None:
    code = (
        "import sys\nfrom ctt_ray.evaluate.__main__ import main\n"
        "assert main(['nowhere']) == 2\n"
        "try:\n    main(['--help'])\nexcept SystemExit as end:\n    assert not end.code\n"
        "print('LOADED', sorted({'torch', 'ray', 'optuna', 'pyarrow', 'cv2', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "--which" in done.stdout and "LOADED []" in done.stdout and "no run at nowhere" in done.stderr

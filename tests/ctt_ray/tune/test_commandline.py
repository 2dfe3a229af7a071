"""The command: mistakes become a message and an exit code, a dry run touches nothing, --help loads nothing heavy."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tiny_scenes import make_scenes

from ctt_ray.tune.__main__ import main
from ctt_ray.tune.arguments import TuneArgs, overrides, plan
from data_prep.schema import DataError


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("argv", "code", "message"),
    [
        (["--space", "vco"], 2, "did you mean 'voc'"),
        (["--space", "nowhere.py"], 2, "no space file nowhere.py"),
        (["--set", "lrr=3"], 2, "did you mean 'lr'"),
        (["--set", "lambda_sup=-1"], 2, "lambda_sup"),
        (["--set", "lambda_sup"], 2, "write NAME=VALUE"),
        (["--set", "phi=0.9"], 2, "the space 'demo' searches it"),
        (["--config", "nowhere.yaml"], 2, "no configuration file nowhere.yaml"),
        (["--data", "nowhere"], 3, "not a prepared data set"),
        (["--space", "voc", "--address", "ray-head:6379"], 3, "a cluster is not for rehearsals"),
        (["--labelled", "half"], 3, "found 'half'"),
        (["--set", "eval_split=val:2/2"], 3, "counted from 0"),
        (["--select-on", "labelled", "--set", "eval_split=val"], 2, "give one"),
        (["--workers", "999"], 4, "Lower --workers"),
        (["--budget", "12"], 2, "for example --budget 12gpuh"),
        (["--budget", "1gpuh", "--gpus-per-trial", "0"], 2, "takes no GPU"),
    ],
)
def test_mistakes(argv: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*argv, "--dry-run"]) == code
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error


@pytest.mark.parametrize("argv", [["--tirals", "3"], ["--trials", "0"], ["--sampler", "gp2"]])
def test_usage_mistakes_exit_2(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(argv)
    assert caught.value.code == 2


def test_a_dry_run_says_all_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--space", "voc", "--dry-run", "--trials", "20", "--cpus-per-trial", "1", "--concurrent", "1"]) == 0
    shown = capsys.readouterr()
    for text in (
        "lambda_ct",
        "tried first",
        "at once    1",
        "20 of 20 trials left",
        str(tmp_path / "campaigns" / "voc"),
    ):
        assert text in shown.out
    assert "REHEARSAL" in shown.err and "python -m data_prep voc" in shown.err
    assert not list(tmp_path.iterdir())


def test_the_demo_is_no_rehearsal_and_a_space_without_its_data_is() -> None:
    demo, voc = plan(TuneArgs(space="demo")), plan(TuneArgs(space="voc"))
    assert (demo.settings.rehearsal, voc.settings.rehearsal) == (False, True)
    assert demo.banner == ""
    assert voc.settings.base.optim.iterations == demo.settings.base.optim.iterations
    assert voc.settings.space == "voc" and voc.choice.built_in


def test_seed_and_overrides_reach_the_base_and_the_ladder_follows_the_length() -> None:
    settings = plan(TuneArgs(seed=7, overrides=("iterations=400", "crop=[32, 48]", "weight_decay=1e-3"))).settings
    assert settings.base.seed == settings.seed == 7
    assert settings.base.stream.crop == (32, 48) and settings.base.optim.weight_decay == 1e-3
    assert settings.base.report.report_every == 100 and settings.rungs == [100, 200]
    assert plan(TuneArgs(overrides=("iterations=400", "report_every=50"))).settings.rungs == [50, 100, 200]


def test_selecting_on_labelled_images_is_a_part_of_them() -> None:
    assert plan(TuneArgs()).settings.base.report.eval_split == "val"
    assert plan(TuneArgs(select_on="labelled")).settings.base.report.eval_split == "labelled:0/4"


def test_what_trials_are_compared_on_must_be_there(tmp_path: Path) -> None:
    data = make_scenes(tmp_path / "data", train=6, val=2)
    few = TuneArgs(data=str(data), labelled="few")
    assert plan(few.model_copy(update={"select_on": "labelled"})).settings.base.labelled == "few"
    for wrong, message in (("tset", "no split 'tset'"), ("val:2/3", "'val:2/3' is empty")):
        with pytest.raises(DataError, match=message):
            plan(few.model_copy(update={"overrides": (f"eval_split={wrong}",)}))


def test_a_run_file_lies_over_the_space() -> None:
    Path("mine.yaml").write_text("net: {backbone: resnet50}\noptim: {iterations: 400}\n")
    base = plan(TuneArgs(config=Path("mine.yaml"), overrides=("iterations=800",))).settings.base
    assert (base.net.backbone, base.optim.iterations, base.net.width) == ("resnet50", 800, 0.25)


def test_values_are_yaml() -> None:
    assert overrides(["a=1", "b=[1, 2]", "c=x=y", "d=none", "e=true"]) == {
        "a": 1,
        "b": [1, 2],
        "c": "x=y",
        "d": "none",
        "e": True,
    }


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom ctt_ray.tune.__main__ import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit as end:\n    assert not end.code\n"
        "heavy = {'ray', 'optuna', 'torch', 'pandas', 'numpy', 'pyarrow', 'cv2'} & set(sys.modules)\n"
        "print('LOADED', sorted(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "--max-hours" in done.stdout and "LOADED []" in done.stdout

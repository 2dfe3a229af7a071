"""The loop in one process: resume is bitwise, stop signals save, mistakes are told before the first step."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from safetensors.torch import load_file

from ctt_ray import cli
from ctt_ray.batch import Batch
from ctt_ray.checkpoints import find
from ctt_ray.config import ConfigError, RunConfig, with_values
from ctt_ray.engine import Engine
from ctt_ray.report import run as report
from ctt_ray.stream import EvalSet, SegStream
from ctt_ray.stream.reader import ShardReader
from ctt_ray.train import loop
from ctt_ray.train.__main__ import main
from ctt_ray.train.alarm import remembered
from ctt_ray.train.asks import Ask
from ctt_ray.train.loop import run
from ctt_ray.train.progress import line
from ctt_ray.train.session import WAIT, Diverged, Interrupted, LocalSession, Metrics, Moved, read_results
from ctt_ray.train.signals import save_requested
from data_prep.schema import DataError


def last_checkpoint(folder: Path) -> Path:
    return sorted((folder / "checkpoints").iterdir())[-1]


def assert_same_checkpoint(one: Path, other: Path) -> None:
    """Networks, optimisers, banks bit for bit; iteration, gate and stream counters too."""
    names = sorted(p.name for p in one.glob("*.safetensors"))
    assert names
    assert names == sorted(p.name for p in other.glob("*.safetensors"))
    for name in names:
        a, b = load_file(one / name), load_file(other / name)
        assert a.keys() == b.keys()
        for key in a:
            assert a[key].equal(b[key]), f"{name}: {key}"
    a, b = (json.loads((folder / "state.json").read_text()) for folder in (one, other))
    for key in ("iteration", "gate_opened_at", "plan_hash", "config_hash"):
        assert a[key] == b[key]
    assert a["extra"]["stream"] == b["extra"]["stream"]


@pytest.fixture
def steps_done(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The iterations that engines have done, in order."""
    done: list[int] = []
    step = Engine.step

    def counted(engine: Engine, batch: Batch) -> None:
        step(engine, batch)
        done.append(engine.iteration)

    monkeypatch.setattr(Engine, "step", counted)
    return done


def test_train_4_equals_train_2_resume_in_a_new_process_train_2(
    tiny_config: RunConfig, tmp_path: Path, steps_done: list[int]
) -> None:
    run(tiny_config, LocalSession(tmp_path / "whole"))
    steps_done.clear()
    with pytest.raises(Interrupted, match="stopped at iteration 3 of 4"):
        run(tiny_config, LocalSession(tmp_path / "broken", asked=lambda: Ask.STOP if 3 in steps_done else Ask.NOTHING))
    config = tmp_path / "config.yaml"
    config.write_text(cli.to_yaml(tiny_config))
    command = [sys.executable, "-m", "ctt_ray.train", "--workers", "0", "--config", str(config)]
    subprocess.run([*command, "--storage", str(tmp_path), "--name", "broken"], check=True, capture_output=True)
    assert_same_checkpoint(last_checkpoint(tmp_path / "whole"), last_checkpoint(tmp_path / "broken"))
    whole, broken = (read_results(tmp_path / name)[-1] for name in ("whole", "broken"))
    assert whole["miou"] == broken["miou"]


def test_a_checkpoint_between_reports_changes_nothing_but_what_a_kill_costs(
    tiny_config: RunConfig, tmp_path: Path, steps_done: list[int]
) -> None:
    """Due by the clock after every step: the same reports to the last bit, and a checkpoint at every iteration."""
    run(tiny_config, LocalSession(tmp_path / "plain"))
    saved: list[int] = []
    run(tiny_config, LocalSession(tmp_path / "often", save_every_s=0, on_save=saved.append))
    assert saved == [1, 3], "2 and 4 are the reports' own"
    plain, often = (read_results(tmp_path / name) for name in ("plain", "often"))
    times = dict.fromkeys(("seconds", WAIT), 0)
    assert [{**line, **times} for line in plain] == [{**line, **times} for line in often]
    assert_same_checkpoint(last_checkpoint(tmp_path / "plain"), last_checkpoint(tmp_path / "often"))


def test_a_checkpoint_between_reports_has_no_score_of_its_own(
    tiny_config: RunConfig, tmp_path: Path, steps_done: list[int]
) -> None:
    with pytest.raises(Moved, match="to be taken away: stopped at iteration 3 of 4, saved"):
        run(tiny_config, LocalSession(tmp_path, asked=lambda: Ask.MOVE if 3 in steps_done else Ask.NOTHING))
    assert [line["iteration"] for line in read_results(tmp_path)] == [2]
    newest, best = find(tmp_path, "last"), find(tmp_path, "best")
    assert (newest.iteration, newest.miou, best.iteration) == (3, None, 2)
    metrics = run(tiny_config, LocalSession(tmp_path))
    assert metrics["iteration"] == 4 and steps_done == [1, 2, 3, 4], "no step was done twice"


def test_an_alarm_compares_with_the_report_before_also_across_a_resume(
    tiny_config: RunConfig, tmp_path: Path, steps_done: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It leaves at 3, between the reports at 2 and 4; what the alarm says is in the line."""
    seen: list[tuple[object, object]] = []

    def noted(before: Metrics, now: Metrics) -> dict[str, str]:
        seen.append((before, now["iteration"]))
        return {"collapsed": "why"} if now["iteration"] == 4 else {}

    monkeypatch.setattr(loop, "alarms", noted)
    with pytest.raises(Moved):
        run(tiny_config, LocalSession(tmp_path, asked=lambda: Ask.MOVE if 3 in steps_done else Ask.NOTHING))
    assert run(tiny_config, LocalSession(tmp_path))["collapsed"] == "why"
    first, last = read_results(tmp_path)
    assert seen == [({}, 2), (remembered(first), 4)] and remembered(first)
    assert "collapsed" not in first and line(last).endswith("\nwarning: collapsed: why")
    assert "pairs/distance/s0-s1" in first and "bank/fill/t1/ground" in first


def test_a_notice_is_heard_during_the_evaluation_and_its_report_is_made_when_the_run_goes_on(
    tiny_config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At iteration 2 after one of four images; the last report's evaluation is cut short, too."""
    run(tiny_config, LocalSession(tmp_path / "whole"))
    looked: list[int] = []
    images = EvalSet.__iter__

    def counted(found: EvalSet) -> Iterator[object]:
        for image in images(found):
            looked.append(1)
            yield image

    monkeypatch.setattr(EvalSet, "__iter__", counted)
    for iteration in (2, 4):
        looked.clear()
        asked = LocalSession(tmp_path / "left", asked=lambda: Ask.MOVE if looked else Ask.NOTHING)
        with pytest.raises(Moved, match=f"iteration {iteration} of 4, saved"):
            run(tiny_config, asked)
        assert len(looked) == 1 and find(tmp_path / "left").miou is None
        if iteration == 2:
            looked.clear()
            after_one = LocalSession(tmp_path / "left", asked=lambda: Ask.MOVE if len(looked) > 4 else Ask.NOTHING)
            with pytest.raises(Moved, match="iteration 4 of 4, saved"):
                run(tiny_config, after_one)
    metrics = run(tiny_config, LocalSession(tmp_path / "left"))
    whole, left = (read_results(tmp_path / name) for name in ("whole", "left"))
    assert [line["miou"] for line in left] == [line["miou"] for line in whole] and metrics["iteration"] == 4


def test_a_notice_is_heard_while_data_are_waited_for(
    tiny_config: RunConfig, tmp_path: Path, steps_done: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The storage hangs after the second batch, for ever; the run saves and leaves all the same."""
    hangs = threading.Event()
    batches = SegStream.__iter__

    def stuck(stream: SegStream) -> Iterator[Batch]:
        for number, batch in enumerate(batches(stream)):
            if number == 3:
                hangs.set()
                threading.Event().wait()
            yield batch

    monkeypatch.setattr(SegStream, "__iter__", stuck)
    with pytest.raises(Moved, match="iteration 3"):
        run(tiny_config, LocalSession(tmp_path, asked=lambda: Ask.MOVE if hangs.is_set() else Ask.NOTHING))
    saved = json.loads((last_checkpoint(tmp_path) / "state.json").read_text())
    assert saved["iteration"] == 3 and saved["extra"]["stream"] == {"labelled": 6, "unlabelled": 6, "seed": 0}


def test_every_report_says_how_long_a_step_waited_for_data(
    tiny_config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A source that is 0.5 s slower for the two steps of the second report shows there, and there only; so does the page."""
    run(tiny_config, LocalSession(tmp_path / "fast"))
    batches = SegStream.__iter__

    def slow(stream: SegStream) -> Iterator[Batch]:
        for number, batch in enumerate(batches(stream)):
            time.sleep(0.5 if number in (2, 3) else 0.0)
            yield batch

    monkeypatch.setattr(SegStream, "__iter__", slow)
    said: list[str] = []
    run(tiny_config, LocalSession(tmp_path / "slow", on_report=lambda metrics: said.append(line(metrics))))
    fast, slowed = ([float(found[WAIT]) for found in read_results(tmp_path / name)] for name in ("fast", "slow"))
    assert len(fast) == len(slowed) == 2 and all(0 < wait < 0.5 for wait in (*fast, slowed[0]))
    assert 0.5 <= slowed[1] < 1
    assert re.search(rf"data {1000 * slowed[1]:.0f} ms a step · ", said[1])
    (page,) = report.write(tmp_path / "slow")
    assert WAIT in page.read_text() and f"{slowed[1]:.3g}" in page.read_text()


def test_sigusr1_saves_and_goes_on(
    tiny_config: RunConfig, tmp_path: Path, steps_done: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Engine.step

    def signalled(engine: Engine, batch: Batch) -> None:
        step(engine, batch)
        if engine.iteration == 1:
            os.kill(os.getpid(), signal.SIGUSR1)

    monkeypatch.setattr(Engine, "step", signalled)
    saved: list[int] = []
    session = LocalSession(tmp_path, on_save=saved.append)
    with save_requested(session.save_now):
        assert run(tiny_config, session)["iteration"] == 4
    assert saved == [1] and signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL


def test_a_finished_run_is_not_trained_again(tiny_config: RunConfig, tmp_path: Path) -> None:
    first = run(tiny_config, LocalSession(tmp_path))
    assert run(tiny_config, LocalSession(tmp_path)) == first
    assert [line["iteration"] for line in read_results(tmp_path)] == [2, 4]


def test_reports_name_every_network_and_the_hashes(tiny_config: RunConfig, tmp_path: Path) -> None:
    metrics = run(tiny_config, LocalSession(tmp_path))
    assert {"miou/s0", "miou/s1", "miou/t0", "miou/t1", "miou/ensemble"} <= metrics.keys()
    assert metrics["miou"] == max(metrics["miou/s0"], metrics["miou/s1"])
    assert metrics["config_hash"] == tiny_config.hash()
    assert metrics["best/miou"] == max(line["miou"] for line in read_results(tmp_path))


def test_a_run_that_diverges_says_so_and_saves_nothing_after(tiny_config: RunConfig, tmp_path: Path) -> None:
    config = with_values(tiny_config, {"lr": 1e12, "lr_head_factor": 1.0})
    with pytest.raises(Diverged, match=r"diverged before iteration 4: s0/sup is nan"):
        run(config, LocalSession(tmp_path))
    assert [line["iteration"] for line in read_results(tmp_path)] == [2]
    assert last_checkpoint(tmp_path).name == "00000002"


def test_the_command_says_so_without_a_traceback(
    tiny_config: RunConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(cli.to_yaml(with_values(tiny_config, {"lr": 1e12, "lr_head_factor": 1.0})))
    code = main(["--workers", "0", "--config", str(config), "--storage", str(tmp_path), "--name", "wild"])
    assert code == cli.TRIALS_FAILED
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("error: diverged before iteration 4: ") and "a lower learning rate may help" in last


def test_networks_that_have_diverged_are_not_saved_between_reports_either(
    tiny_config: RunConfig, tmp_path: Path
) -> None:
    config = with_values(tiny_config, {"lr": 1e12, "lr_head_factor": 1.0, "report_every": 4})
    with pytest.raises(Diverged):
        run(config, LocalSession(tmp_path, save_every_s=0.0))
    assert max(int(place.name) for place in (tmp_path / "checkpoints").iterdir()) == 2, (
        "the third step had no finite loss"
    )


def test_sigterm_saves_and_exits_75(tiny_config: RunConfig, tmp_path: Path) -> None:
    """A long run, told to stop after its first report: the checkpoint is there and the same command may go on."""
    config = tmp_path / "config.yaml"
    config.write_text(cli.to_yaml(with_values(tiny_config, {"iterations": 100_000})))
    command = [sys.executable, "-m", "ctt_ray.train", "--workers", "0", "--config", str(config)]
    process = subprocess.Popen(
        [*command, "--storage", str(tmp_path), "--name", "long"], stderr=subprocess.PIPE, text=True
    )
    for _ in range(600):
        if read_results(tmp_path / "long"):
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 75, err
    assert "the same command goes on" in err
    assert "Traceback" not in err
    saved = json.loads((last_checkpoint(tmp_path / "long") / "state.json").read_text())["iteration"]
    assert f"stopped at iteration {saved} of 100000" in err


def test_sigkill_leaves_a_run_that_goes_on_to_the_same_weights(tiny_config: RunConfig, tmp_path: Path) -> None:
    """Killed for real, three times at different moments, then finished: bitwise the run that was never killed."""
    config = with_values(tiny_config, {"iterations": 12, "report_every": 1, "eval_limit": 1})
    run(config, LocalSession(tmp_path / "whole"))
    path = tmp_path / "config.yaml"
    path.write_text(cli.to_yaml(config))
    command = [sys.executable, "-m", "ctt_ray.train", "--workers", "0", "--config", str(path)]
    command += ["--storage", str(tmp_path), "--name", "killed"]
    for target in (2, 5, 9):
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=os.environ)
        while process.poll() is None and not any(
            line["iteration"] >= target for line in read_results(tmp_path / "killed")
        ):
            time.sleep(0.01)
        assert process.poll() is None, "the run ended before it could be killed"
        process.kill()
        process.wait()
    subprocess.run(command, check=True, capture_output=True)
    assert_same_checkpoint(last_checkpoint(tmp_path / "whole"), last_checkpoint(tmp_path / "killed"))
    assert [line["iteration"] for line in read_results(tmp_path / "killed")] == list(range(1, 13))


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ({"data": ""}, ConfigError, "give --data"),
        ({"data": "nowhere"}, DataError, "no manifest.json in nowhere"),
        ({"labelled": "fwe"}, DataError, "no labelled split 'fwe'.*few"),
        ({"eval_split": "tset"}, DataError, "tset"),
        ({"arch": "deeplabv4"}, ConfigError, "deeplabv3plus"),
        ({"backbone": "resnet19"}, ConfigError, "resnet18"),
        ({"init": ("no/such.pth",)}, ConfigError, "no/such.pth"),
        ({"crop": (0, 32)}, ConfigError, "crop"),
        ({"init": ("none", "none", "none")}, ConfigError, "3 weights for 2 students"),
    ],
)
def test_mistakes_are_told_before_the_first_step(
    tiny_config: RunConfig, tmp_path: Path, values: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        run(with_values(tiny_config, values), LocalSession(tmp_path))


def test_another_plan_or_another_data_set_is_refused_on_resume(tiny_config: RunConfig, tmp_path: Path) -> None:
    run(tiny_config, LocalSession(tmp_path))
    with pytest.raises(ConfigError, match="another plan: routes differ"):
        run(with_values(tiny_config, {"lambda_ct": 0.5}), LocalSession(tmp_path))


def test_a_class_that_no_labelled_image_shows_is_warned_of(
    tiny_config: RunConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Six scenes rarely show the rare class; with the full gate the user hears that contrast would never start."""
    from ctt_ray.train.loop import plan_of
    from ctt_ray.train.setup import open_stream

    config = with_values(tiny_config, {"bank_gate": "all_full", "iterations": 1, "labelled": "one"})
    from data_prep.splits import make_split

    make_split(Path(config.data), "1", name="one")
    stream = open_stream(config, plan_of(config))
    missing = [n for n, c in zip(stream.manifest.classes, stream.labelled_images_per_class, strict=True) if c == 0]
    assert missing, "one image shows every class: choose a smaller picture"
    run(config, LocalSession(tmp_path))
    assert f"no labelled image shows {', '.join(missing)}" in capsys.readouterr().err


def test_a_run_scores_a_part_and_never_trains_on_labelled_images_held_out(
    tiny_config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[tuple[str, int]] = []
    once = ShardReader.stored

    def noted(reader: ShardReader, row: int) -> object:
        read.append((reader.split, row))
        return once(reader, row)

    monkeypatch.setattr(ShardReader, "stored", noted)
    config = with_values(tiny_config, {"eval_split": "labelled:0/4", "iterations": 24, "report_every": 24})
    hidden = EvalSet(config.data, "labelled:0/4", labelled=config.labelled)._rows
    metrics = run(config, LocalSession(tmp_path))
    assert float(metrics["miou"]) >= 0 and {split for split, _ in read} == {"train"}
    seen = Counter(row for _, row in read)
    assert len(hidden) == 2 and [seen[row] for row in hidden] == [1, 1]  # by the one evaluation
    assert len(set(seen) - set(hidden)) == 22  # all others were trained on

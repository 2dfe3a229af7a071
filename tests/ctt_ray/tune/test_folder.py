"""What the trial files say, and that a kill never leaves half a file."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ctt_ray.config import ConfigError
from ctt_ray.tune.folder import PARAMS, Folder, Issued, Outcome, Record, write_text


def test_a_record_is_what_was_written(folder: Folder) -> None:
    issued = Issued("0002", {"ema_step": 0.01}, {"ema_decay": 0.99}, "abc")
    folder.issue(issued)
    assert folder.records() == [Record(issued)]
    folder.settle("0002", Outcome("pruned", 40, 12.5, 3.0, "early"))
    assert folder.record("0002").outcome == Outcome("pruned", 40, 12.5, 3.0, "early")


def test_lines_come_by_iteration_once_each_and_only_with_a_score(folder: Folder) -> None:
    folder.issue(Issued("0000", {}, {}, "abc"))
    text = (
        '{"iteration": 20, "miou": 2.0}\n{"iteration": 10, "miou": 1.0}\n{"iteration": 25}\n'
        '{"iteration": 20, "miou": 3.0, "seconds": 7.5}\n{"iteration": 30, "mi'
    )
    write_text(folder.trial("0000") / "result.jsonl", text)
    record = folder.record("0000")
    assert [(line["iteration"], line["miou"]) for line in record.lines] == [(10, 1.0), (20, 3.0)]
    assert (record.iteration, record.miou, record.seconds) == (20, 3.0, 7.5)


def test_a_trial_without_parameters_was_never_issued(folder: Folder) -> None:
    (folder.trial("0000") / "checkpoints").mkdir(parents=True)
    assert folder.records() == []
    assert Folder(folder.root / "nothing").records() == []


def test_a_kill_while_writing_leaves_the_old_file(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.issue(Issued("0000", {"a": 1}, {}, "abc"))

    def killed(*_: object) -> None:
        raise SystemExit

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(SystemExit):
        folder.issue(Issued("0000", {"a": 2}, {}, "abc"))
    assert folder.issued("0000").params == {"a": 1}
    assert [path.name for path in folder.trials.glob(f"*/{PARAMS}")] == [PARAMS]


def test_the_last_line_of_a_traceback_is_the_reason(folder: Folder) -> None:
    assert folder.error("0000") == ""
    write_text(folder.trial("0000") / "error.txt", "Traceback\n  File\nValueError: boom\n")
    assert folder.error("0000") == "ValueError: boom"


def _hold(enter: Callable[[], object], ready: object, release: object) -> None:
    with enter():  # type: ignore[attr-defined]
        ready.set()  # type: ignore[attr-defined]
        release.wait()  # type: ignore[attr-defined]


def test_one_process_runs_a_campaign_and_its_kill_frees_it(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    context = multiprocessing.get_context("fork")
    ready, release = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(folder.lock, ready, release))
    other.start()
    assert ready.wait(10)
    with pytest.raises(ConfigError, match="another process is running the campaign"), folder.lock():
        pass
    other.kill()
    other.join()
    with folder.lock():
        pass

"""Attempts as files: who writes what, and what a death leaves behind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ctt_ray.tune import attempts as attempts_of
from ctt_ray.tune.attempts import ATTEMPTS, Attempt, Recorder, deaths, note_death, read, saved_iteration, settle


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(attempts_of.time, "time", lambda: now[0])
    return now


def save(trial: Path, iteration: int) -> None:
    (trial / "checkpoints" / f"{iteration:08d}").mkdir(parents=True)


def test_an_attempt_from_start_to_end(tmp_path: Path, clock: list[float]) -> None:
    save(tmp_path, 20)
    recorder = Recorder(tmp_path, cpus=2, gpus=0.5)
    assert read(tmp_path) == [Attempt(1000, 1000, None, 2, 0.5, 20, 20, 20, 1000)]
    clock[0] = 1010
    save(tmp_path, 30)
    recorder.report(30)
    clock[0] = 1015
    recorder.report(35)  # reported, not saved
    (running,) = read(tmp_path)
    assert (running.last, running.iteration, running.saved_iteration, running.saved_at) == (1015, 35, 30, 1010)
    clock[0] = 1036
    recorder.end("complete")
    (ended,) = read(tmp_path)
    assert (ended.end, ended.how, ended.from_iteration) == (1036, "complete", 20)
    assert ended.hours(now=9999) == pytest.approx(0.01)
    assert ended.device_hours("cpuh", 9999) == pytest.approx(0.02)
    assert ended.device_hours("gpuh", 9999) == pytest.approx(0.005)
    assert ended.lost_hours() == 0


def test_a_silent_death_loses_what_came_after_the_last_checkpoint(tmp_path: Path, clock: list[float]) -> None:
    recorder = Recorder(tmp_path, cpus=1, gpus=0)
    clock[0] = 1036
    save(tmp_path, 10)
    recorder.report(10)
    settle(tmp_path, "preempted", now=1072)
    (gone,) = read(tmp_path)
    assert (gone.how, gone.end, gone.saved_iteration) == ("preempted", 1072, 10)
    assert gone.lost_hours() == pytest.approx(0.01)
    assert settle(tmp_path, "died", now=2000) is None, "an end is written once"
    recorder.report(20)  # a process that was taken for dead changes nothing
    recorder.end("complete")
    assert read(tmp_path) == [gone]


def test_without_a_checkpoint_all_of_it_is_lost_and_a_lost_beat_ends_at_the_last_report(tmp_path: Path) -> None:
    Recorder(tmp_path, cpus=1, gpus=0)
    (running,) = read(tmp_path)
    assert running.hours(running.start + 3600) == 1, "no end: it is taken to be running"
    ended = settle(tmp_path, "died", now=0.0)
    assert ended is not None and ended.end == running.last
    assert Attempt(0, 5, 3600, 1, 0, how="died").lost_hours() == 1


def test_deaths_count_even_where_the_process_never_came_to_write(tmp_path: Path, clock: list[float]) -> None:
    note_death(tmp_path, "died", now=1000)
    Recorder(tmp_path, cpus=1, gpus=0)
    note_death(tmp_path, "died", now=1010)
    Recorder(tmp_path, cpus=1, gpus=0)
    note_death(tmp_path, "preempted", now=1020)
    found = read(tmp_path)
    assert [attempt.how for attempt in found] == ["died", "died", "preempted"]
    assert deaths(found) == 2
    assert found[0].hours(5000) == 0
    Recorder(tmp_path, cpus=1, gpus=0).end("complete")
    note_death(tmp_path, "died", now=1030)
    assert [attempt.how for attempt in read(tmp_path)][3:] == ["complete"], "it had ended before its process did"


def test_a_new_attempt_closes_one_that_nobody_closed(tmp_path: Path, clock: list[float]) -> None:
    Recorder(tmp_path, cpus=1, gpus=0)
    clock[0] = 1500
    Recorder(tmp_path, cpus=1, gpus=0)
    first, second = read(tmp_path)
    assert (first.how, first.end, second.how) == ("died", 1500, "")


def test_more_than_a_hundred_stay_in_order(tmp_path: Path, clock: list[float]) -> None:
    for number in range(102):
        note_death(tmp_path, "preempted", now=float(number))
    assert [attempt.start for attempt in read(tmp_path)] == list(range(102))


def test_files_that_cannot_be_read_count_nothing(tmp_path: Path, clock: list[float]) -> None:
    Recorder(tmp_path, cpus=1, gpus=0).end("stopped")
    for number, text in enumerate(("", "{", "[]", json.dumps({"start": 1})), 1):
        (tmp_path / ATTEMPTS / f"{number:02d}.json").write_text(text)
    (tmp_path / ATTEMPTS / "01.json.77.part").write_text("{")
    assert [attempt.how for attempt in read(tmp_path)] == ["stopped"]
    assert read(tmp_path / "nowhere") == []


def test_checkpoints_of_both_kinds_are_seen(tmp_path: Path) -> None:
    assert saved_iteration(tmp_path) == 0
    save(tmp_path, 30)
    (tmp_path / "checkpoints" / "00000040.part").mkdir()
    assert saved_iteration(tmp_path) == 30
    (tmp_path / "iteration_00000100").mkdir()
    assert saved_iteration(tmp_path) == 100


def test_what_other_processes_save_is_looked_up(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, cpus=2, gpus=0)
    (tmp_path / "iteration_00000004").mkdir()
    recorder.look()
    (attempt,) = read(tmp_path)
    assert (attempt.iteration, attempt.saved_iteration, attempt.how) == (4, 4, "")

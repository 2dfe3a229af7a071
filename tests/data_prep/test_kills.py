"""kill -9 at every point of a preparation, and at random ones with worker processes: the run that ends is the same run."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from data_prep.progress import PROGRESS

ROOT = Path(__file__).resolve().parents[2]
ENV = {**os.environ, "PYTHONPATH": str(ROOT)}
PATIENCE = 60  # seconds until a test says that something hangs
SCENES = ["scenes", "--size", "64", "--train", "400", "--val", "70", "--shard-mib", "0.2", "--workers", "2"]


def contents(out: Path) -> dict[str, bytes]:
    """Every file of the folder, the progress included, whatever its name."""
    return {path.name: path.read_bytes() for path in sorted(out.iterdir())}


@pytest.fixture
def run(raw_folder: Path) -> Iterator[Callable[..., list[int]]]:
    """Prepare the raw folder into a folder, killed before the n-th file event: [events seen (unless killed), exit code]."""
    command = [sys.executable, str(ROOT / "tests" / "killed_preparation.py"), str(raw_folder)]
    server = subprocess.Popen(command, cwd=ROOT, env=ENV, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert server.stdin is not None and server.stdout is not None
    asked, answers = server.stdin, server.stdout

    def run(out: Path, kill_at: int = 0) -> list[int]:
        print(out, kill_at, file=asked, flush=True)
        return [int(word) for word in answers.readline().split()]

    yield run
    server.communicate()


def test_a_kill_before_every_file_event(
    run: Callable[..., list[int]], raw_folder: Path, tmp_path: Path, draw: Any
) -> None:
    draw.save(raw_folder / "images" / "b.jpg", b"text")  # something to quarantine
    events, code = run(tmp_path / "whole")
    whole = contents(tmp_path / "whole")
    assert code == 0 and events >= 20 and b"images/b.jpg" in whole["quarantine.csv"]
    assert sum(name.endswith(".arrow") for name in whole) >= 6
    for point in range(1, events + 1):
        out = tmp_path / f"at{point}"
        assert run(out, point) == [-signal.SIGKILL]
        assert not (out / "manifest.json").exists()
        assert run(out)[1] == 0
        assert contents(out) == whole, f"killed before event {point} of {events}"


def test_a_life_of_a_few_events_at_a_time(run: Callable[..., list[int]], tmp_path: Path) -> None:
    events, _ = run(tmp_path / "whole")
    draws, lives = random.Random(0), 0
    while run(tmp_path / "out", draws.randint(events // 3, events // 2)) == [-signal.SIGKILL]:
        lives += 1
        assert lives < 50
    assert lives > 1 and contents(tmp_path / "out") == contents(tmp_path / "whole")


@pytest.fixture
def start() -> Iterator[Callable[[Path], subprocess.Popen[str]]]:
    """Start the command line in a process group of its own; whatever is left at the end is killed."""
    started: list[subprocess.Popen[str]] = []

    def run(out: Path) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "data_prep", *SCENES, "--out", str(out)]
        process = subprocess.Popen(
            command, cwd=ROOT, start_new_session=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        started.append(process)
        return process

    yield run
    for process in started:
        with suppress(ProcessLookupError):  # the group lives as long as any of it: orphans, too
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def until(found: Callable[[], Any]) -> Any:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if result := found():
            return result
        time.sleep(0.01)
    raise AssertionError("it did not happen")


def family(process: subprocess.Popen[str]) -> list[psutil.Process]:
    try:
        return psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def workers(process: subprocess.Popen[str]) -> list[psutil.Process]:
    return [child for child in family(process) if "spawn_main" in " ".join(child.cmdline())]


def parts(out: Path) -> int:
    return len((out / PROGRESS).read_text().splitlines()) - 1 if (out / PROGRESS).exists() else 0


def nobody_left(children: list[psutil.Process]) -> None:
    assert psutil.wait_procs(children, timeout=PATIENCE)[1] == []


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What an uninterrupted run leaves, in one process."""
    out = tmp_path_factory.mktemp("whole")
    command = [sys.executable, "-m", "data_prep", *SCENES, "--workers", "1", "--out", str(out)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return contents(out)


def test_kills_at_random_times_with_workers(
    start: Callable[[Path], subprocess.Popen[str]], whole: dict[str, bytes], tmp_path: Path
) -> None:
    draws = random.Random(0)
    for _ in range(3):
        before = parts(tmp_path)
        process = start(tmp_path)
        children: list[psutil.Process] = until(lambda run=process: len(workers(run)) == 2 and family(run))
        until(lambda past=before: parts(tmp_path) > past)
        time.sleep(draws.uniform(0, 0.08))
        process.kill()
        assert process.wait() == -signal.SIGKILL
        nobody_left(children)
    last = start(tmp_path)
    assert "were done already" in last.communicate()[1] and last.returncode == 0
    assert contents(tmp_path) == whole


def test_a_killed_worker_stops_the_run_with_a_message(
    start: Callable[[Path], subprocess.Popen[str]], whole: dict[str, bytes], tmp_path: Path
) -> None:
    process = start(tmp_path)
    until(lambda: parts(tmp_path))
    children = family(process)
    workers(process)[1].kill()
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out) == (4, "") and "Traceback" not in err
    assert "killed by SIGKILL" in err and "the same command goes on" in err
    nobody_left(children)
    assert parts(tmp_path) and not list(tmp_path.glob("*.partial"))
    assert start(tmp_path).wait(PATIENCE) == 0
    assert contents(tmp_path) == whole


@pytest.mark.parametrize(
    ("sent", "to_all"), [(signal.SIGINT, True), (signal.SIGTERM, False), (signal.SIGTERM, True)], ids=str
)
def test_being_asked_to_stop(
    start: Callable[[Path], subprocess.Popen[str]], tmp_path: Path, sent: signal.Signals, to_all: bool
) -> None:
    process = start(tmp_path)
    until(lambda: parts(tmp_path))
    children = family(process)
    os.killpg(process.pid, sent) if to_all else process.send_signal(sent)
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out) == (75, "") and "Traceback" not in err
    assert "interrupted; the same command goes on" in err
    nobody_left(children)
    assert parts(tmp_path) and not list(tmp_path.glob("*.partial"))


def test_being_asked_before_anything_was_saved(start: Callable[[Path], subprocess.Popen[str]], tmp_path: Path) -> None:
    process = start(tmp_path)
    until(lambda: workers(process))
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out) == (130, "") and "Traceback" not in err
    assert "interrupted before anything was saved" in err

"""Two processes that both want to train one trial: the later one gets it, and they never train it at once."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ctt_ray.tune import claim as claims
from ctt_ray.tune.claim import Refused, claim

HOLD = """
import sys, time
from pathlib import Path
from ctt_ray.tune.claim import claim
trial = Path(sys.argv[1])
with claim(trial):
    print("held", flush=True)
    while True:
        time.sleep(0.01)
        (trial / "written").write_text(str(time.monotonic_ns()))
"""


@contextmanager
def holder(trial: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(trial)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_a_process_that_lives_on_ends_when_the_next_one_asks(tmp_path: Path) -> None:
    with holder(tmp_path) as last:
        assert last.poll() is None
        with claim(tmp_path):
            assert last.wait(10) == 1
            wrote = (tmp_path / "written").read_text()
            time.sleep(0.1)
            assert (tmp_path / "written").read_text() == wrote


def test_a_process_that_was_killed_keeps_nobody_waiting(tmp_path: Path) -> None:
    with holder(tmp_path) as last:
        last.kill()
        with claim(tmp_path):
            pass
    with claim(tmp_path):
        pass


def test_one_that_cannot_let_go_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "PATIENCE_S", 2.0)
    with holder(tmp_path) as last:
        os.kill(last.pid, signal.SIGSTOP)
        named = f"still being trained by process {last.pid} on {socket.gethostname()}; end it"
        with pytest.raises(Refused, match=named), claim(tmp_path):
            pass
        os.kill(last.pid, signal.SIGCONT)
        assert last.wait(10) == 1


def test_whoever_asked_last_is_left_alone(tmp_path: Path) -> None:
    left: list[bool] = []
    with claim(tmp_path, leave=lambda: left.append(True)):
        time.sleep(2.2 * claims.LOOK_EVERY_S)
    assert not left

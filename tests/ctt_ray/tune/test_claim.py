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
        with claim(tmp_path, patience_s=10):
            pass
    with claim(tmp_path, patience_s=1):
        pass


def test_of_two_that_wait_the_later_one_gets_it(tmp_path: Path) -> None:
    """The holder is stopped, a second asks and waits, a third asks: the second leaves without ever having trained."""
    with holder(tmp_path) as first:
        os.kill(first.pid, signal.SIGSTOP)
        second = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        assert second.stdout is not None
        asked = (tmp_path / ".claim").read_text()
        while (tmp_path / ".claim").read_text() == asked:
            time.sleep(0.01)
        with pytest.raises(Refused), claim(tmp_path, patience_s=3.0):
            pass
        assert second.wait(10) == 1
        assert second.stdout.read() == ""


def test_asking_at_once_trips_nobody(tmp_path: Path) -> None:
    """Every one of them either is overtaken (1) or is still there; none fails for another's half-made file."""
    ask = HOLD.replace('print("held", flush=True)', "sys.exit(7)")
    processes = [subprocess.Popen([sys.executable, "-c", ask, str(tmp_path)]) for _ in range(4)]
    ends = {process.wait(60) for process in processes}
    assert 7 in ends and ends <= {1, 7}


def test_one_that_cannot_let_go_is_named(tmp_path: Path) -> None:
    with holder(tmp_path) as last:
        os.kill(last.pid, signal.SIGSTOP)
        named = f"still being trained by process {last.pid} on {socket.gethostname()}; end it"
        with pytest.raises(Refused, match=named), claim(tmp_path, patience_s=2.0):
            pass
        os.kill(last.pid, signal.SIGCONT)
        assert last.wait(10) == 1


def test_whoever_asked_last_is_left_alone(tmp_path: Path) -> None:
    left: list[bool] = []
    with claim(tmp_path, leave=lambda: left.append(True)):
        time.sleep(2.2 * claims.LOOK_EVERY_S)
    assert not left

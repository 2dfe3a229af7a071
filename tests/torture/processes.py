"""Processes that the harness started: found by descent, ended by their own id, never by name."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

from ctt_ray import cli

ROOT = Path(cli.__file__).parents[1]
TESTS = Path(__file__).parents[1]  # workers import what a test gives them to run


def start(command: Sequence[str], *, scratch: Path, log: Path, stdin: bool = False) -> subprocess.Popen[str]:
    """In a session of its own; Ray's files under `scratch`, so that no other Ray on this machine is met; output in `log`."""
    path = os.pathsep.join([str(ROOT), str(TESTS), os.environ.get("PYTHONPATH", "")])
    env = {**os.environ, "PYTHONPATH": path, "RAY_TMPDIR": str(scratch), "RAY_worker_niceness": "0"}
    env.pop("RAY_ADDRESS", None)
    with log.open("a") as out:
        return subprocess.Popen(
            [sys.executable, *command],
            stdout=subprocess.PIPE if stdin else out,
            stderr=out,
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            text=True,
            start_new_session=True,
            env=env,
        )


def family(pid: int) -> list[psutil.Process]:
    """The process and all that descend from it, itself first; what ends meanwhile is left out."""
    try:
        top = psutil.Process(pid)
        return [top, *top.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def titled(processes: Sequence[psutil.Process], *starts: str) -> list[psutil.Process]:
    """Those whose command line starts so: Ray names its workers by what they run."""
    found = []
    for process in processes:
        with contextlib.suppress(psutil.Error):
            if " ".join(process.cmdline()).startswith(starts):
                found.append(process)
    return found


def named(processes: Sequence[psutil.Process], name: str) -> list[psutil.Process]:
    found = []
    for process in processes:
        with contextlib.suppress(psutil.Error):
            if process.name() == name:
                found.append(process)
    return found


def kill(processes: Sequence[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGKILL)  # refuses a process id that has been given to another process


def gone(processes: Sequence[psutil.Process], patience: float) -> float:
    """Wait for them to end by themselves; end those that have not. Seconds that the last one lived."""
    begun = time.monotonic()
    _, left = psutil.wait_procs(processes, timeout=patience)
    kill(left)
    psutil.wait_procs(left, timeout=10)
    return time.monotonic() - begun

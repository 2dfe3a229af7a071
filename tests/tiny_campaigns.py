"""Campaigns of tests/ctt_ray/tune/analytic.py as processes of their own: started, waited for, ended."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from ctt_ray import cli
from ctt_ray.tune.folder import Folder

SCRIPT = Path(__file__).parent / "ctt_ray" / "tune" / "analytic.py"
PATIENCE_S = 400.0  # seconds until a test says that something hangs, on a machine that does other work too


def start(folder: Folder, trials: int, pause: float, **variables: str) -> subprocess.Popen[str]:
    path = os.pathsep.join([str(Path(cli.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), str(folder.root), str(trials), str(pause)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": path, **variables},
    )


def finish(process: subprocess.Popen[str], code: int = 0) -> str:
    _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == code, err
    assert "Traceback" not in err, err
    return err


def wait_until(true: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    patience = time.monotonic() + PATIENCE_S
    while not true():
        if process.poll() is not None or time.monotonic() > patience:
            process.kill()
            raise AssertionError(process.communicate()[1])
        time.sleep(0.1)


def logged(folder: Folder, text: str) -> bool:
    return folder.log.is_file() and text in folder.log.read_text()

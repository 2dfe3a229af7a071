"""What each try at a trial cost and how it ended: trials/ID/attempts/NN.json, the ground of the ledger and the budget.

The process that runs the trial writes the file at its start, at each report and at its end. An attempt whose process died
says nothing of its end; the campaign writes that, once the process is known to be gone.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args

from ctt_ray.train.session import BETWEEN, CHECKPOINTS, PREFIX

How = Literal["", "complete", "pruned", "stopped", "preempted", "died", "failed"]
Unit = Literal["cpuh", "gpuh"]
ATTEMPTS = "attempts"


@dataclass(frozen=True)
class Attempt:
    """Times are seconds since 1970. cpus, gpus: of all its workers together · how: "" while it runs or died silently ·
    saved_at: when the checkpoint of `saved_iteration` was seen, its start if it has saved nothing yet · node: Ray's id."""

    start: float
    last: float
    end: float | None
    cpus: float
    gpus: float
    from_iteration: int = 0
    iteration: int = 0
    saved_iteration: int = 0
    saved_at: float = 0.0
    how: How = ""
    node: str = ""

    def hours(self, now: float) -> float:
        """Wall hours. One without an end is taken to be running."""
        return max(0.0, (now if self.end is None else self.end) - self.start) / 3600

    def device_hours(self, unit: Unit, now: float) -> float:
        return self.hours(now) * (self.gpus if unit == "gpuh" else self.cpus)

    def lost_hours(self) -> float:
        """Wall hours after the last checkpoint, which the next attempt has to do again; 0 for other ends than a loss."""
        if self.how not in ("preempted", "died") or self.end is None:
            return 0.0
        return max(0.0, self.end - max(self.start, self.saved_at)) / 3600


def read(trial: Path) -> list[Attempt]:
    """The attempts at a trial, oldest first; a file that cannot be read (the machine lost power) counts nothing."""
    found = [_read(path) for path in _paths(trial)]
    return [attempt for attempt in found if attempt is not None]


def devices(trial: Path) -> float:
    """GPUs, or CPUs where there are none, that the last attempt's workers have together; 1 before the first."""
    paths = _paths(trial)
    attempt = _read(paths[-1]) if paths else None
    return 1.0 if attempt is None else attempt.gpus or attempt.cpus


def saved_iteration(trial: Path) -> int:
    """Of the newest checkpoint, 0 without one: by its name, from one process or from Ray Train."""
    names = [path.name for path in (trial / CHECKPOINTS).glob("*")]
    names += [path.name.removeprefix(PREFIX).removesuffix(BETWEEN) for path in trial.glob(f"{PREFIX}*")]
    return max((int(name) for name in names if name.isdigit()), default=0)


def settle(trial: Path, how: How, *, now: float) -> Attempt | None:
    """Write the end that a dead process could not: of the last attempt if it has none. Returns it, or None."""
    paths = _paths(trial)
    attempt = _read(paths[-1]) if paths else None
    if attempt is None or attempt.how:
        return None
    saved = saved_iteration(trial)
    ended = replace(attempt, end=max(now, attempt.last), how=how, saved_iteration=max(saved, attempt.saved_iteration))
    _write(paths[-1], ended)
    return ended


def note_death(trial: Path, how: How, *, now: float) -> None:
    """As `settle`; an attempt whose process never came to write its file is counted too, with no time. One that had ended
    by itself just before the death keeps its end."""
    if settle(trial, how, now=now) is None and (not (found := read(trial)) or found[-1].how in ("preempted", "died")):
        at = saved_iteration(trial)
        _write(_next(trial), Attempt(now, now, now, 0, 0, at, at, at, now, how))


def deaths(attempts: Sequence[Attempt]) -> int:
    """How often a process died on a living node: these use up retries, preemptions do not."""
    return sum(attempt.how == "died" for attempt in attempts)


class Recorder:
    """Keeps one attempt's file: made at its start by the process that runs the trial, which alone writes it until it ends."""

    def __init__(self, trial: Path, *, cpus: float, gpus: float, node: str = "") -> None:
        now = time.time()
        at = saved_iteration(trial)
        settle(trial, "died", now=now)
        self._trial = trial
        self._path = _next(trial)
        self._lock = threading.Lock()
        self._attempt = Attempt(now, now, None, cpus, gpus, at, at, at, now, node=node)
        _write(self._path, self._attempt)

    def report(self, iteration: int) -> None:
        """The run has come so far; what it has saved is looked up."""
        with self._lock:
            if self._settled():
                return
            now, saved = time.time(), saved_iteration(self._trial)
            saved_at = now if saved != self._attempt.saved_iteration else self._attempt.saved_at
            self._attempt = replace(
                self._attempt, last=now, iteration=iteration, saved_iteration=saved, saved_at=saved_at
            )
            _write(self._path, self._attempt)

    def end(self, how: How) -> None:
        with self._lock:
            if self._settled():
                return
            now = time.time()
            self._attempt = replace(self._attempt, last=now, end=now, how=how)
            _write(self._path, self._attempt)

    def _settled(self) -> bool:
        """Whether the campaign has written its end already: a trial that it stopped, a process that it took for dead."""
        found = _read(self._path)
        return found is not None and found.how != ""

    def look(self) -> None:
        """Report what other processes, the workers of Ray Train, have saved in the trial's folder."""
        saved = saved_iteration(self._trial)
        if saved != self._attempt.saved_iteration:
            self.report(saved)


def _paths(trial: Path) -> list[Path]:
    return sorted((trial / ATTEMPTS).glob("[0-9]*.json"), key=lambda path: int(path.stem))


def _next(trial: Path) -> Path:
    paths = _paths(trial)
    number = int(paths[-1].stem) + 1 if paths else 0
    return trial / ATTEMPTS / f"{number:02d}.json"


def _read(path: Path) -> Attempt | None:
    try:
        content: dict[str, Any] = json.loads(path.read_text())
        attempt = Attempt(**{field.name: content[field.name] for field in fields(Attempt) if field.name in content})
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return attempt if attempt.how in get_args(How) else None


def _write(path: Path, attempt: Attempt) -> None:
    """Whole or not at all, by a kill; not forced to the disk, for it is written often and a power cut may cost it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.{os.getpid()}.part")
    beside.write_text(json.dumps(asdict(attempt)))
    os.replace(beside, path)

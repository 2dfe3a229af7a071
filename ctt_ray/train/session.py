"""What the training loop asks of its surroundings, and the answer of a plain process.

A session knows where to resume from and where reports go. Ray Train's is in worker.py; LocalSession serves single-worker
trials and `--workers 0`. Neither knows any mathematics.
"""

from __future__ import annotations

import importlib
import json
import math
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from ctt_ray.config import RunConfig
from ctt_ray.placement import Placement
from ctt_ray.train.asks import Ask, Pace

Metrics = dict[str, float | int | str]
CHECKPOINTS = "checkpoints"
RESULTS = "result.jsonl"
STARTS = "starts.jsonl"  # of Ray Train's workers: a line each time they start, with how many and from where
PREFIX = "iteration_"  # Ray Train's checkpoints
BETWEEN = "_kept"  # ends the name of one that was made between two reports
SCORE = "miou"
WAIT = "data_wait_s"  # no slash in it: it is a time, and twins compare what has one


class Interrupted(Exception):
    """The run was asked to stop; its state is saved and the same command goes on."""


class Moved(Interrupted):
    """The run's machine is to be taken away; its state is saved and it goes on elsewhere."""


class Diverged(FloatingPointError):
    """A loss is no number any more; nothing is saved after it."""


class Session(Protocol):
    rank: int
    world: int
    placement: Placement
    own_accelerators: bool  # every worker has one to itself

    def resume_from(self) -> Path | None:
        """The newest complete checkpoint folder, or None for a fresh start."""

    def report(self, metrics: Metrics, save: Callable[[Path], None] | None) -> None:
        """Publish metrics; `save` writes this worker's files of a checkpoint into the folder it is given, None where it has
        none. Every rank calls it equally often."""

    def save(self, iteration: int, save: Callable[[Path], None] | None) -> None:
        """A checkpoint between two reports: no line, no score. Every rank calls it equally often, as `report`."""

    def asked(self) -> Ask:
        """What this worker has heard is wanted of the run. It costs nothing to ask, and no other worker is waited for; SAVE
        is forgotten with the next `save`."""


LOOP = "ctt_ray.train.loop:run"
Run = Callable[[RunConfig, Session], Metrics]


def resolve(run: Run | str) -> Run:
    """What trains one configuration under a session: a function, or "module:function", imported where the run is."""
    if not isinstance(run, str):
        return run
    module, _, name = run.partition(":")
    found: Run = getattr(importlib.import_module(module), name)
    return found


class LocalSession:
    """A run in one process: `folder/result.jsonl`, one line a report, and `folder/checkpoints/ITERATION/`.

    The best `keep` checkpoints by `miou` and the last one stay. A result line is written before its
    checkpoint, and a checkpoint beside its place and renamed, so a kill at any moment leaves a resumable folder: lines beyond
    the checkpoint that a run resumes from are dropped, for they will be made again, and none is missing.
    """

    rank = 0
    world = 1
    placement: Placement = "together"
    own_accelerators = False

    def __init__(
        self,
        folder: Path,
        *,
        keep: int = 1,
        on_report: Callable[[Metrics], None] | None = None,
        on_save: Callable[[int], None] | None = None,
        asked: Callable[[], Ask] = lambda: Ask.NOTHING,
        save_every_s: float = math.inf,
    ) -> None:
        """asked: what is wanted of the run, beside `save_now` and the checkpoint that is due after `save_every_s` seconds
        without one · on_save: hears the iteration of a checkpoint between reports."""
        self.folder = folder
        self.keep = keep
        self.on_report = on_report
        self.on_save = on_save
        self._asked = asked
        self._pace = Pace(save_every_s)
        self._now = False
        self._saved = 0  # iteration of the newest checkpoint
        (folder / CHECKPOINTS).mkdir(parents=True, exist_ok=True)

    def asked(self) -> Ask:
        return max(self._asked(), Ask.SAVE if self._now or self._pace.due() else Ask.NOTHING)

    def save_now(self) -> None:
        """Ask for a checkpoint; from a signal's handler, too."""
        self._now = True

    def resume_from(self) -> Path | None:
        found = self._checkpoints()
        self._saved = last = int(found[-1].name) if found else 0
        _write_lines(
            self.folder / RESULTS, [line for line in read_results(self.folder) if int(line["iteration"]) <= last]
        )
        return found[-1] if found else None

    def report(self, metrics: Metrics, save: Callable[[Path], None] | None) -> None:
        lines = read_results(self.folder)
        if lines and lines[-1]["iteration"] == metrics["iteration"]:  # a kill came between this line and its checkpoint
            _write_lines(self.folder / RESULTS, lines[:-1])
        with (self.folder / RESULTS).open("a") as out:
            out.write(json.dumps(metrics) + "\n")
        if save is not None:
            self._save(int(metrics["iteration"]), save)
        if self.on_report is not None:
            self.on_report(metrics)

    def save(self, iteration: int, save: Callable[[Path], None] | None) -> None:
        if save is not None and iteration != self._saved:
            self._save(iteration, save)
            if self.on_save is not None:
                self.on_save(iteration)
        self._now = False
        self._pace.saved()

    def _save(self, iteration: int, save: Callable[[Path], None]) -> None:
        place = self.folder / CHECKPOINTS / f"{iteration:08d}"
        beside = place.with_name(place.name + ".part")
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(parents=True)
        save(beside)
        old = place.with_name(place.name + ".old")  # it was saved without its score before
        shutil.rmtree(old, ignore_errors=True)
        if place.exists():
            place.rename(old)
        beside.rename(place)
        shutil.rmtree(old, ignore_errors=True)
        self._saved = iteration
        self._pace.saved()
        self._drop_old()

    def _checkpoints(self) -> list[Path]:
        folder = self.folder / CHECKPOINTS
        return sorted(p for p in folder.iterdir() if p.is_dir() and p.name.isdigit())

    def _drop_old(self) -> None:
        score = {int(line["iteration"]): float(line.get(SCORE, float("-inf"))) for line in read_results(self.folder)}
        found = self._checkpoints()
        best = sorted(found, key=lambda p: score.get(int(p.name), float("-inf")))[-self.keep :]
        for old in found:
            if old != found[-1] and old not in best:
                shutil.rmtree(old)


def read_results(folder: Path) -> list[Metrics]:
    """The reports of a run so far; a line cut short by a kill is left out."""
    path = folder / RESULTS
    return parse_lines(path.read_text()) if path.is_file() else []


def parse_lines(content: str) -> list[Metrics]:
    """One report a line; a line that a kill has cut short is left out."""
    lines: list[Metrics] = []
    for text in content.splitlines():
        try:
            lines.append(json.loads(text))
        except json.JSONDecodeError:
            continue
    return lines


def _write_lines(path: Path, lines: list[Metrics]) -> None:
    beside = path.with_suffix(".part")
    beside.write_text("".join(json.dumps(line) + "\n" for line in lines))
    os.replace(beside, path)

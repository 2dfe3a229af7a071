"""A campaign's folder: the truth about it. Everything else (study, rungs, tables) is made from these files.

    STORAGE/NAME/campaign.yaml          what the campaign is (settings.py)
                 trials/0007/params.json    written once, before the trial starts
                             result.jsonl   one line a report, by the training run
                             checkpoints/   what an unfinished trial resumes from
                             attempts/      what each try cost and how it ended (attempts.py)
                             error.txt      the traceback of a trial that raised
                             outcome.json   written once, when the trial has ended: no file = to be (re)issued
                 study.journal trials.csv best.yaml campaign.log    projections, rebuilt at will

Every JSON file is written beside its place and renamed: a kill at any moment leaves the old file or the new one.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from ctt_ray.config import ConfigError
from ctt_ray.train.alarm import COLLAPSED
from ctt_ray.train.session import SCORE, Metrics, read_results
from ctt_ray.tune import attempts

State = Literal["complete", "pruned", "failed"]
Kind = Literal["", "diverged", "memory", "error", "lost", "not applied"]  # of a failure
PARAMS, OUTCOME, ERROR = "params.json", "outcome.json", "error.txt"


@dataclass(frozen=True)
class Issued:
    """What a trial was given. params: space's names · values: configuration's · config_hash: their result · sampler:
    what the sampler keeps in its trials to go on from (CMA-ES its distribution)."""

    id: str
    params: dict[str, Any]
    values: dict[str, Any]
    config_hash: str
    sampler: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """How a trial ended. `miou` is the last report's, at `iteration`; a failed trial has none."""

    state: State
    iteration: int
    miou: float | None = None
    seconds: float = 0.0
    reason: str = ""
    kind: Kind = ""


@dataclass(frozen=True)
class Record:
    """One trial as its files tell it."""

    issued: Issued
    lines: list[Metrics] = field(default_factory=list)  # the reports that carry a score, by rising iteration
    outcome: Outcome | None = None
    devices: float = 1.0  # GPUs, or CPUs where there are none, of all its workers together

    @property
    def id(self) -> str:
        return self.issued.id

    @property
    def iteration(self) -> int:
        return int(self.lines[-1]["iteration"]) if self.lines else 0

    @property
    def miou(self) -> float | None:
        return float(self.lines[-1][SCORE]) if self.lines else None

    @property
    def collapsed(self) -> str:
        """Why its last report says that its pseudo-labels have collapsed, or nothing."""
        return str(self.lines[-1].get(COLLAPSED, "")) if self.lines else ""

    @property
    def seconds(self) -> float:
        return float(self.lines[-1].get("seconds", 0.0)) if self.lines else 0.0


class Folder:
    """Paths, reading and writing. Makes nothing until something is written."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.settings = root / "campaign.yaml"
        self.trials = root / "trials"
        self.study = root / "study.journal"
        self.table = root / "trials.csv"
        self.best = root / "best.yaml"
        self.log = root / "campaign.log"
        self.stop = root / "stop"  # while it exists, running trials save and leave
        self.scratch = root / ".ray"  # Ray Tune's own state; deleted at every start

    def trial(self, id: str) -> Path:
        return self.trials / id

    def records(self) -> list[Record]:
        """Every trial that was issued, by id."""
        if not self.trials.is_dir():
            return []
        found = sorted(path.parent.name for path in self.trials.glob(f"*/{PARAMS}"))
        return [self.record(id) for id in found]

    def record(self, id: str) -> Record:
        where = self.trial(id)
        ended = where / OUTCOME
        outcome = Outcome(**json.loads(ended.read_text())) if ended.is_file() else None
        by_iteration = {int(line["iteration"]): line for line in read_results(where) if SCORE in line}
        reports = [by_iteration[step] for step in sorted(by_iteration)]
        return Record(self.issued(id), reports, outcome, attempts.devices(where))

    def issued(self, id: str) -> Issued:
        return Issued(**json.loads((self.trial(id) / PARAMS).read_text()))

    def issue(self, issued: Issued) -> None:
        write_json(self.trial(issued.id) / PARAMS, asdict(issued))

    def settle(self, id: str, outcome: Outcome) -> None:
        write_json(self.trial(id) / OUTCOME, asdict(outcome))

    def ended(self, id: str) -> bool:
        return (self.trial(id) / OUTCOME).is_file()

    def error(self, id: str) -> str:
        """The last line of the trial's traceback, or nothing."""
        path = self.trial(id) / ERROR
        lines = path.read_text().strip().splitlines() if path.is_file() else []
        return lines[-1] if lines else ""

    @contextmanager
    def lock(self) -> Iterator[None]:
        """One campaign process at a time. Raises ConfigError while another one holds the folder; a kill frees it."""
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / ".lock").open("a") as handle:
            if not try_lock(handle.fileno()):
                raise ConfigError(
                    f"another process is running the campaign in {self.root}; wait for it, or use another --name"
                )
            yield


def try_lock(descriptor: int) -> bool:
    """Whether this process has the file for itself now."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def write_json(path: Path, content: Any) -> None:
    write_text(path, json.dumps(content, indent=1))


def write_text(path: Path, text: str) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".part")
    with beside.open("w") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    os.replace(beside, path)

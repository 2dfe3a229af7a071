"""Plays one elastic run: nodes are killed, drained and added while it trains, and what that cost is read from its own notes."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torture import processes

HOST, SUBJECT = Path(__file__).with_name("host.py"), Path(__file__).with_name("subject.py")
PATIENCE_S = 240.0
Note = dict[str, Any]  # a worker's step: recorded.py


@dataclass
class Event:
    """what: happened at `time` · reached: the iteration that was done by then · the rest: filled in from the notes."""

    what: str
    time: float
    reached: int
    before: int = 0  # workers
    after: int = 0
    repeated: int = 0  # iterations
    lost_s: float = 0.0  # of training that was done again
    gap_s: float = 0.0  # from the event to the next step done


@dataclass
class Play:
    root: Path
    config: Path
    workers: str
    minutes: float
    health_ms: int = 1000  # as docs/elastic.md advises for a cluster's head; Ray's default is 3000
    events: list[Event] = field(default_factory=list)

    @property
    def run(self) -> Path:
        return self.root / "run"

    def notes(self) -> list[Note]:
        """Of all workers of all starts, by time."""
        lines = [line for path in self.run.glob("steps/*.jsonl") for line in path.read_text().splitlines()]
        return sorted((json.loads(line) for line in lines if line.endswith("}")), key=lambda note: float(note["time"]))

    @contextlib.contextmanager
    def cluster(self, *cpus: int) -> Iterator[list[str]]:
        """A cluster and the run on it; yields the ids of the nodes beside the head. Nothing that was started outlives it."""
        scratch = Path(tempfile.mkdtemp(prefix="te_"))  # short: Ray's sockets lie under it
        host = processes.start(
            [str(HOST), *map(str, (self.health_ms, *cpus))], scratch=scratch, log=self.root / "host.log", stdin=True
        )
        self._host = host
        try:
            facts = self._answer()
            command = [SUBJECT, self.config, self.root, "run", facts["address"], self.workers, self.minutes]
            self._subject = processes.start(list(map(str, command)), scratch=scratch, log=self.root / "run.log")
            yield facts["nodes"]
        finally:
            subject = getattr(self, "_subject", None)
            families = processes.family(host.pid) + (processes.family(subject.pid) if subject else [])
            assert host.stdin is not None
            host.stdin.close()
            processes.gone(families, 30)
            host.wait()
            shutil.rmtree(scratch, ignore_errors=True)

    def until(self, workers: int, steps: int) -> None:
        """Wait until the newest start of the run has so many workers and has done so many steps."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            if self._subject.poll() is not None:
                raise AssertionError(f"the run ended early\n{self.log()}")
            starts = self.starts()
            if starts and starts[-1]["workers"] == workers:
                done = [note for note in self.notes() if note["time"] > starts[-1]["time"] and note["rank"] == 0]
                if len(done) >= steps:
                    return
            time.sleep(0.3)
        raise AssertionError(f"no {steps} steps of {workers} workers within {PATIENCE_S:g} s\n{self.log()}")

    def tell(self, what: str, *command: object) -> Any:
        """Have the host do something to the cluster, and note when."""
        reached = max(note["iteration"] for note in self.notes())
        self.events.append(Event(what, time.time(), reached))
        assert self._host.stdin is not None
        self._host.stdin.write(json.dumps(command) + "\n")
        self._host.stdin.flush()
        return self._answer()

    def finish(self) -> int:
        code = self._subject.wait(timeout=PATIENCE_S)
        self._measure()
        return code

    def starts(self) -> list[Note]:
        path = self.run / "starts.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def log(self) -> str:
        return (self.root / "run.log").read_text()[-3000:]

    def _answer(self) -> Any:
        assert self._host.stdout is not None
        return json.loads(self._host.stdout.readline())

    def _measure(self) -> None:
        """What each event cost: the start of the workers that came after it, against the steps done before that start."""
        starts, notes = self.starts(), self.notes()
        for event in self.events:
            later = [start for start in starts if start["time"] > event.time]
            if not later:
                continue
            start = later[0]
            before = [note for note in notes if note["time"] < start["time"]]
            after = next(note for note in notes if note["time"] > start["time"])
            again = [note["time"] for note in before if note["iteration"] > start["iteration"] and note["rank"] == 0]
            event.before, event.after = before[-1]["world"], int(start["workers"])
            event.repeated = max(note["iteration"] for note in before) - int(start["iteration"])
            event.lost_s = max(again) - min(again) if again else 0.0
            event.gap_s = after["time"] - event.time


def taken(notes: list[Note], starts: list[Note], lane: str) -> dict[int, list[list[int]]]:
    """Iteration → the sample numbers that all workers of a start together took for it, sorted; once for each such start."""
    found: dict[tuple[int, int], list[int]] = {}
    for note in notes:
        start = sum(start["time"] <= note["time"] for start in starts)
        found.setdefault((note["iteration"], start), []).extend(note[lane])
    times: dict[int, list[list[int]]] = {}
    for (iteration, _), numbers in sorted(found.items()):
        times.setdefault(iteration, []).append(sorted(numbers))
    return times


def table(events: list[Event]) -> str:
    head = "| event | workers | steps done again | seconds of training lost | seconds to the next step |\n|---|---|---|---|---|\n"
    rows = [
        f"| {event.what} | {event.before} → {event.after} | {event.repeated} | {event.lost_s:.1f} | {event.gap_s:.1f} |"
        for event in events
    ]
    return head + "\n".join(rows) + "\n"

"""Plays one campaign: start, kill, look, leave some damage, give the same command again, until it finishes; then checks."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Literal

import psutil
from torture import processes
from torture.damage import Damage
from torture.kills import Kind, Scene
from torture.witness import Seen, check_whole, compare, look, total, went_on

from ctt_ray import cli

After = Literal["missed", "lives", "dead"]  # of the campaign, after a try to kill
FINISH_S = 400.0
STARTS = 3
ORPHANS_S = 30.0  # that a killed campaign's processes may live on
SUBJECT = Path(__file__).with_name("subject.py")
HOST = Path(__file__).with_name("host.py")


@dataclass
class Row:
    """One kill, for the table. found: what the files and the later starts say about it · wrong: what ought not to be."""

    campaign: str
    killed: str
    at_s: float
    stood: str
    left: list[str] = field(default_factory=list)
    found: str = ""
    orphans_s: float | None = None
    wrong: list[str] = field(default_factory=list)


@dataclass
class Play:
    """A campaign under torture. command: what is given again and again, without an address · cluster: CPUs of the nodes
    of a cluster that it joins, if it does not start its own Ray."""

    name: str
    command: Sequence[str]
    root: Path
    seed: int
    cluster: Sequence[int] = ()
    rows: list[Row] = field(default_factory=list)
    _before: list[dict[str, Seen]] = field(default_factory=list)
    _orphans: list[psutil.Process] = field(default_factory=list)

    def run(self, kills: Sequence[tuple[Kind, Sequence[Damage]]]) -> list[Row]:
        """A row for each kill that hit. Raises nothing for what is wrong: that stands in the rows."""
        with self._around() as (scratch, host, facts):
            rng = Random(self.seed)
            address = ["--address", facts["address"]] if host else []
            left = list(kills)
            raylets = list(facts.get("raylets", []))
            while left:
                scene = Scene(self.root, self._start(scratch, address), rng, host, raylets)
                after = "lives"
                while left and after == "lives" and scene.alive():
                    after = self._strike(scene, *left.pop(0))
                if after != "dead" and self._finish(scene.process) != cli.DONE:
                    self._to_the_end(scratch, address)
            if not self._ended():
                self._to_the_end(scratch, address)
            self._judge()
        return self.rows

    def _start(self, scratch: Path, address: Sequence[str]) -> subprocess.Popen[str]:
        return processes.start([*self.command, *address], scratch=scratch, log=self.root.with_suffix(".log"))

    def _strike(self, scene: Scene, kind: Kind, damages: Sequence[Damage]) -> After:
        """Kill once; what it said becomes a row. Missed: the campaign ended before the moment came."""
        begun = time.monotonic()
        orphans = processes.family(scene.process.pid)
        killed = kind(scene)
        if not killed:
            return "missed"
        row = Row(self.name, killed, round(time.monotonic() - begun, 1), "")
        orphans = list({*orphans, *processes.family(scene.process.pid)})
        ends = kind.__name__ == "own_raylet" or killed.startswith("the campaign")
        if ends:
            with contextlib.suppress(subprocess.TimeoutExpired):
                scene.process.wait(timeout=120)
            if scene.alive():
                row.wrong.append("the campaign went on for 120 s without its Ray")
                processes.kill(processes.family(scene.process.pid)[:1])
                scene.process.wait()
        seen = look(self.root)
        finished = sum(trial.outcome is not None for trial in seen.values())
        running = {id: max(trial.lines, default=0) for id, trial in seen.items() if trial.outcome is None}
        row.stood = f"{finished} finished" + "".join(f", {id} at {at}" for id, at in running.items())
        if ends:
            if damages:  # by a living process nothing half written is left behind
                row.orphans_s = round(processes.gone(orphans, ORPHANS_S), 1)
            row.left = [said for damage in damages if (said := damage(self.root, scene.rng))]
            seen = look(self.root)
            self._orphans += orphans
        print(f"{self.name}: {killed}; {row.stood}; {row.left}", flush=True)
        self.rows.append(row)
        self._before.append(seen)
        return "dead" if ends else "lives"

    def _to_the_end(self, scratch: Path, address: Sequence[str]) -> None:
        """The same command, again where a busy machine did not let Ray start in time."""
        for _ in range(STARTS):
            if self._finish(self._start(scratch, address)) == cli.DONE:
                return
        said = self.root.with_suffix(".log").read_text()[-2000:]
        raise AssertionError(f"{self.name}: {STARTS} starts after {len(self.rows)} kills, Ray started in none\n{said}")

    def _finish(self, process: subprocess.Popen[str]) -> int:
        """Wait for its end: done, or without a cluster. Raises AssertionError for any other."""
        try:
            code = process.wait(timeout=FINISH_S)
        except subprocess.TimeoutExpired:
            code = None
            processes.kill(processes.family(process.pid))
            process.wait()
        if code in (cli.DONE, cli.ENVIRONMENT):
            return code
        said = self.root.with_suffix(".log").read_text()[-2000:]
        raise AssertionError(f"{self.name}: the same command ended with {code} after {len(self.rows)} kills\n{said}")

    def _ended(self) -> bool:
        seen = look(self.root)
        if not (self.root / "campaign.yaml").is_file():
            return False
        return (
            len(seen) == total(self.root)
            and all(trial.outcome for trial in seen.values())
            and (self.root / "trials.csv").is_file()
            and not check_whole(self.root, len(seen))
        )

    def _judge(self) -> None:
        after = look(self.root)
        for row, before in zip(self.rows, self._before, strict=True):
            row.wrong += compare(before, after)
            kept = sum(trial.outcome is not None for trial in before.values())
            parts = [f"{kept} finished unchanged"] if kept else []
            row.found = "; ".join(parts + went_on(before, after)) or "nothing was lost"

    @contextlib.contextmanager
    def _around(self) -> Iterator[tuple[Path, subprocess.Popen[str] | None, dict[str, object]]]:
        """Ray's files in a folder of their own, the cluster if one is asked for; at the end nothing that was started lives."""
        scratch = Path(tempfile.mkdtemp(prefix="tt_"))  # short: Ray's sockets lie under it
        host = None
        facts: dict[str, object] = {}
        self.root.mkdir(parents=True, exist_ok=True)  # to be watched from the first moment
        try:
            if self.cluster:
                command = [str(HOST), *map(str, self.cluster)]
                host = processes.start(command, scratch=scratch, log=self.root.with_suffix(".host.log"), stdin=True)
                assert host.stdout is not None
                facts = json.loads(host.stdout.readline())
            yield scratch, host, facts
        finally:
            if host is not None:
                family = processes.family(host.pid)
                assert host.stdin is not None
                host.stdin.close()
                processes.gone(family, ORPHANS_S)
                host.wait()
            processes.gone(self._orphans, ORPHANS_S)
            shutil.rmtree(scratch, ignore_errors=True)


def write_table(rows: Sequence[Row], path: Path) -> None:
    """As JSON lines, and beside it as a table in markdown."""
    path.with_suffix(".jsonl").write_text("".join(json.dumps(asdict(row)) + "\n" for row in rows))
    head = "| campaign | killed | moment | stood | left by hand | found |\n|---|---|---|---|---|---|\n"
    path.with_suffix(".md").write_text(head + "".join(_line(row) for row in rows))


def _line(row: Row) -> str:
    found = row.found if not row.wrong else "WRONG: " + "; ".join(row.wrong)
    cells = (row.campaign, row.killed, f"{row.at_s:g} s", row.stood, "; ".join(row.left) or "-", found)
    return "| " + " | ".join(cells) + " |\n"

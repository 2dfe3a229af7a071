"""The verb `status`: one screen about a campaign, from its folder alone. It asks no cluster, and works on another machine."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal

from ctt_ray import cli
from ctt_ray.tune import alive, fidelity, ledger, published, published_text, requests, results
from ctt_ray.tune.folder import Folder, Record
from ctt_ray.tune.opened import CampaignArgs, opened, say
from ctt_ray.tune.settings import Settings, current_total

State = Literal["running", "stopped", "finished", "not started"]
ENDS = ("complete", "pruned", "failed")
MOST = 12  # running trials that are listed, and collapsed ones


@dataclass(frozen=True)
class Best:
    """The best trial of those that came furthest: its score at that level, and what it was given."""

    trial: str
    iteration: int
    miou: float
    values: dict[str, Any]


@dataclass(frozen=True)
class Running:
    """A trial of a running campaign: its last report, None before the first."""

    trial: str
    iteration: int
    miou: float | None


@dataclass(frozen=True)
class Collapsed:
    """A trial whose last report says so, whether it was stopped for it or not."""

    trial: str
    state: str
    iteration: int
    why: str


@dataclass(frozen=True)
class Status:
    """What a campaign's folder says now. since: seconds since 1970, 0 if unknown · counts: trials by state."""

    campaign: str
    state: State
    since: float
    host: str
    pid: int
    why: str  # it was stopped, as far as it could say
    stop_asked: bool
    total: int
    counts: dict[str, int]
    iterations: int
    levels: list[fidelity.Level]
    best: Best | None
    rehearsal: bool
    hours: dict[str, Any] | None
    hours_said: str
    running: list[Running] = field(default_factory=list)
    collapsed: list[Collapsed] = field(default_factory=list)

    @property
    def finished(self) -> int:
        return sum(self.counts[kind] for kind in ENDS)

    @property
    def where(self) -> str:
        return f"process {self.pid} on {self.host}"


def look(folder: Folder, settings: Settings, now: float | None = None) -> Status:
    """Read the folder. now: seconds since 1970, the reader's clock unless given."""
    beat, records, total = alive.read(folder.root), folder.records(), current_total(folder, settings)
    state = _state(total, records, beat, time.time() if now is None else now)
    live = set(beat.live) if beat is not None and state == "running" else set()
    running = [record for record in records if record.outcome is None and record.id in live]
    kinds = Counter(results.state(record) for record in records)
    entries = ledger.of(folder)
    best = results.best(records, settings.levels)
    at = best and fidelity.standing(best, settings.levels)
    return Status(
        campaign=str(folder.root),
        state=state,
        since=_since(folder, beat, running=state == "running"),
        host=beat.host if beat else "",
        pid=beat.pid if beat else 0,
        why=_why(beat) if state == "stopped" else "",
        stop_asked=requests.stop_asked(folder),
        total=total,
        counts={
            **{kind: kinds[kind] for kind in ENDS},
            "running": len(running),
            "unfinished": kinds["unfinished"] - len(running),
        },
        iterations=settings.iterations,
        levels=fidelity.levels(records, settings.rungs, settings.iterations),
        best=Best(best.id, at.step, at.miou, best.issued.values) if best and at else None,
        rehearsal=settings.rehearsal,
        hours=asdict(ledger.total(entries)) if entries else None,
        hours_said=ledger.line(entries) if entries else "",
        running=[Running(record.id, record.iteration, fidelity.last(record)) for record in running],
        collapsed=[
            Collapsed(record.id, results.state(record), record.iteration, record.collapsed)
            for record in records
            if record.collapsed
        ],
    )


def status(argv: Sequence[str]) -> int:
    about = "Say how a campaign stands, from its folder alone: no cluster is asked, any machine that sees the folder will do."
    args = cli.parse(CampaignArgs, argv, prog="python -m ctt_ray.tune status", description=about)
    folder, settings = opened(args)
    found = look(folder, settings)
    table = published.summary(folder, folder.records(), settings)
    said = [*lines(found), *(["", published_text.markdown(table)] if table else [])]
    return say(args, "\n".join(said), **asdict(found), finished=found.finished, **({"recipe": table} if table else {}))


def lines(found: Status) -> list[str]:
    """The screen."""
    said = [_head(found)]
    if found.stop_asked and found.state == "running":
        said.append("            asked to stop: its trials save and leave")
    said.append(f"trials      {found.finished} of {found.total} finished{_kinds(found.counts)}")
    levels = "   ".join(f"{level.step}: {level.reached}" for level in found.levels)
    said.append(f"reached     {levels}   (iteration: trials with a score there)")
    if found.best is None:
        said.append("best        none yet")
    else:
        said.append(f"best        {_best(found.best, found.iterations)}")
    if found.hours_said:
        said.append(f"hours       {found.hours_said}")
    said += [_running(trial, found.iterations) for trial in found.running[:MOST]]
    if len(found.running) > MOST:
        said.append(f"            and {len(found.running) - MOST} more")
    said += [f"collapsed   {one.trial}  {one.state} at {one.iteration}: {one.why}" for one in found.collapsed[:MOST]]
    if len(found.collapsed) > MOST:
        said.append(f"            and {len(found.collapsed) - MOST} more")
    return said + (["            REHEARSAL on built-in data"] if found.rehearsal else [])


def _state(total: int, records: Sequence[Record], beat: alive.Alive | None, now: float) -> State:
    if beat is not None and beat.runs(now):
        return "running"
    if sum(record.outcome is not None for record in records) >= total:
        return "finished"
    return "stopped" if beat is not None or records else "not started"


def _since(folder: Folder, beat: alive.Alive | None, *, running: bool) -> float:
    """When it started, if it runs; else its last sign of life."""
    if beat is not None:
        return beat.started if running else beat.time
    return folder.log.stat().st_mtime if folder.log.is_file() else 0.0


def _why(beat: alive.Alive | None) -> str:
    if beat is None:
        return ""
    return beat.ended or "its process was killed or lost its machine: the heartbeat stopped"


def _head(found: Status) -> str:
    since = f" since {datetime.fromtimestamp(found.since).astimezone():%Y-%m-%d %H:%M:%S %Z}" if found.since else ""
    where = f", {found.where}" if found.state == "running" else ""
    why = f": {found.why}" if found.why else ""
    return f"{found.state:<11} {found.campaign}\n           {since}{where}{why}".rstrip()


def _kinds(counts: dict[str, int]) -> str:
    named = ", ".join(f"{count} {kind}" for kind, count in counts.items() if count)
    return f": {named}" if named else ""


def _best(best: Best, iterations: int) -> str:
    values = "  ".join(f"{name} {results.short(value)}" for name, value in best.values.items())
    return f"{best.trial}  mIoU {best.miou:.2f} at {best.iteration}/{iterations}\n            {values}"


def _running(trial: Running, iterations: int) -> str:
    score = "" if trial.miou is None else f"  mIoU {trial.miou:.2f}"
    return f"running     {trial.trial}  {trial.iteration}/{iterations}{score}"

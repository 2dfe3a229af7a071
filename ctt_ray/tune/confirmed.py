"""What a confirmation found, from its runs alone: means, intervals, paired differences, and a table of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.table import Table

from ctt_ray.tune import fidelity
from ctt_ray.tune.candidates import CANDIDATE, DEFAULTS, SEED, SUPERVISED, Candidate
from ctt_ray.tune.folder import Record
from ctt_ray.tune.statistics import LEVEL, Estimate, estimate, paired

REFERENCES = (DEFAULTS, SUPERVISED)
INTERVAL = f"Student's t, {LEVEL:.0%}, of the mean over seeds; differences are paired by seed"
FLATTERED = (
    "the search's mIoU is of one seed and other images, and the best of many: expect the confirmed one to be lower"
)
Runs = dict[str, dict[int, float]]  # candidate → seed → mIoU


def summary(known: Sequence[Candidate], records: Sequence[Record], iterations: int) -> dict[str, Any]:
    """The content of confirm.json about the candidates. A run that failed counts for nothing and is named."""
    runs = scores(known, records, iterations)
    return {
        "interval": INTERVAL,
        "level": LEVEL,
        "candidates": [_candidate(candidate, runs) for candidate in ordered(known)],
        "runs": [_run(record, iterations) for record in records],
        "notes": notes(known, records),
    }


def scores(known: Sequence[Candidate], records: Sequence[Record], iterations: int) -> Runs:
    """Every run that came to its end."""
    full = fidelity.at((r for r in records if r.outcome and r.outcome.state == "complete"), iterations)
    found: Runs = {candidate.name: {} for candidate in known}
    for record in records:
        if record.id in full:
            found[record.issued.params[CANDIDATE]][int(record.issued.params[SEED])] = full[record.id]
    return found


def ordered(known: Sequence[Candidate]) -> list[Candidate]:
    """As they are shown: the search's best by place, what an earlier start had asked for, the references."""
    return sorted(
        known, key=lambda c: (c.name in REFERENCES and not c.place, c.name == SUPERVISED, c.place or len(known))
    )


def notes(known: Sequence[Candidate], records: Sequence[Record]) -> list[str]:
    """What a reader has to be told beside the numbers."""
    said = [
        f"trial {candidate.trial}, number {candidate.place} of the search, is the {candidate.name} configuration: run once"
        for candidate in known
        if candidate.place and candidate.name in REFERENCES
    ]
    for record in records:
        if record.outcome and record.outcome.state == "failed":
            which = f"{record.issued.params[CANDIDATE]} with seed {record.issued.params[SEED]}"
            said.append(f"run {record.id} ({which}) failed and is left out: {record.outcome.reason}")
    if any(candidate.place for candidate in known):
        said.append(FLATTERED)
    return said


def as_table(found: Mapping[str, Any]) -> Table:
    """A summary for a terminal or a file."""
    images = f"{found['confirm']['images']} images of {found['confirm']['split']}"
    title = f"confirmed on {images}, after a search on {found['search']['split']}\n{found['interval']}"
    if found["rehearsal"]:
        title += "\nREHEARSAL on built-in data"
    table = Table(title=title, title_justify="left")
    table.add_column("candidate", no_wrap=True)
    for name in ("search mIoU", "seeds", "mIoU", "interval", *(f"minus {name}" for name in REFERENCES)):
        table.add_column(name, justify="right")
    for each in found["candidates"]:
        own = Estimate(each["count"], each["mean"], each["low"], each["high"])
        table.add_row(
            each["label"],
            number(each["search_miou"]),
            str(own.count),
            number(own.mean),
            ends(own),
            *(difference(each["minus"].get(name)) for name in REFERENCES),
        )
    return table


def difference(found: Mapping[str, Any] | None) -> str:
    """'+1.20 [+0.80, +1.60] better', or '-' for a candidate against itself."""
    if found is None or found["mean"] is None:
        return "-"
    interval = "" if found["low"] is None else f" [{found['low']:+.2f}, {found['high']:+.2f}]"
    return f"{found['mean']:+.2f}{interval}\n{found['verdict']}"


def number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def ends(found: Estimate) -> str:
    return "-" if found.low is None else f"[{number(found.low)}, {number(found.high)}]"


def _candidate(candidate: Candidate, runs: Runs) -> dict[str, Any]:
    own = runs[candidate.name]
    references = [name for name in REFERENCES if name in runs and name != candidate.name]
    return {
        "name": candidate.name,
        "label": candidate.label,
        "values": candidate.values,
        "trial": candidate.trial,
        "place": candidate.place,
        "search_miou": candidate.miou,
        **asdict(estimate([own[seed] for seed in sorted(own)])),
        "minus": {name: _difference(paired(own, runs[name])) for name in references},
    }


def _difference(found: Estimate) -> dict[str, Any]:
    return {**asdict(found), "verdict": found.verdict}


def _run(record: Record, iterations: int) -> dict[str, Any]:
    state = record.outcome.state if record.outcome else "unfinished"
    last = record.lines[-1] if record.lines else {}
    return {
        "run": record.id,
        "candidate": record.issued.params[CANDIDATE],
        "seed": int(record.issued.params[SEED]),
        "state": state,
        "miou": fidelity.score_at(record, iterations),
        "student_mean": last.get("miou/student_mean") if state == "complete" else None,
    }

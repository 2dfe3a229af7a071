"""What a campaign found: the ranking, trials.csv and best.yaml. Reads records alone: no cluster, no study."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

from rich.table import Table

from ctt_ray.cli import to_yaml
from ctt_ray.tune.folder import Folder, Record, write_text
from ctt_ray.tune.settings import Settings, applied

COLUMNS = ("trial", "state", "miou", "iteration", "iterations", "seconds", "rehearsal", "config_hash", "reason")
TOP = 10


def state(record: Record) -> str:
    return record.outcome.state if record.outcome else "unfinished"


def ranking(records: Sequence[Record]) -> list[Record]:
    """Those with a score that did not fail, furthest first, then best first: different lengths do not compare."""
    scored = [record for record in records if record.miou is not None and state(record) != "failed"]
    return sorted(scored, key=lambda record: (-record.iteration, -(record.miou or 0.0), record.id))


def best(records: Sequence[Record]) -> Record | None:
    """The best of those that came furthest, or None before the first report."""
    return next(iter(ranking(records)), None)


def row(record: Record, settings: Settings) -> dict[str, Any]:
    """A trial as one line of trials.csv: facts, then its parameters."""
    facts = {
        "trial": record.id,
        "state": state(record),
        "miou": None if state(record) == "failed" else record.miou,
        "iteration": record.iteration,
        "iterations": settings.iterations,
        "seconds": record.seconds,
        "rehearsal": str(settings.rehearsal).lower(),
        "config_hash": record.issued.config_hash,
        "reason": record.outcome.reason if record.outcome else "",
    }
    return {**facts, **record.issued.values}


def write(folder: Folder, records: Sequence[Record], settings: Settings) -> Record | None:
    """trials.csv of all trials and best.yaml of the best one, which is returned."""
    names = list(dict.fromkeys(name for record in records for name in record.issued.values))
    text = io.StringIO()
    table = csv.DictWriter(text, [*COLUMNS, *names], lineterminator="\n")
    table.writeheader()
    table.writerows(row(record, settings) for record in records)
    write_text(folder.table, text.getvalue())
    found = best(records)
    if found is not None:
        config = applied(settings.base, found.issued.values)
        reached = f"{found.iteration} of {settings.iterations} iterations"
        head = f"# trial {found.id} of {folder.root.name}: mIoU {found.miou:.2f} at {reached}"
        head += "; a rehearsal on built-in data\n" if settings.rehearsal else "\n"
        write_text(folder.best, head + to_yaml(config))
    return found


def as_table(records: Sequence[Record], settings: Settings) -> Table:
    """The top trials for a terminal or a file."""
    ranked = ranking(records)[:TOP]
    names = list(dict.fromkeys(name for record in ranked for name in record.issued.values))
    title = f"{len(ranked)} of {len(records)} trials, furthest and best first"
    table = Table(title=title + (" · REHEARSAL on built-in data" if settings.rehearsal else ""), title_justify="left")
    for name in ("trial", "mIoU", "iterations", "state"):
        table.add_column(name, justify="right" if name in ("mIoU", "iterations") else "left", no_wrap=True)
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    for record in ranked:
        reached = f"{record.iteration}/{settings.iterations}"
        table.add_row(
            record.id,
            f"{record.miou:.2f}",
            reached,
            state(record),
            *(short(record.issued.values.get(n)) for n in names),
        )
    return table


def short(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.3g}" if isinstance(value, float) else str(value)

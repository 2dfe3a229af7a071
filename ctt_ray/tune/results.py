"""What a campaign found: the ranking, trials.csv and best.yaml. Reads records alone: no cluster, no study."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

from rich.table import Table

from ctt_ray.cli import to_yaml
from ctt_ray.tune import fidelity, objectives, published
from ctt_ray.tune.folder import Folder, Record, write_text
from ctt_ray.tune.past import SAMPLED
from ctt_ray.tune.settings import Settings, applied

COLUMNS = (
    "trial",
    "state",
    "miou",
    "iteration",
    "iterations",
    "common_miou",
    "common_iteration",
    "seconds",
    "rehearsal",
    "config_hash",
    "reason",
)
TOP = 10


def state(record: Record) -> str:
    return record.outcome.state if record.outcome else "unfinished"


def ranking(records: Sequence[Record], steps: Sequence[int] = ()) -> list[Record]:
    """Those with a score that did not fail, by the highest of these steps that they reached, then by their score there:
    scores at different lengths do not compare. Without steps the last report counts."""
    found = [(fidelity.standing(record, steps), record) for record in records]
    ranked = sorted((-at.step, -at.miou, record.id, record) for at, record in found if at is not None)
    return [record for *_, record in ranked]


def best(records: Sequence[Record], steps: Sequence[int] = ()) -> Record | None:
    """The best of those that came furthest up these steps, or None before the first report."""
    return next(iter(ranking(records, steps)), None)


def common(records: Sequence[Record], settings: Settings) -> fidelity.Level | None:
    """The level that a column compares all trials at; None while none of them is reached."""
    return fidelity.common(fidelity.levels(records, settings.levels, settings.iterations))


def row(
    record: Record, settings: Settings, level: fidelity.Level | None = None, on_front: Sequence[Record] = ()
) -> dict[str, Any]:
    """A trial as one line of trials.csv: facts, configuration values, then what was sampled to another value or name.
    level: where all are compared · on_front: the trials of the Pareto front."""
    facts = {
        "trial": record.id,
        "state": state(record),
        "miou": fidelity.last(record),
        "iteration": record.iteration,
        "iterations": settings.iterations,
        "common_miou": None if level is None else fidelity.score_at(record, level.step),
        "common_iteration": None if level is None else level.step,
        "seconds": record.seconds,
        "rehearsal": str(settings.rehearsal).lower(),
        "config_hash": record.issued.config_hash,
        "reason": record.outcome.reason if record.outcome else "",
    }
    given = record.issued
    sampled = {SAMPLED + name: value for name, value in given.params.items() if given.values.get(name) != value}
    return {**facts, **objectives.columns(record, on_front, settings), **given.values, **sampled}


def rows(records: Sequence[Record], settings: Settings) -> list[dict[str, Any]]:
    """Every trial's line."""
    level = common(records, settings)
    on_front = objectives.front(records) if len(settings.objectives) > 1 else ()
    return [row(record, settings, level, on_front) for record in records]


def as_csv(records: Sequence[Record], settings: Settings) -> str:
    """A line a trial, a column a parameter that any of them has."""
    lines = rows(records, settings)
    text = io.StringIO()
    table = csv.DictWriter(
        text, list(dict.fromkeys([*COLUMNS, *(n for line in lines for n in line)])), lineterminator="\n"
    )
    table.writeheader()
    table.writerows(lines)
    return text.getvalue()


def write(folder: Folder, records: Sequence[Record], settings: Settings) -> Record | None:
    """trials.csv of all trials, best.yaml of the best one, which is returned, pareto.csv for two objectives, and recipe.md for a
    published table."""
    write_text(folder.table, as_csv(records, settings))
    objectives.write(folder, records, settings)
    published.write(folder, records, settings)
    found = best(records, settings.levels)
    if found is not None:
        config = applied(settings.base, found.issued.values)
        at = fidelity.standing(found, settings.levels)
        assert at is not None
        head = f"# trial {found.id} of {folder.root.name}: mIoU {at.miou:.2f} at {at.step} of {settings.iterations} iterations"
        head += "; a rehearsal on built-in data\n" if settings.rehearsal else "\n"
        if config.report.eval_split.startswith("labelled:"):
            head += f"# {config.report.eval_split} is scored and not trained on; --eval-split val trains on all labelled images\n"
        write_text(folder.best, head + to_yaml(config))
    return found


def as_table(records: Sequence[Record], settings: Settings, *, every: bool = False) -> Table:
    """The top trials for a terminal or a file: how far each came, its score there, and its score where all are compared.
    every: all of them, those that failed or have no score last."""
    ranked = ranking(records, settings.levels)
    ranked = ranked + [record for record in records if record not in ranked] if every else ranked[:TOP]
    level = common(records, settings)
    names = list(dict.fromkeys(name for record in ranked for name in record.issued.values))
    title = f"{len(ranked)} of {len(records)} trials, furthest and best first"
    table = Table(title=title + (" · REHEARSAL on built-in data" if settings.rehearsal else ""), title_justify="left")
    two = len(settings.objectives) > 1
    on_front = {record.id for record in objectives.front(records)} if two else set()
    facts = {
        "trial": "left",
        "mIoU": "right",
        "iterations": "right",
        f"at {level.step if level else 0}": "right",
        "state": "left",
        **({"cost": "right", "pareto": "left"} if two else {}),
    }
    for name, side in {**facts, **dict.fromkeys(names, "right")}.items():
        table.add_column(name, justify=side, no_wrap=True)  # type: ignore[arg-type]
    for record in ranked:
        there = None if level is None else fidelity.score_at(record, level.step)
        cells = [
            record.id,
            number(record.miou),
            f"{record.iteration}/{settings.iterations}",
            number(there),
            state(record) + (", collapsed" if record.collapsed else ""),
            *((f"{objectives.cost(record):.0f} s", "*" if record.id in on_front else "") if two else ()),
        ]
        table.add_row(*cells, *(short(record.issued.values.get(name)) for name in names))
    return table


def number(score: float | None) -> str:
    return "-" if score is None else f"{score:.2f}"


def short(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.3g}" if isinstance(value, float) else str(value)

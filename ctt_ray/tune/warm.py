"""Warm start: what an earlier campaign, or a table, gives to this one. Rows that do not fit are left out and named.

A row fits if it ended at this campaign's length, has every parameter that the space asks for inside its range, and leads
to the configuration values that it is said to have.
"""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ctt_ray.config import ConfigError
from ctt_ray.tune import objectives, past
from ctt_ray.tune.folder import Folder
from ctt_ray.tune.past import SAMPLED, Past, Warm
from ctt_ray.tune.settings import Settings, differing, load
from tune_spaces import Axis, Space, SpaceError, walk

NEEDED = ("miou", "iteration")  # columns of a table


class Misfit(Exception):
    """Why a row is left out."""


@dataclass(frozen=True)
class Row:
    """One trial of the earlier campaign. cells: parameters and values by name, as text or as they are."""

    source: str
    state: str
    iteration: int
    miou: float
    cost: float | None
    cells: Mapping[str, Any]


def start(source: Path | None, folder: Folder, space: Space, settings: Settings, *, issued: bool) -> Warm | None:
    """What this campaign starts from: what it took when it began, else the fitting rows of `source`; None without one.

    Raises ConfigError for a source that cannot be read, and for another one than the campaign began with.
    """
    kept = past.load(folder)
    if source is None or (kept is not None and kept.source == str(source.resolve())):
        return kept
    if kept is not None or issued:
        began = f"from {kept.source}" if kept else "without one"
        raise ConfigError(f"--warm-from {source}: the campaign in {folder.root} began {began}; use another --name")
    return taken(source.resolve(), space, settings)


def taken(source: Path, space: Space, settings: Settings) -> Warm:
    """The rows of `source` that fit, and why the others do not. Raises ConfigError if it is no campaign and no table."""
    trials, misfits = [], Counter[str]()
    for row in rows(source):
        try:
            trials.append(fitting(row, space, settings))
        except Misfit as error:
            misfits[str(error)] += 1
    said = [f"{count} left out: {why}" for why, count in misfits.most_common()]
    if other := _other_base(source, settings):
        said.append(f"its trials were trained otherwise ({other}): their scores may not compare")
    return Warm(str(source), tuple(trials), tuple(said))


def rows(source: Path) -> Iterator[Row]:
    """The trials of a campaign's folder or of a table. Raises ConfigError for anything else."""
    if source.is_dir():
        records = Folder(source).records()
        if not records:
            raise ConfigError(f"--warm-from {source}: no trials there; name a campaign's folder or a CSV file")
        for record in records:
            ended = record.outcome.state if record.outcome else "unfinished"
            miou = math.nan if record.miou is None else record.miou
            cells = {**record.issued.values, **{SAMPLED + k: v for k, v in record.issued.params.items()}}
            yield Row(f"{source.name}/{record.id}", ended, record.iteration, miou, objectives.cost(record), cells)
    elif source.is_file():
        yield from _table(source)
    else:
        raise ConfigError(f"--warm-from {source}: there is no such folder or file")


def fitting(row: Row, space: Space, settings: Settings) -> Past:
    """The row as a trial of this space. Raises Misfit, naming the column, if it is none."""
    if row.state != "complete":
        raise Misfit("failed" if row.state == "failed" else "stopped early or unfinished")
    if row.iteration != settings.iterations:
        raise Misfit(f"'iteration' is {row.iteration}, this campaign's trials have {settings.iterations}")
    if not math.isfinite(row.miou):
        raise Misfit("'miou' is no number")
    if "cost" in settings.objectives and row.cost is None:
        raise Misfit("'cost' is missing, and it is an objective")
    path = walk.answered(space.suggest, lambda axis: _cell(row.cells, axis))
    try:
        space.values(path.params)
    except SpaceError as error:
        raise Misfit(str(error)) from None
    for name, value in path.values.items():
        there = row.cells.get(name, "")
        if there != "" and name not in path.params and not _same(value, there):
            raise Misfit(f"'{name}' would be {value}, there it was {there}")
    return Past(row.source, path.params, row.miou, row.cost)


def _cell(cells: Mapping[str, Any], axis: Axis) -> Any:
    """The parameter's value in this row. Raises Misfit if there is none, or it is not of the axis' kind."""
    found = next((cells[key] for key in (SAMPLED + axis.name, axis.name) if cells.get(key, "") != ""), None)
    if found is None:
        raise Misfit(f"parameter '{axis.name}' is missing")
    if axis.choices:
        chosen = next((choice for choice in axis.choices if _same(choice, found)), None)
        if chosen is None:
            raise Misfit(f"parameter '{axis.name}' is {found}, not one of {', '.join(map(str, axis.choices))}")
        return chosen
    number = _number(found)
    if number is None:
        raise Misfit(f"parameter '{axis.name}' is '{found}', no number")
    assert axis.low is not None and axis.high is not None
    if not axis.low <= number <= axis.high:
        raise Misfit(f"parameter '{axis.name}' is outside {axis.low:g} … {axis.high:g}")
    if axis.whole and number != int(number):
        raise Misfit(f"parameter '{axis.name}' is {number:g}, not a whole number")
    return int(number) if axis.whole else number


def _same(one: object, other: object) -> bool:
    """Equal as text or as numbers, for tables write 32 as 32.0."""
    left, right = _number(one), _number(other)
    if left is not None and right is not None:
        return math.isclose(left, right, rel_tol=1e-9)
    return str(one) == str(other)


def _number(cell: object) -> float | None:
    try:
        return float(cell)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None


def _table(source: Path) -> Iterator[Row]:
    try:
        with source.open(newline="") as lines:
            found = list(csv.DictReader(lines, restval=""))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"--warm-from {source}: {error}") from None
    if missing := [name for name in NEEDED if not found or name not in found[0]]:
        raise ConfigError(f"--warm-from {source}: no column {', '.join(missing)}; a table needs {', '.join(NEEDED)}")
    for number, cells in enumerate(found):
        ended = cells.get("state") or "complete"
        miou, at = _number(cells["miou"]), _number(cells["iteration"])
        name = f"{source.name}/{cells.get('trial') or number}"
        yield Row(name, ended, int(at or 0), math.nan if miou is None else miou, _number(cells.get("cost")), cells)


def _other_base(source: Path, settings: Settings) -> str:
    """Names of the base configuration's values in which the earlier campaign differs; nothing for a table."""
    try:
        before = load(Folder(source)) if source.is_dir() else None
    except (ConfigError, ValueError, KeyError):
        return "its campaign.yaml cannot be read"
    return ", ".join(differing(before, settings)) if before else ""

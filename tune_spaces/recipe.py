"""A published table as a space: its rows are the only points there are, each with the figure that the paper prints.

A recipe searches nothing. `suggest` asks for a row and a seed and returns the row's configuration values, so a campaign
runs it with the machinery of any other. Standard library only.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from tune_spaces.axis import Value
from tune_spaces.space import Fidelity, Space, SpaceError, Trial

ROW, SEED = "row", "seed"  # the two parameters of every recipe
ALL = "all"  # the split in which every training image is labelled
FIDELITY = Fidelity(reports=40)
SEEDS = 3
Network = Literal["student", "teacher", "ensemble"]
MOST_SEED = 2**31 - 1


@dataclass(frozen=True)
class Row:
    """One cell of a published table.

    at: its place, axis → choice, what --only filters by · split: labelled split that it trains on · values: of the
    configuration, over the recipe's base · figure: the paper's mIoU in per cent, None where it gives none · full: what the
    paper gives for the same method with all labels · note: about this figure alone · network: whose score it is, the
    recipe's unless it says so.
    """

    label: str
    at: Mapping[str, str]
    split: str
    values: Mapping[str, Any]
    figure: float | None
    full: float | None = None
    note: str = ""
    network: Network | None = None

    @property
    def key(self) -> str:
        return " ".join(self.at.values())


@dataclass(frozen=True)
class Pool:
    """Size of the paper's data set: images to train and to score on, classes."""

    train: int
    val: int
    classes: int


@dataclass(frozen=True)
class Labels:
    """A labelled split. count: its images · published: which list the paper has it from, empty if it was drawn."""

    count: int
    published: str = ""

    def command(self, data: str, name: str) -> str:
        """What makes it."""
        if self.published:
            return f"python -m data_prep split {data} --ids FILE --labelled {self.count} --name {name}"
        return f"python -m data_prep split {data} --labelled {self.count} --name {name}"


@dataclass(frozen=True)
class Recipe:
    """base: the protocol as configuration values · splits: every labelled split that a row names, but `all` · reference: the
    place of the row that others are compared with, as far as it differs from theirs · network: whose mIoU the paper gives ·
    apart: field → what the paper has there and `base` cannot, so that no run compares · notes: to be read with the figures.
    """

    title: str
    source: str
    base: Mapping[str, Any]
    pool: Pool
    rows: tuple[Row, ...]
    splits: Mapping[str, Labels]
    reference: Mapping[str, str] = field(default_factory=dict)
    network: Network = "student"
    apart: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    given: frozenset[str] = frozenset()  # values that the user gives for all rows, over the rows' own

    def row(self, key: str) -> Row:
        return next(row for row in self.rows if row.key == key)

    def suggest(self, trial: Trial) -> dict[str, Any]:
        row = self.row(trial.suggest_categorical(ROW, tuple(row.key for row in self.rows)))
        return {**self.values(row), SEED: trial.suggest_int(SEED, 0, MOST_SEED)}

    def values(self, row: Row) -> dict[str, Any]:
        """What the row lays over the base: its split too, where rows have different ones."""
        own = {**({"labelled": row.split} if self._splits_vary else {}), **row.values}
        return {name: value for name, value in own.items() if name not in self.given}

    def points(self, rows: Iterable[Row], seeds: Sequence[int]) -> tuple[dict[str, Value], ...]:
        """Every row with every seed, seed by seed: the first seed's table is whole before the second begins."""
        keys = [row.key for row in rows]
        return tuple({ROW: key, SEED: seed} for seed in seeds for key in keys)

    def only(self, wanted: Mapping[str, Collection[str]]) -> list[Row]:
        """The rows whose place has one of the wanted choices on every axis named. Raises SpaceError for what no row has."""
        for axis, choices in wanted.items():
            known = list(dict.fromkeys(row.at[axis] for row in self.rows if axis in row.at))
            if not known:
                axes = ", ".join(dict.fromkeys(axis for row in self.rows for axis in row.at))
                raise SpaceError(f"no row has '{axis}'; rows are told apart by {axes}")
            if unknown := sorted(set(choices) - set(known)):
                raise SpaceError(f"no row has {axis} = {', '.join(unknown)}; there are {', '.join(known)}")
        found = [row for row in self.rows if all(row.at[axis] in choices for axis, choices in wanted.items())]
        if not found:
            raise SpaceError("no row has all of that at once; `python -m tune_spaces recipes/NAME` lists them")
        return found

    def space(self, name: str, about: str) -> Space:
        labelled = ALL if self._splits_vary else self.rows[0].split
        points = self.points(self.rows, range(SEEDS))
        base = {**self.base, "labelled": labelled}
        return Space(name, about, base, self.suggest, points, FIDELITY, trials=len(points), recipe=self)

    @property
    def _splits_vary(self) -> bool:
        return len({row.split for row in self.rows}) > 1


@dataclass(frozen=True)
class Column:
    """A column of a table of methods: what --only calls it, its labelled split and how many images that has."""

    name: str
    split: str
    count: int


@dataclass(frozen=True)
class Line:
    """A line of a table of methods: the paper's name, its values (with `method`), figures a column, and with all labels."""

    label: str
    values: Mapping[str, Any]
    figures: Sequence[float | None]
    full: float | None = None


def crossed(lines: Sequence[Line], columns: Sequence[Column]) -> tuple[Row, ...]:
    """Methods by labelled counts, line by line; a cell that the paper leaves empty is a row without a figure."""
    return tuple(
        Row(
            f"{line.label} · {column.name} ({column.count})",
            {"method": line.values["method"], "labelled": column.name},
            column.split,
            line.values,
            figure,
            line.full,
        )
        for line in lines
        for column, figure in zip(columns, line.figures, strict=True)
    )


def noted(rows: Sequence[Row], notes: Mapping[str, str]) -> tuple[Row, ...]:
    """The rows, those of these keys with a note."""
    assert notes.keys() <= {row.key for row in rows}
    return tuple(replace(row, note=notes.get(row.key, row.note)) for row in rows)

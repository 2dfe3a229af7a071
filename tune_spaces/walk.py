"""Walking through a define-by-run space without a sampler: every combination, the axes, what is computed from what.

`suggest` is called again and again with answers that follow a counter, so conditions of any depth are met where the
space itself meets them. Standard library only.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from tune_spaces.axis import Axis, Value

LIMIT = 20_000  # combinations of choices that are looked at to learn what a space looks like
LOOKED_AT = 100  # of these, those in which parameters are moved to see what follows from them


class Asks(Protocol):
    """What `suggest` may ask: Optuna's three calls."""

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float: ...
    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int: ...
    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any: ...


Suggest = Callable[[Any], Mapping[str, Any]]


@dataclass
class Path:
    """One way through a space: the parameters in the order they were asked, and the values that follow."""

    axes: dict[str, Axis] = field(default_factory=dict)
    params: dict[str, Value] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)


class Answers:
    """A trial whose answers come from one function of the axis; a name that is asked twice gets the same answer."""

    def __init__(self, answer: Callable[[Axis], Value]) -> None:
        self.path = Path()
        self._answer = answer

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        return float(self._of(Axis(name, float(low), float(high), log, step=step)))

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        return int(self._of(Axis(name, low, high, log, step=step, whole=True)))

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        return self._of(Axis(name, choices=tuple(choices)))

    def _of(self, axis: Axis) -> Any:
        if axis.name not in self.path.params:
            self.path.axes[axis.name] = axis
            self.path.params[axis.name] = self._answer(axis)
        return self.path.params[axis.name]


def answered(suggest: Suggest, answer: Callable[[Axis], Value]) -> Path:
    """The path that these answers take."""
    trial = Answers(answer)
    values = suggest(trial)
    trial.path.values = dict(values)
    return trial.path


def every(suggest: Suggest, options: Callable[[Axis], Sequence[Value]]) -> Iterator[Path]:
    """Every path, each parameter with each of its options; the last one asked changes first."""
    turns: list[int] = []
    while True:
        taken: list[tuple[int, int]] = []  # option, of how many

        def answer(axis: Axis, turns: list[int] = turns, taken: list[tuple[int, int]] = taken) -> Value:
            offered = options(axis)
            taken.append((turns[len(taken)] if len(taken) < len(turns) else 0, len(offered)))
            return offered[taken[-1][0]]

        yield answered(suggest, answer)
        while taken and taken[-1][0] + 1 == taken[-1][1]:
            taken.pop()
        if not taken:
            return
        turns = [turn for turn, _ in taken[:-1]] + [taken[-1][0] + 1]


def branches(suggest: Suggest) -> list[Path]:
    """Every combination of choices, numbers at their lower ends."""
    return list(itertools.islice(every(suggest, lambda axis: axis.choices or (axis.level(0.0),)), LIMIT))


def axes(paths: Sequence[Path]) -> list[Axis]:
    """Each parameter with the choices that it depends on; one that has other ranges elsewhere is there once for each."""
    where: dict[Axis, set[int]] = {}
    for number, path in enumerate(paths):
        for axis in path.axes.values():
            where.setdefault(axis, set()).add(number)
    return [axis.under(_when(numbers, paths)) for axis, numbers in where.items()]


def _when(present: set[int], paths: Sequence[Path]) -> str:
    """The choices that these paths, and as far as can be said no others, have in common."""
    shared = [name for name, axis in paths[min(present)].axes.items() if axis.choices]
    conditions: dict[str, set[Value]] = {}
    for name in shared:
        allowed = {paths[number].params.get(name) for number in present}
        possible = {path.params[name] for path in paths if name in path.params}
        if None not in allowed and allowed != possible:
            conditions[name] = {value for value in allowed if value is not None}
    for name in list(conditions):  # a condition that the others imply is not said
        rest = {other: allowed for other, allowed in conditions.items() if other != name}
        if _meeting(rest, paths) == _meeting(conditions, paths):
            conditions = rest
    text = " and ".join(f"{name} = {_choices(name, allowed, paths)}" for name, allowed in conditions.items())
    if _meeting(conditions, paths) == present:
        return text
    return f"{text}, sometimes" if text else "sometimes"


def _meeting(conditions: Mapping[str, set[Value]], paths: Sequence[Path]) -> set[int]:
    return {
        number
        for number, path in enumerate(paths)
        if all(path.params.get(name) in allowed for name, allowed in conditions.items())
    }


def _choices(name: str, allowed: set[Value], paths: Sequence[Path]) -> str:
    offered = next(path.axes[name].choices for path in paths if name in path.axes)
    return " | ".join(str(choice) for choice in offered if choice in allowed)


@dataclass(frozen=True)
class Derived:
    """A configuration value that is computed: from which parameters; from none if it is always the same."""

    name: str
    sources: tuple[str, ...]


def derived(suggest: Suggest, paths: Sequence[Path]) -> list[Derived]:
    """The values that are not simply a parameter's, found by moving one parameter at a time and looking what follows."""
    sources: dict[str, dict[str, None]] = {}
    computed: dict[str, None] = {}
    for path, level in itertools.product(paths[:LOOKED_AT], (0.25, 0.6)):
        here = answered(suggest, lambda axis, p=path, at=level: p.params[axis.name] if axis.choices else axis.level(at))  # type: ignore[misc]
        computed |= {name: None for name, value in here.values.items() if here.params.get(name) != value}
        for moved in here.axes.values():
            for there in _moved(suggest, here, moved):
                for name in here.values.keys() & there.values.keys():
                    if here.values[name] != there.values[name]:
                        sources.setdefault(name, {})[moved.name] = None
    order = {name: None for path in paths for name in path.values}
    asked = list({name: None for path in paths for name in path.params})
    return [Derived(name, tuple(sorted(sources.get(name, ()), key=asked.index))) for name in order if name in computed]


def _moved(suggest: Suggest, here: Path, moved: Axis) -> Iterator[Path]:
    """The same path with one parameter elsewhere."""
    for value in moved.choices or (moved.level(0.9),):
        if value != here.params[moved.name]:
            answers = {**here.params, moved.name: value}
            yield answered(
                suggest,
                lambda axis, known=answers: known.get(axis.name, axis.choices[0] if axis.choices else axis.low),  # type: ignore[misc]
            )

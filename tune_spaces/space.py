"""What a space is, and two ways to ask its `suggest` without a sampler: for a point's values, for a picture of itself.

`suggest(trial)` is define-by-run: it calls the trial's suggest_float, suggest_int and suggest_categorical as Optuna's
with the space's own parameter names and returns the configuration values that follow. Standard library only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

Value = float | int | str | bool
Params = Mapping[str, Value]


class SpaceError(ValueError):
    """A space that cannot be used; says what is wrong and what to do."""


class Trial(Protocol):
    """What `suggest` may ask."""

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float: ...
    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int: ...
    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any: ...


@dataclass(frozen=True)
class Fidelity:
    """The ladder. A full run reports `reports` times; it may be stopped early after `grace` reports, then
    grace·reduction, grace·reduction², …; at each of these rungs about one trial in `reduction` goes on."""

    reports: int
    grace: int = 1
    reduction: int = 4

    def __post_init__(self) -> None:
        if not (self.reports >= 1 and 1 <= self.grace <= self.reports and self.reduction >= 2):
            raise SpaceError(
                f"FIDELITY reports {self.reports}, grace {self.grace}, reduction {self.reduction}: "
                "use reports >= grace >= 1 and reduction >= 2"
            )

    def report_every(self, iterations: int) -> int:
        """Steps between two reports of a run of `iterations` steps."""
        return max(1, iterations // self.reports)

    def rungs(self, iterations: int, report_every: int) -> list[int]:
        """Iterations at which a trial may be stopped, ascending; the full length is not one of them."""
        found, rung = [], self.grace * report_every
        while rung < iterations:
            found.append(rung)
            rung *= self.reduction
        return found


@dataclass(frozen=True)
class Axis:
    """One parameter of a space; `when` names the choice that it depends on, if any."""

    name: str
    low: float | None = None
    high: float | None = None
    log: bool = False
    choices: tuple[Value, ...] = ()
    when: str = ""

    def describe(self) -> str:
        if self.choices:
            return " | ".join(str(choice) for choice in self.choices)
        return f"{self.low:g} … {self.high:g}" + (" log" if self.log else "")


@dataclass(frozen=True)
class Space:
    """A search space. base: configuration values by their own names · points: parameters tried first, in order ·
    trials: how many a campaign has unless told otherwise."""

    name: str
    about: str
    base: Mapping[str, Any]
    suggest: Callable[[Trial], dict[str, Any]]
    points: tuple[Params, ...]
    fidelity: Fidelity
    trials: int = 16

    def values(self, params: Params) -> dict[str, Any]:
        """The configuration values of these parameters. Raises SpaceError for a missing one or one out of range."""
        return self.suggest(Given(params))

    def axes(self) -> list[Axis]:
        """Every parameter, those behind a condition too."""
        return list(_explore(self.suggest, {}).values())


class Given:
    """Answers with given parameters and checks them."""

    def __init__(self, params: Params) -> None:
        self._params = params

    def _of(self, name: str) -> Any:
        if name not in self._params:
            raise SpaceError(f"parameter '{name}' is missing; there are {', '.join(self._params)}")
        return self._params[name]

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        value = float(self._of(name))
        if not low <= value <= high:
            raise SpaceError(f"parameter '{name}' is {value:g}, outside {low:g} … {high:g}")
        return value

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        value = self._of(name)
        if int(value) != value or not low <= value <= high:
            raise SpaceError(f"parameter '{name}' is {value}, not a whole number in {low} … {high}")
        return int(value)

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        value = self._of(name)
        if value not in choices:
            raise SpaceError(f"parameter '{name}' is {value!r}, not one of {list(choices)}")
        return value


class Recorder:
    """Notes what is asked; answers with the pinned choice, else the first choice or the lower end."""

    def __init__(self, pinned: Mapping[str, Any]) -> None:
        self.axes: dict[str, Axis] = {}
        self._pinned = pinned

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        self.axes[name] = Axis(name, float(low), float(high), log)
        return float(low)

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        self.axes[name] = Axis(name, low, high, log)
        return low

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        self.axes[name] = Axis(name, choices=tuple(choices))
        return self._pinned.get(name, choices[0])


def _asked(suggest: Callable[[Trial], Any], pinned: Mapping[str, Any]) -> dict[str, Axis]:
    recorder = Recorder(pinned)
    suggest(recorder)
    return recorder.axes


def _explore(
    suggest: Callable[[Trial], Any], pinned: Mapping[str, Any], known: frozenset[str] = frozenset()
) -> dict[str, Axis]:
    """Axes under the pinned choices that are not `known`, and those that only another choice of one of them shows."""
    found = {name: axis for name, axis in _asked(suggest, pinned).items() if name not in known}
    for axis in list(found.values()):
        branches = {choice: _asked(suggest, {**pinned, axis.name: choice}) for choice in axis.choices}
        for name in {name: None for branch in branches.values() for name in branch if name not in known}:
            where = [choice for choice, branch in branches.items() if name in branch]
            if len(where) == len(branches):
                continue
            new = name not in found
            found[name] = replace(branches[where[0]][name], when=f"{axis.name} = {' | '.join(map(str, where))}")
            if new and found[name].choices:
                behind = _explore(suggest, {**pinned, axis.name: where[0]}, known | (frozenset(found) - {name}))
                found |= {other: deeper for other, deeper in behind.items() if other not in found}
    return found

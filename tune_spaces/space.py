"""What a space is, and how its `suggest` is asked without a sampler: for a point's values, for a picture of itself.

`suggest(trial)` is define-by-run: it calls the trial's suggest_float, suggest_int and suggest_categorical as Optuna's
with the space's own parameter names and returns the configuration values that follow. Standard library only.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tune_spaces import walk
from tune_spaces.axis import Axis, Value

if TYPE_CHECKING:
    from tune_spaces.recipe import Recipe

Params = Mapping[str, Value]
GRID_LIMIT = 100_000


class SpaceError(ValueError):
    """A space that cannot be used; says what is wrong and what to do."""


Trial = walk.Asks  # what `suggest` may ask


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
class Space:
    """A search space. base: configuration values by their own names · points: parameters tried first, in order ·
    trials: how many a campaign has unless told otherwise · recipe: the published table that it is, if it is one: its
    points are then all there is."""

    name: str
    about: str
    base: Mapping[str, Any]
    suggest: Callable[[Trial], dict[str, Any]]
    points: tuple[Params, ...]
    fidelity: Fidelity
    trials: int = 16
    recipe: Recipe | None = None

    def values(self, params: Params) -> dict[str, Any]:
        """The configuration values of these parameters. Raises SpaceError for a missing one or one out of range."""
        return self.suggest(Given(params))

    def axes(self) -> list[Axis]:
        """Every parameter, those behind conditions too."""
        return walk.axes(walk.branches(self.suggest))

    def derived(self) -> list[walk.Derived]:
        """The configuration values that are computed from parameters, not searched themselves."""
        return walk.derived(self.suggest, walk.branches(self.suggest))

    def grid(self, levels: int) -> list[dict[str, Value]]:
        """Every combination of choices and of `levels` values a range. Raises SpaceError beyond GRID_LIMIT."""
        found = itertools.islice(walk.every(self.suggest, lambda axis: axis.levels(levels)), GRID_LIMIT + 1)
        points = [path.params for path in found]
        if len(points) > GRID_LIMIT:
            raise SpaceError(
                f"the grid of space '{self.name}' with {levels} levels a range has more than {GRID_LIMIT:,} points; "
                "use fewer levels, a smaller space, or another sampler"
            )
        return points


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

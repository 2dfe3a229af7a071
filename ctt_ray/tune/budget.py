"""A campaign's budget in device hours, counted over every attempt of every start, running ones included."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ctt_ray.config import ConfigError
from ctt_ray.tune import attempts as attempts_of
from ctt_ray.tune.attempts import Unit
from ctt_ray.tune.board import Board
from ctt_ray.tune.folder import Folder

FORM = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*(gpuh|cpuh)")
COUNT_EVERY_S = 1.0


@dataclass(frozen=True)
class Budget:
    hours: float
    unit: Unit

    def __str__(self) -> str:
        return f"{self.hours:g} {self.unit}"


def parse(text: str) -> Budget | None:
    """'12gpuh', '8cpuh', '1.5gpuh' → Budget; '' → None. Raises ConfigError for anything else, and for nothing at all."""
    if not text:
        return None
    found = FORM.fullmatch(text.strip().lower())
    if found is None or not float(found[1]) > 0:
        raise ConfigError(
            f"--budget {text}: write device hours above 0 with their kind, for example --budget 12gpuh or --budget 8cpuh"
        )
    return Budget(float(found[1]), "gpuh" if found[2] == "gpuh" else "cpuh")


def check(budget: Budget | None, *, gpus: float) -> None:
    """Raises ConfigError for a budget in hours of GPUs that no trial uses: it would never end."""
    if budget is not None and budget.unit == "gpuh" and not gpus:
        raise ConfigError(f"--budget {budget}: a trial of this campaign takes no GPU; give the budget in cpuh")


def used(folder: Folder, unit: Unit, now: float | None = None) -> float:
    """Device hours of every attempt at every trial."""
    now = time.time() if now is None else now
    trials = [path.parent for path in folder.trials.glob(f"*/{attempts_of.ATTEMPTS}")]
    return math.fsum(_used(attempts_of.read(trial), unit, now) for trial in trials)


def exhausted(budget: Budget | None, spent: float) -> str:
    """Why the campaign must not go on, or nothing."""
    if budget is None or spent < budget.hours:
        return ""
    return f"the budget is used up, {spent:.4g} of {budget} (a larger --budget goes on)"


def forecast(budget: Budget, spent: float, *, hours: float | None, devices: float) -> str:
    """The budget against what is left to do. hours: trial-hours that are forecast, if known · devices: of one trial."""
    said = f"budget     {budget}: {spent:.2f} used, {max(0.0, budget.hours - spent):.2f} left"
    if hours is None:
        return said
    need = hours * devices
    enough = "enough" if spent + need <= budget.hours else "NOT enough: the campaign will stop before its end"
    return f"{said}; the forecast needs {hours:.2f} trial-hours x {devices:g} = {need:.2f} {budget.unit}, {enough}"


class Spending:
    """Watches a running campaign's budget: reads the files of finished trials once, of the others every second."""

    def __init__(self, budget: Budget, board: Board, clock: Callable[[], float] = time.time) -> None:
        self.budget = budget
        self.board = board
        self._clock = clock
        self._ended: dict[str, float] = {}
        self._next = -math.inf
        self._why = ""

    def __call__(self) -> str:
        """Why to stop, or nothing."""
        now = self._clock()
        if now >= self._next:
            self._next = now + COUNT_EVERY_S
            self._why = exhausted(self.budget, self._count(now))
        return self._why

    def _count(self, now: float) -> float:
        spent = 0.0
        for record in self.board.records:
            if record.id in self._ended:
                spent += self._ended[record.id]
                continue
            attempts = attempts_of.read(self.board.folder.trial(record.id))
            hours = _used(attempts, self.budget.unit, now)
            if record.outcome is not None and all(attempt.how for attempt in attempts):
                self._ended[record.id] = hours
            spent += hours
        return spent


def _used(attempts: Sequence[attempts_of.Attempt], unit: Unit, now: float) -> float:
    return math.fsum(attempt.device_hours(unit, now) for attempt in attempts)

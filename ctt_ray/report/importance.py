"""How much of the spread of the scores each searched parameter explains, at one level of the ladder; never from mixed lengths.

fANOVA (Hutter et al. 2014) on a study in memory that holds the trials' scores at that step. Distributions are read off the
values that were tried, for the space's own file may be elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ctt_ray.tune import fidelity
from ctt_ray.tune.folder import Record

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

LEAST = fidelity.ENOUGH  # trials; fewer are not ranked
FOLDS = 12  # times that some trials are left out, to see how far the shares move
LOG_FROM = 30.0  # largest by smallest value from which a parameter counts as searched on a log scale


@dataclass(frozen=True)
class Importances:
    """weights: parameter → share, largest first, summing to 1; empty with `refused`, which says why. low, high: the least and
    most it gets when a twelfth of the trials is left out (one, if there are no more than that). left_out: parameters that
    only some of the trials have."""

    step: int
    trials: int
    weights: dict[str, float]
    low: dict[str, float]
    high: dict[str, float]
    left_out: tuple[str, ...] = ()
    refused: str = ""


def importances(records: Sequence[Record], ladder: Sequence[fidelity.Level], step: int | None = None) -> Importances:
    """At `step`, or at the highest level that LEAST trials reached. Refuses fewer, and scores that are all the same."""
    level = fidelity.common(ladder) if step is None else fidelity.Level(step, len(fidelity.at(records, step)))
    if level is None or level.reached < LEAST:
        found = f"{level.reached} reached {level.step}" if level else "none reached any"
        return refusal(level, f"fewer than {LEAST} trials have a score at one level of the ladder: {found}")
    scores = fidelity.at(records, level.step)
    if len(set(scores.values())) == 1:
        return refusal(level, f"all {level.reached} trials have the same score at {level.step}")
    params = {record.id: record.issued.params for record in records if record.id in scores}
    names, left_out = _common(list(params.values()))
    if len(names) < 2:
        return refusal(level, "fewer than two parameters vary over all of these trials")
    points = [({name: params[id][name] for name in names}, score) for id, score in scores.items()]
    weights = _weights(points)
    folds = min(FOLDS, len(points))
    without = [_weights([p for i, p in enumerate(points) if i % folds != fold]) for fold in range(folds)]
    order = sorted(weights, key=lambda name: -weights[name])
    return Importances(
        step=level.step,
        trials=level.reached,
        weights={name: weights[name] for name in order},
        low={name: min([weights[name], *(each[name] for each in without)]) for name in order},
        high={name: max([weights[name], *(each[name] for each in without)]) for name in order},
        left_out=left_out,
    )


def is_log(values: Sequence[Any]) -> bool:
    """Whether these values of a parameter are spread over orders of magnitude."""
    numbers = [float(value) for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    return len(numbers) == len(values) > 0 and min(numbers) > 0 and max(numbers) / min(numbers) >= LOG_FROM


def refusal(level: fidelity.Level | None, why: str) -> Importances:
    return Importances(level.step if level else 0, level.reached if level else 0, {}, {}, {}, refused=why)


def _common(params: Sequence[Mapping[str, Any]]) -> tuple[list[str], tuple[str, ...]]:
    """Parameters that every trial has and that vary, and those that only some have."""
    every = list(dict.fromkeys(name for each in params for name in each))
    shared = [name for name in every if all(name in each for each in params)]
    varying = [name for name in shared if len({str(each[name]) for each in params}) > 1]
    return varying, tuple(name for name in every if name not in shared)


def _weights(points: Sequence[tuple[dict[str, Any], float]]) -> dict[str, float]:
    """Shares that sum to 1; equal ones where the scores have no spread."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    names = list(points[0][0])
    spread = {name: _distribution([params[name] for params, _ in points]) for name in names}
    study = optuna.create_study(direction="maximize")
    for params, score in points:
        study.add_trial(optuna.trial.create_trial(value=score, params=params, distributions=spread))
    judge = optuna.importance.FanovaImportanceEvaluator(seed=0)
    found = optuna.importance.get_param_importances(study, evaluator=judge)
    raw = {name: max(float(found.get(name, 0.0)), 0.0) for name in names}
    whole = sum(raw.values())
    if not math.isfinite(whole) or whole == 0:
        return dict.fromkeys(names, 1 / len(names))
    return {name: value / whole for name, value in raw.items()}


def _distribution(values: Sequence[Any]) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if any(isinstance(value, bool) or not isinstance(value, int | float) for value in values):
        return CategoricalDistribution(sorted(set(values), key=str))
    if all(isinstance(value, int) for value in values):
        return IntDistribution(min(values), max(values), log=is_log(values))
    return FloatDistribution(min(values), max(values), log=is_log(values))

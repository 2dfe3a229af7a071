"""The Optuna study as a projection of the trial files: deleted and written anew on every start.

Optuna's numbers are our ids, but for the trials of an earlier campaign (warm.py), which come first. A finished trial is
added as it ended; an unfinished one is enqueued at its own number with its own parameters, so it is asked for first;
the space's points that were not issued yet follow; then the sampler.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState

from ctt_ray.train.session import SCORE
from ctt_ray.tune import objectives as objectives_of
from ctt_ray.tune import storage
from ctt_ray.tune.choices import Objective
from ctt_ray.tune.folder import Record
from ctt_ray.tune.past import Past
from tune_spaces import Space

STATES = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}
ID = "id"  # user attribute: the trial's folder
FROM = "warm_from"  # user attribute: the earlier campaign's trial that this one is
SCORES = "scores"  # user attribute: iteration → mIoU, where Optuna takes no intermediate values (two objectives)


def rebuild(
    where: Path | str,
    name: str,
    space: Space,
    records: Sequence[Record],
    points: Sequence[dict[str, Any]],
    *,
    owner: Path | None = None,
    objectives: Sequence[Objective] = ("miou",),
    past: Sequence[Past] = (),
) -> optuna.Study:
    """A new study at `where`: a journal file, or the URL of a database. Nothing in it is RUNNING.

    owner: the campaign's folder; a database's study that is another's is refused with ConfigError.
    """
    directions = [objectives_of.DIRECTIONS[objective] for objective in objectives]
    study = storage.empty_study(where, name, owner or Path(where).parent, directions)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study.set_metric_names([SCORE, *objectives[1:]])
    for trial in past:
        study.add_trial(_past(space, trial, objectives))
    for record in records:
        study.add_trial(_waiting(record) if record.outcome is None else _finished(space, record, objectives))
    for point in points[len(records) :]:
        study.enqueue_trial(point)
    return study


def steps(record: Record) -> dict[int, float]:
    """Iteration → score of the reports; what is not a number is left out."""
    scores = {int(line["iteration"]): float(line[SCORE]) for line in record.lines}
    return {step: value for step, value in scores.items() if math.isfinite(value)}


def told(record: Record, objectives: Sequence[Objective]) -> list[float] | None:
    """The values that Optuna is told with a finished trial's state: none for one that failed, or was stopped early while
    there are two objectives (its cost is no full run's). One objective: a stopped trial's value is its last step's."""
    assert record.outcome is not None
    if record.outcome.state == "complete":
        return objectives_of.values(record, objectives)
    if record.outcome.state == "pruned" and len(objectives) == 1 and record.outcome.miou is not None:
        return [record.outcome.miou]
    return None


def _finished(space: Space, record: Record, objectives: Sequence[Objective]) -> FrozenTrial:
    assert record.outcome is not None
    single = len(objectives) == 1
    attributes: dict[str, Any] = {ID: record.id}
    if record.outcome.reason:
        attributes["reason"] = record.outcome.reason
    if not single:
        attributes[SCORES] = named(steps(record))
    return optuna.trial.create_trial(
        state=STATES[record.outcome.state],
        values=told(record, objectives),
        params=record.issued.params,
        distributions=_distributions(space, record.issued.params),
        user_attrs=attributes,
        system_attrs=record.issued.sampler,
        intermediate_values=steps(record) if single else None,
    )


def _waiting(record: Record) -> FrozenTrial:
    fixed = {"fixed_params": record.issued.params}  # as enqueue_trial does, and with what the sampler had noted
    return optuna.trial.create_trial(
        state=TrialState.WAITING, system_attrs={**fixed, **record.issued.sampler}, user_attrs={ID: record.id}
    )


def _past(space: Space, trial: Past, objectives: Sequence[Objective]) -> FrozenTrial:
    known = {"miou": trial.miou, "cost": trial.cost}
    return optuna.trial.create_trial(
        state=TrialState.COMPLETE,
        values=[known[objective] for objective in objectives],
        params=trial.params,
        distributions=_distributions(space, trial.params),
        user_attrs={FROM: trial.source},
    )


def named(scores: dict[int, float]) -> dict[str, float]:
    """As JSON has it."""
    return {str(step): value for step, value in scores.items()}


def _distributions(space: Space, params: dict[str, Any]) -> dict[str, BaseDistribution]:
    fixed = optuna.trial.FixedTrial(params)
    space.suggest(fixed)
    return dict(fixed.distributions)

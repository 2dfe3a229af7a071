"""The Optuna study as a projection of the trial files: deleted and written anew on every start.

Optuna's numbers are our ids. A finished trial is added as it ended; an unfinished one is enqueued at its own number
with its own parameters, so it is asked for first; the space's points that were not issued yet follow; then the sampler.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from ctt_ray.train.session import SCORE
from ctt_ray.tune.folder import Record
from ctt_ray.tune.settings import Sampler
from tune_spaces import Space

STATES = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}
ID = "id"  # user attribute: the trial's folder
STARTUP = 8  # trials before TPE models anything, the space's points among them


def rebuild(
    path: Path, name: str, space: Space, records: Sequence[Record], points: Sequence[dict[str, Any]]
) -> optuna.Study:
    """A new study at `path` (a journal file that optuna-dashboard opens). Nothing in it is RUNNING."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    for old in (path, path.with_name(path.name + ".lock")):  # a lock left by a killed process would be waited for
        old.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    storage = JournalStorage(JournalFileBackend(str(path)))
    study = optuna.create_study(study_name=name, storage=storage, direction="maximize")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study.set_metric_names([SCORE])
    for record in records:
        if record.outcome is None:
            study.enqueue_trial(record.issued.params, user_attrs={ID: record.id})
        else:
            study.add_trial(_finished(space, record))
    for point in points[len(records) :]:
        study.enqueue_trial(point)
    return study


def sampler(kind: Sampler, seed: int, number: int) -> BaseSampler:
    """The sampler of one trial, seeded by the trial's number: a suggestion depends on results and not on restarts."""
    drawn = int(np.random.SeedSequence((seed, number)).generate_state(1)[0])
    if kind == "random":
        return RandomSampler(seed=drawn)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # group
        return TPESampler(multivariate=True, group=True, constant_liar=True, n_startup_trials=STARTUP, seed=drawn)


def steps(record: Record) -> dict[int, float]:
    """Iteration → score of the reports; what is not a number is left out."""
    scores = {int(line["iteration"]): float(line[SCORE]) for line in record.lines}
    return {step: value for step, value in scores.items() if math.isfinite(value)}


def _finished(space: Space, record: Record) -> FrozenTrial:
    assert record.outcome is not None
    return optuna.trial.create_trial(
        state=STATES[record.outcome.state],
        value=record.outcome.miou if record.outcome.state != "failed" else None,
        params=record.issued.params,
        distributions=_distributions(space, record.issued.params),
        user_attrs={ID: record.id, **({"reason": record.outcome.reason} if record.outcome.reason else {})},
        intermediate_values=steps(record),
    )


def _distributions(space: Space, params: dict[str, Any]) -> dict[str, BaseDistribution]:
    fixed = optuna.trial.FixedTrial(params)
    space.suggest(fixed)
    return dict(fixed.distributions)

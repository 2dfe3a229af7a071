"""Who proposes a trial's parameters. A sampler is made anew for every trial, seeded by the campaign's seed and the
trial's number, so a suggestion depends on these and on the study, not on what the process did before.
"""

from __future__ import annotations

import functools
import random
import warnings
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, CmaEsSampler, GPSampler, RandomSampler, TPESampler

from ctt_ray.tune.choices import Sampler
from tune_spaces import Space

STARTUP = 8  # trials before TPE and GP model anything, the space's points among them
STATE = "cma:"  # names of what CMA-ES keeps in its trials: part of the trials' files


class Samplers:
    """The samplers of a campaign. levels: values a range in a grid."""

    def __init__(self, kind: Sampler, seed: int, space: Space, *, levels: int = 3) -> None:
        self.seed = seed
        self._space = space
        self._levels = levels
        self._make = {"tpe": _tpe, "gp": _gp, "random": _random, "cmaes": _cmaes, "grid": self._grid_point}[kind]

    def of(self, number: int) -> BaseSampler:
        """The sampler of the trial of that number."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # group; GP
            return self._make(number if self._make == self._grid_point else drawn(self.seed, number))

    @functools.cached_property
    def grid(self) -> list[dict[str, Any]]:
        """The grid in the order it is worked off: shuffled by the seed, so that a part of it covers the space."""
        points = self._space.grid(self._levels)
        random.Random(self.seed).shuffle(points)
        return points

    def _grid_point(self, number: int) -> BaseSampler:
        return Fixed(self.grid[number % len(self.grid)])


def drawn(seed: int, number: int) -> int:
    """A seed of its own for each trial."""
    return int(np.random.SeedSequence((seed, number)).generate_state(1)[0])


def state(trial: optuna.Trial) -> dict[str, Any]:
    """What the sampler has noted in a trial and will read there again: nothing but for CMA-ES."""
    noted = trial.storage.get_trial_system_attrs(trial._trial_id)
    return {name: value for name, value in noted.items() if name.startswith(STATE)}


class Fixed(BaseSampler):
    """Proposes these parameters."""

    def __init__(self, params: dict[str, Any]) -> None:
        self._params = params

    def infer_relative_search_space(self, *_: Any) -> dict[str, BaseDistribution]:
        return {}

    def sample_relative(self, *_: Any) -> dict[str, Any]:
        return {}

    def sample_independent(self, study: Any, trial: Any, param_name: str, *_: Any) -> Any:
        return self._params[param_name]


def _tpe(seed: int) -> BaseSampler:
    return TPESampler(multivariate=True, group=True, constant_liar=True, n_startup_trials=STARTUP, seed=seed)


def _gp(seed: int) -> BaseSampler:
    return GPSampler(seed=seed, n_startup_trials=STARTUP, warn_independent_sampling=False)


def _random(seed: int) -> BaseSampler:
    return RandomSampler(seed=seed)


def _cmaes(seed: int) -> BaseSampler:
    return CmaEsSampler(seed=seed, warn_independent_sampling=False)

"""What a campaign can be told to use, by name, and which of it goes together. Loads nothing heavy."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Literal

from ctt_ray.config import ConfigError

Sampler = Literal["tpe", "gp", "random", "grid", "cmaes"]
Scheduler = Literal["asha", "median", "none"]
Objective = Literal["miou", "cost"]

NEEDS = {"gp": ("scipy",), "cmaes": ("cmaes",)}  # beside what the project always has
SINGLE = ("cmaes",)  # samplers of one objective


def check(sampler: Sampler, objectives: Sequence[Objective]) -> None:
    """Raises ConfigError for objectives or a sampler that cannot be used here."""
    if tuple(objectives) not in (("miou",), ("miou", "cost")):
        raise ConfigError(f"--objectives {' '.join(objectives)}: use `miou`, or `miou cost`")
    if sampler in SINGLE and len(objectives) > 1:
        raise ConfigError(f"--sampler {sampler} knows one objective; with `miou cost` use tpe, gp, random or grid")
    for package in NEEDS.get(sampler, ()):
        if find_spec(package) is None:
            raise ConfigError(
                f"--sampler {sampler} needs the package '{package}', which is not installed: "
                "pip install 'ctt-ray[samplers]'"
            )

"""What a campaign is: settled when it first starts, kept in campaign.yaml, compared when the command runs again."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field

from ctt_ray.config import ConfigError, Frozen, RunConfig, from_tree, leaves, with_values
from ctt_ray.tune import requests
from ctt_ray.tune.choices import Objective, Sampler, Scheduler
from ctt_ray.tune.folder import Folder, write_text
from tune_spaces import Fidelity, Space


class Settings(Frozen):
    """A campaign's parameters beside the space's code. `trials` is the total, the only one that may still change; `added`
    of them came by requests (requests.py). content: hash of the data set when the campaign began, "" where nobody noted it."""

    space: str
    base: RunConfig
    points: tuple[dict[str, Any], ...] = ()
    reports: int = Field(ge=1)
    grace: int = Field(ge=1)
    reduction: int = Field(ge=2)
    seed: int = Field(0, ge=0)
    sampler: Sampler = "tpe"
    scheduler: Scheduler = "asha"
    objectives: tuple[Objective, ...] = ("miou",)
    grid_levels: int = Field(3, ge=2)
    rehearsal: bool = False
    stop_collapsed: bool = False
    content: str = ""
    trials: int = Field(ge=1)
    added: int = Field(0, ge=0)

    @property
    def iterations(self) -> int:
        return self.base.optim.iterations

    @property
    def rungs(self) -> list[int]:
        """Iterations at which halving may stop a trial; none without it."""
        return self.ladder if self.scheduler == "asha" else []

    @property
    def ladder(self) -> list[int]:
        """The rungs of a full run's fidelity, whoever stops trials."""
        return Fidelity(self.reports, self.grace, self.reduction).rungs(self.iterations, self.base.report.report_every)

    @property
    def levels(self) -> list[int]:
        """Iterations at which trials are compared: the rungs and the full length."""
        return [*(self.ladder if self.scheduler != "none" else ()), self.iterations]


def applied(base: RunConfig, values: dict[str, Any]) -> RunConfig:
    """The configuration of a trial: campaign and trial process build it by this same function, and compare hashes."""
    return with_values(base, values)


def settle(space: Space, base: RunConfig, **chosen: Any) -> Settings:
    ladder = space.fidelity
    return Settings(
        space=space.name,
        base=base,
        points=() if chosen.get("sampler") == "grid" else tuple(dict(point) for point in space.points),
        reports=ladder.reports,
        grace=ladder.grace,
        reduction=ladder.reduction,
        **chosen,
    )


@dataclass(frozen=True)
class Total:
    """How many trials there are to be, and why, for the log."""

    trials: int
    why: str = field(default="", compare=False)


def total(stored: int | None, asked: int, extend: int, finished: int) -> Total:
    """The campaign's total. It never shrinks, and --extend adds only to a finished campaign: the same command can be
    given again after a kill."""
    if stored is None:
        return Total(asked + extend)
    if extend and finished >= stored:
        return Total(stored + extend, f"extended from {stored} by {extend}")
    if extend:
        return Total(
            stored, f"{stored - finished} of {stored} trials are still to finish; --extend adds when they have"
        )
    if asked > stored:
        return Total(asked, f"extended from {stored}")
    return Total(stored, f"the campaign has {stored} trials and keeps them" if asked < stored else "")


def load(folder: Folder) -> Settings | None:
    """The settings of an existing campaign, its total with what requests have added since they were written."""
    if not folder.settings.is_file():
        return None
    tree = yaml.safe_load(folder.settings.read_text())
    found = Settings(**{**tree, "base": from_tree(tree["base"])})
    added = requests.added(folder)
    return found.model_copy(update={"trials": found.trials + added - found.added, "added": added})


def current_total(folder: Folder, settings: Settings) -> int:
    """Trials in all: the settings' total, and what was added since they were read."""
    return settings.trials + requests.added(folder) - settings.added


def save(folder: Folder, settings: Settings) -> None:
    write_text(folder.settings, yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False))


def check_same(path: Path, stored: Settings, asked: Settings) -> None:
    """Raises ConfigError naming every setting that differs: results of two different campaigns are not comparable."""
    before, now = _flat(stored), _flat(asked if stored.content else asked.model_copy(update={"content": ""}))
    differ = [
        f"  {name}: {before[name]!r} there, {now[name]!r} asked" for name in before if before[name] != now.get(name)
    ]
    if differ:
        raise ConfigError(
            f"{path} is a campaign with other settings:\n"
            + "\n".join(differ)
            + "\nUse its settings, or another --name."
        )


def differing(one: Settings, other: Settings) -> list[str]:
    """Names of the base configuration's values in which two campaigns differ."""
    here, there = _flat(one), _flat(other)
    return [name for name in leaves() if here[name] != there[name]]


def _flat(settings: Settings) -> dict[str, Any]:
    tree = settings.model_dump(mode="json", exclude={"trials", "added"})
    base = tree.pop("base")
    for name, path in leaves().items():
        node: Any = base
        for part in path:
            node = node[part]
        tree.setdefault(name, node)  # the seed is both the campaign's and each run's
    return tree

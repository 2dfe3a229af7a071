"""The command line of a campaign, and how it becomes one. Imports no Ray: --help and --dry-run answer at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
import yaml
from pydantic import Field

from ctt_ray import cli, methods
from ctt_ray.config import ConfigError, Frozen, RunConfig, with_values
from ctt_ray.tune import budget, choices, data, recipe, settings, warm
from ctt_ray.tune.budget import Budget
from ctt_ray.tune.choices import Objective, Sampler, Scheduler
from ctt_ray.tune.folder import Folder
from ctt_ray.tune.past import Warm
from ctt_ray.tune.settings import Settings
from data_prep.contents import scored_ids
from data_prep.parts import parse
from tune_spaces import Space, SpaceError, load

ON_LABELLED = "labelled:0/4"


class TuneArgs(Frozen):
    space: str = "demo"
    """voc | cityscapes | camvid | demo | recipes/table4 ..., or a space file's path (.py); `python -m tune_spaces` lists all."""
    data: str = ""
    """Prepared data set, a folder or a URL; default: where the space says, else a rehearsal on built-in images."""
    labelled: str = ""
    """Name of a labelled split of it; default: the space's."""
    select_on: Literal["val", "labelled"] = "val"
    """Images that trials are compared on: validation images (eval_split), or a quarter of the labelled ones, kept for it."""
    trials: int | None = Field(None, ge=1)
    """Trials in all; default: what the campaign was started with, or the space's number."""
    extend: int = Field(0, ge=0)
    """Add so many trials to a finished campaign."""
    max_hours: float | None = Field(None, gt=0)
    """Stop cleanly after so many hours (exit 75); the same command goes on."""
    budget: str = ""
    """Stop cleanly (exit 75) after device hours of all trials of all starts: 12gpuh or 8cpuh; a larger one goes on."""
    max_failed_share: float = Field(0.5, gt=0, le=1)
    """Give up (exit 5) when more than this share of the finished trials failed, from the 4th on; 1 never does."""
    storage: Path = Path("campaigns")
    """Folder that campaigns are kept in; on a cluster one that all machines share."""
    name: str = ""
    """Of this campaign inside the storage; default: the space's name."""
    seed: int = Field(0, ge=0)
    """Of the sampler and of every run."""
    config: Path | None = None
    """YAML file of a run, laid over the space's base values."""
    overrides: Annotated[tuple[str, ...], tyro.conf.arg(name="set", metavar="[NAME=VALUE ...]")] = ()
    """Base values by their own names, laid over all: --set iterations=2000 backbone=resnet50."""
    only: tuple[str, ...] = ()
    """Of a recipe these rows: --only method=ctt labelled=1/30; `python -m tune_spaces recipes/NAME` has their names."""
    seeds: int | None = Field(None, ge=1)
    """Runs of each row of a recipe, with the seeds --seed, --seed + 1, ...; default 3."""
    sampler: Sampler = "tpe"
    """Who proposes after the first points; grid works off its own and nothing else."""
    grid_levels: int = Field(3, ge=2)
    """Values a range in a grid; choices stay as they are."""
    scheduler: Scheduler = "asha"
    """asha and median stop weak trials early; none runs each to its end."""
    stop_collapsed: bool = False
    """Stop a trial whose run has raised the alarm that its pseudo-labels have collapsed; else it is only told."""
    objectives: tuple[Objective, ...] = ("miou",)
    """miou, or miou cost: the front of both (cost: device-seconds of a trial)."""
    study: str = ""
    """Database for the Optuna study (sqlite:///study.db, postgresql://user@host/name); default: a journal in the folder."""
    warm_from: Path | None = None
    """Start from the finished trials of another campaign: its folder, or a CSV like its trials.csv."""
    address: str = "local"
    """Ray cluster to join; local starts one here."""
    workers: int = Field(1, ge=1)
    """Ray Train workers a trial; 1 trains in the trial's own process."""
    cpus_per_trial: float | None = Field(None, gt=0)
    """CPUs a worker of a trial; default: its share of the machine."""
    gpus_per_trial: float | None = Field(None, ge=0)
    """GPUs a worker of a trial (may be a fraction); default: 1 where there are any."""
    concurrent: int | None = Field(None, ge=1)
    """Most trials at once; default: what fits, but at most a quarter of the trials."""
    allow_twins: bool = False
    """Go on where two different samples gave bit-identical curves, that is, where a parameter has no effect."""
    dry_run: bool = False
    """Print space, points, arithmetic and forecast, and stop."""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Print the result as JSON."""


@dataclass(frozen=True)
class Plan:
    """What the arguments ask for, checked. note: what happens to the total, where that is not obvious · warm: what an
    earlier campaign gives · study: URL of its database, if any · recipe: what is kept of the published table, if it is one."""

    folder: Folder
    choice: data.Choice
    settings: Settings
    banner: str
    note: str
    budget: Budget | None = None
    warm: Warm | None = None
    study: str = ""
    recipe: dict[str, Any] | None = None


def plan(args: TuneArgs) -> Plan:
    """Raises ConfigError, PlanError or DataError for what cannot be run, before anything is written."""
    allowed = budget.parse(args.budget)
    given = {*overrides(args.overrides), *(["labelled"] if args.labelled else [])}
    space = recipe.asked(_space(args.space), only=args.only, seeds=args.seeds, first=args.seed, given=given)
    if space.recipe is not None:
        _check_searches_nothing(args)
    folder = Folder((args.storage / (args.name or space.name)).resolve())
    choice = data.choose(space, data=args.data, labelled=args.labelled, campaign=folder.root, address=args.address)
    stored = settings.load(folder)
    choice = replace(choice, space=recipe.grown(choice.space, stored))
    table = recipe.content(choice.space, choice.data, choice.labelled)
    finished = sum(record.outcome is not None for record in folder.records())
    choices.check(args.sampler, args.objectives)
    size = grid_size(choice.space, args)
    default = stored.trials if stored and table is None else size or choice.space.trials
    total = settings.total(stored.trials if stored else None, args.trials or default, args.extend, finished)
    if size and total.trials > size:
        total = settings.Total(size, f"the grid has {size} points: {size} trials")
    asked = settings.settle(
        choice.space,
        _base(choice, args),
        seed=args.seed,
        sampler=args.sampler if table is None else recipe.SAMPLER,
        scheduler=args.scheduler if table is None else recipe.SCHEDULER,
        objectives=args.objectives,
        grid_levels=args.grid_levels,
        rehearsal=choice.rehearsal,
        stop_collapsed=args.stop_collapsed,
        content=choice.content,
        trials=total.trials,
        added=stored.added if stored else 0,
    )
    _check_points(choice.space, asked, overrides(args.overrides))
    _check_scored(choice, asked)
    if stored is not None:
        grows = {} if table is None else {"points": asked.points}
        settings.check_same(folder.settings, stored.model_copy(update=grows), asked)
    started = warm.start(args.warm_from, folder, choice.space, asked, issued=bool(folder.records()))
    said = data.banner(space) if choice.rehearsal else ""
    return Plan(folder, choice, asked, said, total.why, budget=allowed, warm=started, study=args.study, recipe=table)


SEARCHING = ("sampler", "scheduler", "objectives", "trials", "extend", "warm_from", "select_on", "stop_collapsed")


def _check_searches_nothing(args: TuneArgs) -> None:
    """A recipe's trials are its rows and seeds, each at full length."""
    fields = TuneArgs.model_fields
    given = [
        name for name in SEARCHING if getattr(args, name) != fields[name].default and getattr(args, name) != "none"
    ]
    if given:
        flags = ", ".join("--" + name.replace("_", "-") for name in given)
        raise ConfigError(
            f"{flags}: '{args.space}' is a recipe, each row of which runs to its end; --only and --seeds say what is run"
        )


def grid_size(space: Space, args: TuneArgs) -> int:
    """Points of the grid that is asked for; 0 with another sampler. Raises ConfigError for one beyond all bounds."""
    if args.sampler != "grid":
        return 0
    try:
        return len(space.grid(args.grid_levels))
    except SpaceError as error:
        raise ConfigError(str(error)) from None


def _check_scored(choice: data.Choice, asked: Settings) -> None:
    """There are images to compare trials on. Built-in data are painted later."""
    name = asked.base.report.eval_split
    if choice.built_in:
        parse(name)
    else:
        scored_ids(choice.data, name, choice.labelled)


def _space(name: str) -> Space:
    try:
        return load(name)
    except SpaceError as error:
        raise ConfigError(str(error)) from None


def _base(choice: data.Choice, args: TuneArgs) -> RunConfig:
    """Space, then --config, then the flags; reports as often as the space's ladder wants unless they say otherwise."""
    config = with_values(RunConfig(), choice.space.base)
    untouched = config.report.report_every
    if args.config is not None:
        config = cli.read_config(args.config, config)
    fixed = overrides(args.overrides)
    config = with_values(config, fixed)
    if args.select_on == "labelled":
        if "eval_split" in fixed:
            raise ConfigError(
                "--select-on labelled and --set eval_split both say what trials are compared on; give one"
            )
        config = with_values(config, {"eval_split": ON_LABELLED})
    if config.report.report_every == untouched and "report_every" not in choice.space.base:
        every = choice.space.fidelity.report_every(config.optim.iterations)
        config = with_values(config, {"report_every": every})
    return with_values(config, {"data": choice.data, "labelled": choice.labelled, "seed": args.seed})


def overrides(texts: Sequence[str]) -> dict[str, Any]:
    """NAME=VALUE texts, values as YAML. Raises ConfigError for a text without '='."""
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise ConfigError(f"--set {text}: write NAME=VALUE, for example --set iterations=2000")
        try:
            found[name] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise ConfigError(f"--set {text}: {error}") from None
    return found


def _check_points(space: Space, asked: Settings, fixed: dict[str, Any]) -> None:
    """Each first point must make a configuration and a plan that work, so a mistake shows before the first trial.
    What the space searches cannot be fixed beside it: it would be overwritten without a word."""
    for number, point in enumerate(space.points):
        values = space.values(point)
        if both := sorted(set(values) & set(fixed)):
            raise ConfigError(
                f"--set {', '.join(both)}: the space '{space.name}' searches it; "
                "to fix it, copy the space's file and take it out there"
            )
        try:
            config = with_values(asked.base, values)
        except ConfigError as error:
            raise ConfigError(f"space '{space.name}', POINTS[{number}]: {error}") from None
        methods.build(config.method, config.params.model_dump())

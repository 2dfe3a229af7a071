"""`python -m ctt_ray.tune confirm CAMPAIGN`: the search's best, the defaults and the baseline again, on unseen images.

A confirmation is itself a campaign, in a folder of its own inside the search's: its points are all known (a candidate and a
seed), nothing is sampled and nothing stopped early. So kills, resuming and budgets are the campaign's.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from ctt_ray import cli
from ctt_ray.config import ConfigError, with_values
from ctt_ray.train.session import LOOP, Run
from ctt_ray.tune import budget, candidates, confirmed, ledger, recipe, settings, unseen
from ctt_ray.tune.budget import Budget
from ctt_ray.tune.candidates import Candidate
from ctt_ray.tune.folder import Folder, Record, write_json
from ctt_ray.tune.opened import CampaignArgs, opened
from ctt_ray.tune.settings import Settings
from ctt_ray.tune.unseen import Evidence
from data_prep.schema import load_manifest
from tune_spaces import Fidelity, Space

if TYPE_CHECKING:
    from ctt_ray.tune.capacity import Capacity, Node

DESCRIPTION = """Train the best trials of a campaign, its space's defaults and the supervised baseline again, in full and with
several seeds, and score them on images that the search has not read. The same command goes on after a kill.

examples
  python -m ctt_ray.tune confirm campaigns/voc1
  python -m ctt_ray.tune confirm voc1 --best 3 --seeds 5 --on val:1/2"""


class ConfirmArgs(CampaignArgs):
    best: int = Field(2, ge=1)
    """How many of the search's best trials."""
    seeds: int = Field(3, ge=1)
    """Runs a candidate, each with a seed that the search has not used; 3 at least for an interval."""
    on: str = ""
    """Images to score on, such as test or val:1/2; default: test, else what is left of the search's split."""
    name: str = "confirm"
    """Of the confirmation's folder inside the campaign's, and of its result, NAME.json."""
    address: str = "local"
    """Ray cluster to join; local starts one here."""
    workers: int = Field(1, ge=1)
    """Ray Train workers a run; 1 trains in the run's own process."""
    cpus_per_trial: float | None = Field(None, gt=0)
    """CPUs a worker of a run; default: its share of the machine."""
    gpus_per_trial: float | None = Field(None, ge=0)
    """GPUs a worker of a run (may be a fraction); default: 1 where there are any."""
    concurrent: int | None = Field(None, ge=1)
    """Most runs at once; default: what fits."""
    max_hours: float | None = Field(None, gt=0)
    """Stop cleanly after so many hours (exit 75); the same command goes on."""
    budget: str = ""
    """Stop cleanly (exit 75) after device hours of all runs of all starts: 12gpuh or 8cpuh; a larger one goes on."""
    dry_run: bool = False
    """Print candidates, images and arithmetic, and stop."""


@dataclass(frozen=True)
class Asked:
    """A confirmation, checked. result: its JSON file · note: what the search is, where that is worth a word."""

    folder: Folder
    result: Path
    candidates: tuple[Candidate, ...]
    space: Space
    settings: Settings
    evidence: Evidence
    note: str


def main(argv: Sequence[str], run: Run | str = LOOP) -> int:
    """Exit code. run: what trains a run, as in campaign.Campaign. Raises ConfigError and DataError."""
    args = cli.parse(ConfirmArgs, argv, prog="python -m ctt_ray.tune confirm", description=DESCRIPTION)
    allowed = budget.parse(args.budget)
    asked = plan(args)
    nodes, room = _room(args, asked)
    budget.check(allowed, gpus=room.gpus)
    _say("\n".join([*described(asked), *room.lines]))
    if args.dry_run:
        return cli.DONE
    records = _run(args, asked, nodes, room, allowed, run)
    found = result(asked, records)
    write_json(asked.result, found)
    return _report(args, asked, found)


def plan(args: ConfirmArgs) -> Asked:
    """Raises ConfigError or DataError for what cannot be confirmed, before anything is written."""
    search, searched = opened(args)
    if (search.root / recipe.FILE).is_file():
        raise ConfigError(f"{search.root} is a recipe's campaign: its seeds are its confirmation; --seeds adds some")
    folder = _place(search, args.name)
    base = searched.base
    read = base.report.eval_split
    on = args.on or unseen.default(read, load_manifest(base.data))
    evidence = unseen.check(base.data, base.labelled, search=read, confirm=on)
    records = search.records()
    defaults = candidates.default_values(records, searched)
    chosen = candidates.choose(records, searched, defaults, args.best)
    known = candidates.merged(candidates.read(folder.root), chosen, searched)
    stored = settings.load(folder)
    seeds = range(searched.seed + 1, searched.seed + 1 + args.seeds)
    points = candidates.points(known, seeds, stored.points if stored else ())
    ladder = Fidelity(searched.reports, searched.grace, searched.reduction)
    space = candidates.space(args.name, known, points, ladder)
    asked = settings.settle(
        space,
        with_values(base, {"eval_split": on}),
        seed=searched.seed,
        sampler="random",
        scheduler="none",
        rehearsal=searched.rehearsal,
        content=searched.content,
        trials=len(points),
    )
    if stored is not None:
        settings.check_same(folder.settings, stored.model_copy(update={"points": asked.points}), asked)
    result = search.root / f"{args.name}.json"
    return Asked(folder, result, tuple(known), space, asked, evidence, _unfinished(records, searched))


def described(asked: Asked) -> list[str]:
    """What will be run, in words."""
    search, confirm = asked.evidence.search, asked.evidence.confirm
    runs = asked.settings.trials
    lines = [
        f"confirm    {', '.join(c.label for c in confirmed.ordered(asked.candidates))}",
        f"runs       {runs} of {asked.settings.iterations:,} steps, {runs * asked.settings.iterations:,} in all",
        f"images     {confirm.images} of {confirm.split}; the search's {search.images} of {search.split} and the training "
        "images are others, by their content",
        f"folder     {asked.folder.root}",
    ]
    return lines + ([f"note       {asked.note}"] if asked.note else [])


def result(asked: Asked, records: Sequence[Record]) -> dict[str, Any]:
    """The content of confirm.json: a function of the folder's files and of the data's content."""
    return {
        "campaign": asked.result.parent.name,
        "rehearsal": asked.settings.rehearsal,
        "iterations": asked.settings.iterations,
        **asdict(asked.evidence),
        **confirmed.summary(asked.candidates, records, asked.settings.iterations),
        "search_note": asked.note,
        "ledger": asdict(ledger.total(ledger.of(asked.folder))),
    }


def _place(search: Folder, name: str) -> Folder:
    """Where the confirmation lives. Raises ConfigError for a name that is no folder's or another thing's."""
    folder = Folder(search.root / name)
    if Path(name).name != name or name.startswith("."):
        raise ConfigError(f"--name '{name}' is no folder's name; write for example --name confirm5")
    there = {path.name for path in folder.root.iterdir()} if folder.root.is_dir() else set()
    begun = {".lock", candidates.FILE + ".part"}  # what a kill leaves before the candidates are written
    if folder.root.is_file() or (there - begun and candidates.FILE not in there):
        raise ConfigError(f"{folder.root} is something else than a confirmation; use another --name")
    return folder


def _unfinished(records: Sequence[Record], searched: Settings) -> str:
    left = searched.trials - sum(record.outcome is not None for record in records)
    return (
        f"{left} of the search's {searched.trials} trials have not finished: its best may still change" if left else ""
    )


def _room(args: ConfirmArgs, asked: Asked) -> tuple[list[Node], Capacity]:
    from ctt_ray.tune.capacity import capacity, local_node

    if args.address == "local":
        nodes = [local_node()]
    else:
        from ctt_ray.tune.cluster import nodes_at

        nodes = nodes_at(args.address)
    runs = asked.settings.trials
    return nodes, capacity(
        nodes,
        trials=runs,
        workers=args.workers,
        cpus=args.cpus_per_trial,
        gpus=args.gpus_per_trial,
        concurrent=args.concurrent or runs,  # nothing learns from what has finished, so as many as fit
    )


def _run(
    args: ConfirmArgs, asked: Asked, nodes: list[Node], room: Capacity, allowed: Budget | None, run: Run | str
) -> list[Record]:
    from ctt_ray.tune.campaign import Campaign, run_campaign

    with asked.folder.lock():
        candidates.write(asked.folder.root, asked.candidates)
        settings.save(asked.folder, asked.settings)
        return run_campaign(
            Campaign(
                folder=asked.folder,
                space=asked.space,
                settings=asked.settings,
                room=room,
                node=nodes[0],
                address=args.address,
                workers=args.workers,
                max_hours=args.max_hours,
                budget=allowed,
                run=run,
                allow_twins=True,  # candidates without a difference are a finding, and shown as one
                banner="REHEARSAL on built-in data" if asked.settings.rehearsal else "",
            )
        )


def _report(args: ConfirmArgs, asked: Asked, found: dict[str, Any]) -> int:
    """The result on stdout. Exit code 5 if a run failed."""
    from rich.console import Console

    if args.as_json:
        print(json.dumps({**found, "paths": {"result": str(asked.result), "folder": str(asked.folder.root)}}))
    else:
        console = Console(file=sys.stdout)
        Console(file=sys.stdout, width=console.width if console.is_terminal else 160).print(confirmed.as_table(found))
        print(
            "\n".join(
                [*found["notes"], f"ledger     {ledger.line(ledger.of(asked.folder))}", f"result     {asked.result}"]
            )
        )
    return cli.TRIALS_FAILED if any(run["state"] == "failed" for run in found["runs"]) else cli.DONE


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)

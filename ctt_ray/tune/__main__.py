"""python -m ctt_ray.tune: search hyper-parameters with Ray Tune and Optuna; the same command goes on after any kill."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from ctt_ray import cli
from ctt_ray.tune import budget, verbs
from ctt_ray.tune.arguments import Plan, TuneArgs, plan

if TYPE_CHECKING:
    from ctt_ray.tune.capacity import Capacity, Node
    from ctt_ray.tune.folder import Record

DESCRIPTION = """Search hyper-parameters of a training method. The same command goes on after a kill, a crash or Ctrl-C.

examples
  python -m ctt_ray.tune --space demo --trials 8
  python -m ctt_ray.tune --space voc --dry-run
  python -m ctt_ray.tune --space voc --data data/voc --labelled 1-8_s0 --trials 64 --name voc1
  python -m ctt_ray.tune --space voc --name voc1 --extend 32
  python -m ctt_ray.tune confirm voc1
  python -m ctt_ray.tune --space recipes/table4 --data data/cityscapes --seeds 3
  python -m ctt_ray.train --config campaigns/voc1/best.yaml"""


def main(argv: Sequence[str] | None = None) -> int:
    argv = sys.argv[1:] if argv is None else argv
    return cli.guarded(lambda: verbs.run(argv) if verbs.is_verb(argv) else _main(argv))


def _main(argv: Sequence[str]) -> int:
    args = cli.parse(TuneArgs, argv, prog="python -m ctt_ray.tune", description=DESCRIPTION)
    asked = plan(args)
    for text in (asked.banner, asked.note, *(asked.warm.lines() if asked.warm else ())):
        if text:
            _say(text)
    nodes, room = _room(args, asked)
    budget.check(asked.budget, gpus=room.gpus)
    if args.dry_run:
        _describe(args, asked, room)
        return cli.DONE
    _say("\n".join(room.lines))
    return _run(args, asked, nodes, room)


def _room(args: TuneArgs, asked: Plan) -> tuple[list[Node], Capacity]:
    from ctt_ray.tune.capacity import capacity, local_node

    if args.address == "local":
        nodes = [local_node()]
    else:
        from ctt_ray.tune.cluster import nodes_at

        nodes = nodes_at(args.address)
    room = capacity(
        nodes,
        trials=asked.settings.trials,
        workers=args.workers,
        cpus=args.cpus_per_trial,
        gpus=args.gpus_per_trial,
        # A recipe's rows are all known: nothing learns from what has finished, so as many as fit.
        concurrent=args.concurrent or (asked.settings.trials if asked.recipe else None),
    )
    return nodes, room


def _describe(args: TuneArgs, asked: Plan, room: Capacity) -> None:
    from ctt_ray.tune import ledger
    from ctt_ray.tune.forecast import budget_line, lines
    from tune_spaces.__main__ import describe

    print(describe(asked.choice.space))
    if asked.settings.sampler == "grid":
        levels = asked.settings.grid_levels
        print(f"\ngrid       {len(asked.choice.space.grid(levels)):,} points with {levels} values a range")
    print(f"\ndata       {asked.settings.base.data}, labelled {asked.settings.base.labelled}")
    print("\n".join([*room.lines, *lines(asked.settings, asked.folder.records(), room.concurrent)]))
    if asked.budget is not None:
        print(budget_line(asked.budget, asked.settings, asked.folder, room, workers=args.workers))
    if entries := ledger.of(asked.folder):
        print(f"ledger     {ledger.line(entries)}")
    print(f"folder     {asked.folder.root}")


def _run(args: TuneArgs, asked: Plan, nodes: list[Node], room: Capacity) -> int:
    from ctt_ray.tune import data, past, recipe, reported, settings
    from ctt_ray.tune.campaign import Campaign, run_campaign
    from ctt_ray.tune.failures import Hopeless

    with asked.folder.lock():
        if asked.choice.built_in:
            data.make_built_in(asked.choice)
        if asked.warm is not None:
            past.save(asked.folder, asked.warm)
        recipe.write(asked.folder.root, asked.recipe)
        settings.save(asked.folder, asked.settings)
        campaign = Campaign(
            folder=asked.folder,
            space=asked.choice.space,
            settings=asked.settings,
            room=room,
            node=nodes[0],
            address=args.address,
            workers=args.workers,
            max_hours=args.max_hours,
            allow_twins=args.allow_twins or asked.recipe is not None,  # rows without a difference are a finding
            budget=asked.budget,
            max_failed_share=args.max_failed_share,
            banner=asked.banner.partition("\n")[0],
            study=args.study,
        )
        try:
            records = run_campaign(campaign)
        except Hopeless as error:
            _say(f"error: {error}")
            records = asked.folder.records()
        page, why = reported.write(asked.folder, asked.settings)
    if why:
        _say(why)
    return report(asked, records, as_json=args.as_json, page=page)


def report(asked: Plan, records: Sequence[Record], *, as_json: bool, page: Path | None = None) -> int:
    """The result on stdout. Exit code 5 if a trial failed: the campaign is whole, its failures want a look."""
    from rich.console import Console

    from ctt_ray.tune import ledger, objectives, published, published_text, results, storage

    best = results.best(records, asked.settings.levels)
    failed = [record for record in records if results.state(record) == "failed"]
    folder = asked.folder
    entries = ledger.of(folder)
    table = published.summary(folder, records, asked.settings)
    paths: dict[str, Path | str] = {"best": folder.best, "trials": folder.table, "log": folder.log}
    paths["study"] = storage.shown(asked.study or folder.study)
    if len(asked.settings.objectives) > 1:
        paths["pareto"] = folder.root / objectives.PARETO
    if page is not None:
        paths["report"] = page
    if table is not None:
        paths["recipe"] = folder.root / published.FILE
    if as_json:
        rows = {row["trial"]: row for row in results.rows(records, asked.settings)}
        found = {"best": best and rows[best.id], "trials": list(rows.values()), "failed": len(failed)}
        found["ledger"] = asdict(ledger.total(entries))
        found |= {"recipe": table} if table else {}
        print(
            json.dumps({**found, "rehearsal": asked.settings.rehearsal, "paths": {k: str(v) for k, v in paths.items()}})
        )
    else:
        if table is not None:
            print(published_text.markdown(table))
        else:
            console = Console(file=sys.stdout)
            Console(file=sys.stdout, width=console.width if console.is_terminal else 200).print(
                results.as_table(records, asked.settings)
            )
        print("\n".join([*_paths(paths, best), f"ledger     {ledger.line(entries)}"]))
        if page is not None:
            print(f"report     {_near(page)}")
    for record in failed:
        reason = record.outcome.reason if record.outcome else ""
        _say(f"trial {record.id} failed: {reason} ({folder.trial(record.id)})")
    return cli.TRIALS_FAILED if failed else cli.DONE


def _paths(paths: dict[str, Path | str], best: Record | None) -> list[str]:
    lines = [f"trials     {_near(paths['trials'])}", f"study      optuna-dashboard {_near(paths['study'])}"]
    if "pareto" in paths:
        lines.append(f"pareto     {_near(paths['pareto'])}")
    if best is not None:
        lines.insert(0, f"best       python -m ctt_ray.train --config {_near(paths['best'])}")
    return lines


def _near(path: Path | str) -> str:
    """Relative where that is shorter to type; a URL as it is."""
    inside = "://" not in str(path) and Path(path).is_relative_to(Path.cwd())
    return str(Path(path).relative_to(Path.cwd()) if inside else path)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())

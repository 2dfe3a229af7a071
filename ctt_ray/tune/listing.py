"""The verb `trials`: a campaign's trials as a table, CSV or JSON, from its folder alone."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Annotated

import tyro

from ctt_ray import cli
from ctt_ray.config import ConfigError
from ctt_ray.tune import results
from ctt_ray.tune.opened import CampaignArgs, opened

WIDE = 200  # columns of a table that goes to a file


class TrialsArgs(CampaignArgs):
    as_csv: Annotated[bool, tyro.conf.arg(name="csv")] = False
    """Print CSV, as trials.csv holds it at the campaign's end."""
    every: Annotated[bool, tyro.conf.arg(name="all")] = False
    """All trials in the table, failed ones and those without a score too, instead of the top ones. JSON and CSV have all."""


def trials(argv: Sequence[str]) -> int:
    about = "List a campaign's trials: how far each came, its score there, and its score where all are compared."
    args = cli.parse(TrialsArgs, argv, prog="python -m ctt_ray.tune trials", description=about)
    if args.as_csv and args.as_json:
        raise ConfigError("--csv and --json are two forms of one thing; give one")
    folder, settings = opened(args)
    records = folder.records()
    if args.as_json:
        print(json.dumps(results.rows(records, settings)))
    elif args.as_csv:
        print(results.as_csv(records, settings), end="")
    else:
        _table(results.as_table(records, settings, every=args.every))
    return cli.DONE


def _table(table: object) -> None:
    from rich.console import Console

    console = Console(file=sys.stdout)
    Console(file=sys.stdout, width=console.width if console.is_terminal else WIDE).print(table)

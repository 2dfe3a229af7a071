"""The verbs `stop` and `extend`: they leave a request in the campaign's folder, and say who will take it up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import tyro
from pydantic import Field

from ctt_ray import cli
from ctt_ray.config import ConfigError
from ctt_ray.tune import candidates, recipe, requests
from ctt_ray.tune.opened import CampaignArgs, opened, say
from ctt_ray.tune.status import look


class ExtendArgs(CampaignArgs):
    more: Annotated[tyro.conf.Positional[int], tyro.conf.arg(metavar="N")] = Field(ge=1)
    """Trials to add."""


def stop(argv: Sequence[str]) -> int:
    """`stop CAMPAIGN`: its running trials save and leave; the same command that started it goes on."""
    about = "Ask a running campaign to stop: its trials save and leave. The command that started it goes on later."
    args = cli.parse(CampaignArgs, argv, prog="python -m ctt_ray.tune stop", description=about)
    folder, settings = opened(args)
    state = look(folder, settings)
    if state.state != "finished":
        requests.ask_stop(folder)
    said = {
        "running": f"asked; {state.where} stops within seconds, its trials save first",
        "finished": "it has finished; there is nothing to stop",
    }.get(state.state, f"it is {state.state}, no process answers; one that is starting now will stop too")
    return say(args, f"{folder.root.name}: {said}", asked=state.state != "finished", state=state.state)


def extend(argv: Sequence[str]) -> int:
    """`extend CAMPAIGN N`: a running campaign takes the trials up by itself, another at its next start."""
    about = "Add trials. A running campaign takes them up without a restart, another one at its next start."
    args = cli.parse(ExtendArgs, argv, prog="python -m ctt_ray.tune extend", description=about)
    folder, settings = opened(args)
    if (folder.root / candidates.FILE).is_file():
        raise ConfigError(f"{folder.root} is a confirmation; it grows by `confirm --best` and `confirm --seeds`")
    if (folder.root / recipe.FILE).is_file():
        raise ConfigError(f"{folder.root} is a recipe's campaign; it grows by its own command's --seeds and --only")
    requests.ask_more(folder, args.more)
    state = look(folder, settings)
    how = "takes them up within seconds" if state.state == "running" else "takes them up when it is started again"
    said = f"{folder.root.name}: {args.more} more, {state.total} trials in all; it is {state.state} and {how}"
    return say(args, said, total=state.total, state=state.state)

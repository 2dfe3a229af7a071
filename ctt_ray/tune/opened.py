"""Naming a campaign on a command line: a folder, or a name under --storage."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import tyro
import yaml
from pydantic import ValidationError

from ctt_ray.cli import DONE
from ctt_ray.config import ConfigError, Frozen, nearest
from ctt_ray.tune import settings
from ctt_ray.tune.folder import Folder
from ctt_ray.tune.settings import Settings

FILE = Folder(Path()).settings.name


class CampaignArgs(Frozen):
    campaign: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="CAMPAIGN")]
    """Folder of a campaign, or its name in the storage."""
    storage: Path = Path("campaigns")
    """Folder that campaigns are kept in."""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Print JSON."""


def opened(args: CampaignArgs) -> tuple[Folder, Settings]:
    return find(args.campaign, args.storage)


def say(args: CampaignArgs, text: str, **facts: Any) -> int:
    """A verb's result on stdout: the text, or the facts as one JSON object. Returns exit code 0."""
    print(json.dumps(facts) if args.as_json else text)
    return DONE


def find(name: str, storage: Path = Path("campaigns")) -> tuple[Folder, Settings]:
    """The campaign in that folder, or of that name in the storage. Raises ConfigError, naming those that exist."""
    for root in (Path(name), storage / name):
        if (root / FILE).is_file():
            folder = Folder(root.resolve())
            return folder, _read(folder)
    known = sorted(path.parent.name for path in storage.glob(f"*/{FILE}"))
    there = f"in {storage} there are: {', '.join(known)}" if known else f"there is none in {storage} (--storage)"
    raise ConfigError(f"no campaign '{name}'{nearest(name, known) or '.'} It is no folder with a {FILE}, and {there}")


def _read(folder: Folder) -> Settings:
    try:
        found = settings.load(folder)
    except (yaml.YAMLError, ValidationError, KeyError, TypeError) as error:
        why = f"{type(error).__name__}: {error}"
        raise ConfigError(f"{folder.settings} cannot be read as a campaign's settings: {why}") from None
    assert found is not None
    return found

"""Trials of an earlier campaign that this one starts from: kept in its folder, so that the old place is not needed again.

STORAGE/NAME/warm.json   {"source", "trials": [{"source", "params", "miou", "cost"}], "said": [lines]}
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from ctt_ray.tune.folder import Folder, write_json

WARM = "warm.json"
SAMPLED = "sampled."  # in a table, before the name of a parameter that no configuration value has, or has otherwise


@dataclass(frozen=True)
class Past:
    """A finished trial at full length. source: where it comes from, for people · cost: None where it is not known."""

    source: str
    params: dict[str, Any]
    miou: float
    cost: float | None = None


@dataclass(frozen=True)
class Warm:
    """What was taken from `source`. said: what was left out and why."""

    source: str
    trials: tuple[Past, ...]
    said: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """What there is to say of it."""
        return [f"warm start from {self.source}: {len(self.trials)} trials taken", *(f"  {each}" for each in self.said)]


def load(folder: Folder) -> Warm | None:
    """What this campaign started from, or None."""
    path = folder.root / WARM
    if not path.is_file():
        return None
    tree = json.loads(path.read_text())
    return Warm(tree["source"], tuple(Past(**trial) for trial in tree["trials"]), tuple(tree["said"]))


def save(folder: Folder, warm: Warm) -> None:
    write_json(folder.root / WARM, asdict(warm))

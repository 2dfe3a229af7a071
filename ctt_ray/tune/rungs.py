"""What early stopping has decided, kept beside each trial: a restart holds to it, and anyone can replay it.

    trials/ID/rungs.jsonl   one line a rung: {"rung", "iteration", "score", "among", "cutoff", "goes_on"}

`among` counts the scores that stood at the rung when this one came, so the lines of all trials give each rung's order.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from ctt_ray.tune.folder import Folder

RUNGS = "rungs.jsonl"


@dataclass(frozen=True)
class Decision:
    """cutoff: what the score had to reach, None for the first at its rung."""

    rung: int
    iteration: int
    score: float
    among: int
    cutoff: float | None
    goes_on: bool


def note(folder: Folder, id: str, decision: Decision) -> None:
    """Append it, on a line of its own even after one that a kill cut short."""
    path = folder.trial(id) / RUNGS
    path.parent.mkdir(parents=True, exist_ok=True)
    cut = path.is_file() and not path.read_text().endswith("\n")
    with path.open("a") as out:
        out.write("\n" * cut + json.dumps(asdict(decision)) + "\n")


def decisions(folder: Folder, id: str) -> dict[int, Decision]:
    """Rung → what was decided there; the first word counts. Empty for a trial that has reached none."""
    path = folder.trial(id) / RUNGS
    found: dict[int, Decision] = {}
    for text in path.read_text().splitlines() if path.is_file() else ():
        try:
            decision = Decision(**json.loads(text))
        except (json.JSONDecodeError, TypeError):
            continue  # cut short by a kill: as if it had not been decided
        found.setdefault(decision.rung, decision)
    return found

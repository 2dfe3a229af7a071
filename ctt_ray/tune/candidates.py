"""What is confirmed: the search's best, the space's defaults, the supervised baseline; and the space that lists their runs.

`candidates.json` in the confirmation's folder holds them, so that it is whole without the space's code.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ctt_ray.config import ConfigError
from ctt_ray.tune import fidelity
from ctt_ray.tune.folder import Record, write_json
from ctt_ray.tune.settings import Settings, applied
from tune_spaces import Fidelity, Space, SpaceError, Trial, load

FILE = "candidates.json"
DEFAULTS, SUPERVISED = "defaults", "supervised"
CANDIDATE, SEED = "candidate", "seed"


@dataclass(frozen=True)
class Candidate:
    """values: of the configuration, without the seed · trial: of the search that had just these, if any, its mIoU there at
    full length, and its place among the best that were asked for, from 1; 0 if it is not one of them."""

    name: str
    values: dict[str, Any]
    trial: str = ""
    miou: float | None = None
    place: int = 0

    @property
    def label(self) -> str:
        return self.name if self.trial in ("", self.name) else f"{self.name} = {self.trial}"


def choose(records: Sequence[Record], settings: Settings, defaults: dict[str, Any], best: int) -> list[Candidate]:
    """Defaults, supervised baseline, then the `best` trials of the search by their mIoU at full length; equal
    configurations are one candidate. Raises ConfigError where no trial has come to its end."""
    scores = fidelity.at((r for r in records if r.outcome and r.outcome.state == "complete"), settings.iterations)
    if not scores:
        raise ConfigError(
            "no trial of this campaign has come to its end yet: there is nothing to confirm. Go on with it."
        )
    ranked: dict[str, Record] = {}
    for record in sorted((r for r in records if r.id in scores), key=lambda r: (-scores[r.id], r.id)):
        ranked.setdefault(record.issued.config_hash, record)
    places = {found: place for place, found in enumerate(ranked, 1) if place <= best}

    def candidate(name: str, values: dict[str, Any]) -> Candidate:
        found = applied(settings.base, values).hash()
        same = ranked.get(found)
        return (
            Candidate(name, values, same.id, scores[same.id], places.get(found, 0)) if same else Candidate(name, values)
        )

    chosen = [candidate(DEFAULTS, defaults), candidate(SUPERVISED, {**defaults, "method": "supervised"})]
    chosen += [candidate(ranked[found].id, ranked[found].issued.values) for found in places]
    return list(_distinct(chosen, settings).values())


def merged(known: Sequence[Candidate], asked: Sequence[Candidate], settings: Settings) -> list[Candidate]:
    """A confirmation grows and never shrinks: those known keep their place and name, new ones follow."""
    now = _distinct(asked, settings)
    before = _distinct(known, settings)
    kept = [replace(now.get(found, replace(old, place=0)), name=old.name) for found, old in before.items()]
    return kept + [new for found, new in now.items() if found not in before]


def default_values(records: Sequence[Record], settings: Settings) -> dict[str, Any]:
    """The values of the space's first point: from the trial that had it, else from the space's file. Raises ConfigError."""
    for record in records:
        if settings.points and record.issued.params == settings.points[0]:
            return record.issued.values
    try:
        space = load(settings.space)
        return space.values(settings.points[0] if settings.points else space.points[0])
    except (SpaceError, IndexError) as error:
        raise ConfigError(
            f"the space's first point, its defaults, has not been tried by this campaign and cannot be read: {error}"
        ) from None


def points(known: Sequence[Candidate], seeds: Sequence[int], stored: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every run as a point: those stored first, then every candidate with every seed, seed by seed."""
    asked = [{CANDIDATE: candidate.name, SEED: seed} for seed in seeds for candidate in known]
    return [*stored, *(point for point in asked if point not in stored)]


def space(name: str, known: Sequence[Candidate], asked: Sequence[dict[str, Any]], ladder: Fidelity) -> Space:
    """The runs as a space whose points are all there is: a campaign over it needs no sampler."""
    values = {candidate.name: candidate.values for candidate in known}
    seeds = [point[SEED] for point in asked]

    def suggest(trial: Trial) -> dict[str, Any]:
        chosen = trial.suggest_categorical(CANDIDATE, tuple(values))
        return {**values[chosen], SEED: trial.suggest_int(SEED, min(seeds), max(seeds))}

    return Space(name, "runs that confirm a search", {}, suggest, tuple(asked), ladder, trials=len(asked))


def read(folder: Path) -> list[Candidate]:
    """Those of an earlier start; none before the first."""
    path = folder / FILE
    return [Candidate(**each) for each in json.loads(path.read_text())] if path.is_file() else []


def write(folder: Path, known: Sequence[Candidate]) -> None:
    write_json(folder / FILE, [asdict(candidate) for candidate in known])


def _distinct(candidates: Sequence[Candidate], settings: Settings) -> dict[str, Candidate]:
    """Configuration's hash → the first candidate that has it."""
    found: dict[str, Candidate] = {}
    for candidate in candidates:
        found.setdefault(applied(settings.base, candidate.values).hash(), candidate)
    return found

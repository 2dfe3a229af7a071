"""What the page says, read from a campaign's folder: records, the best at equal fidelity, the reference, data, environment."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ctt_ray.report.importance import Importances, importances, refusal
from ctt_ray.tune import fidelity, published, results
from ctt_ray.tune.environment import FILE as ENVIRONMENT
from ctt_ray.tune.fidelity import Level, Standing
from ctt_ray.tune.folder import Folder, Record
from ctt_ray.tune.settings import Settings, applied
from data_prep.schema import DataError, load_labelled_split, load_manifest

CONFIRM = "confirm.json"


@dataclass(frozen=True)
class Facts:
    """common: the level where many are compared · reference: the first trial (the space's defaults), the best one and the
    highest step that both reached, if the first trial is another one than the best · recipe: the published table it repeats."""

    folder: Folder
    settings: Settings
    records: list[Record]
    levels: list[Level]
    common: Level | None
    best: Record | None
    at: Standing | None
    reference: Comparison | None
    importances: Importances
    data: dict[str, str]
    environment: dict[str, Any]
    confirm: dict[str, Any] | None
    recipe: dict[str, Any] | None = None

    @property
    def name(self) -> str:
        return self.folder.root.name

    @property
    def counts(self) -> dict[str, int]:
        return dict(Counter(results.state(record) for record in self.records))


@dataclass(frozen=True)
class Comparison:
    """Two trials at the highest step of the ladder that both reached."""

    step: int
    first: float
    best: float


def gather(folder: Folder, settings: Settings) -> Facts:
    """Read everything. What is not there (environment, confirmation, data) is empty, never an error."""
    records = folder.records()
    ladder = fidelity.levels(records, settings.rungs, settings.iterations)
    best = results.best(records, settings.levels)
    table = published.summary(folder, records, settings)
    return Facts(
        folder=folder,
        settings=settings,
        records=records,
        levels=ladder,
        common=fidelity.common(ladder),
        best=best,
        at=fidelity.standing(best, settings.levels) if best else None,
        reference=compared(records[0], best, ladder) if best and settings.points and best.id != records[0].id else None,
        importances=refusal(None, "the rows of a table are not sampled") if table else importances(records, ladder),
        data=data(settings),
        environment=_json(folder.root / ENVIRONMENT) or {},
        confirm=_json(folder.root / CONFIRM),
        recipe=table,
    )


def compared(first: Record, best: Record, ladder: Sequence[Level]) -> Comparison | None:
    """None where there is no step that both have a score at."""
    for level in reversed(ladder):
        scores = fidelity.at([first, best], level.step)
        if len(scores) == 2:
            return Comparison(level.step, scores[first.id], scores[best.id])
    return None


def history(records: Sequence[Record], step: int) -> list[tuple[int, float, float]]:
    """(trial's number, its score at that step, the best so far at that step) of the trials that reached it, in their order."""
    found: list[tuple[int, float, float]] = []
    for id, score in fidelity.at(records, step).items():
        found.append((int(id), score, max(score, found[-1][2]) if found else score))
    return found


def searched(records: Sequence[Record]) -> dict[str, list[tuple[Record, Any]]]:
    """Parameter → (trial, value) of the trials that have it; only those that vary."""
    found: dict[str, list[tuple[Record, Any]]] = {}
    for record in records:
        for name, value in record.issued.params.items():
            found.setdefault(name, []).append((record, value))
    return {name: pairs for name, pairs in found.items() if len({str(value) for _, value in pairs}) > 1}


def configuration(facts: Facts) -> dict[str, Any]:
    """Of the best trial, whole."""
    assert facts.best is not None
    return applied(facts.settings.base, facts.best.issued.values).model_dump(mode="json")


def data(settings: Settings) -> dict[str, str]:
    """Data set, labelled split and evaluated split, with content hashes where the data can be read from here."""
    base = settings.base
    found = {"data set": base.data, "labelled": base.labelled, "scored on": scored_on(settings)}
    try:
        found["data set"] += f" · content {load_manifest(base.data, wait=False).content_hash[:16]}"
        found["labelled"] += f" · content {load_labelled_split(base.data, base.labelled).content_hash[:16]}"
    except (DataError, OSError, ValueError):
        found["data set"] += " · not readable from here, so without its hash"
    return found


def scored_on(settings: Settings) -> str:
    report = settings.base.report
    limit = f" (before the last report its first {report.eval_limit} images)" if report.eval_limit else ""
    return f"{report.eval_split}{limit}"


def _json(path: Path) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads(path.read_text())
    except (OSError, json.JSONDecodeError):
        return None
    return found

"""What a campaign over a published table found, beside the paper's figures. From the campaign's folder alone.

The headline is the paper's: the best report of the best single student (or teacher, where the paper scores that), beside
the value of the last report. A difference to the paper stands only where the run is at the paper's scale; rows of one
campaign are compared with one another at any scale, paired by seed.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ctt_ray import methods
from ctt_ray.train.session import SCORE, Metrics
from ctt_ray.tune import recipe, scale
from ctt_ray.tune.folder import Folder, Record, write_text
from ctt_ray.tune.published_text import markdown
from ctt_ray.tune.settings import Settings, applied
from ctt_ray.tune.statistics import Estimate, estimate, paired
from ctt_ray.tune.twins import twin_of
from tune_spaces.recipe import ROW, SEED, Network

FILE = "recipe.md"


@dataclass(frozen=True)
class Score:
    """Of one run: its best report, its last one, and the network that the best is of ('' if the report names none)."""

    best: float
    last: float
    network: str


def summary(folder: Folder, records: Sequence[Record], settings: Settings) -> dict[str, Any] | None:
    """The table as data; None for a campaign that is no recipe's."""
    kept = recipe.read(folder.root)
    if kept is None:
        return None
    scores = {row["key"]: _scores(row, records, settings) for row in kept["rows"]}
    return {
        "name": kept["name"],
        "title": kept["title"],
        "source": kept["source"],
        "network": kept["network"],
        "rows": [_row(kept, row, scores, settings) for row in kept["rows"]],
        "notes": [*kept["notes"], *_twins(records)],
    }


def write(folder: Folder, records: Sequence[Record], settings: Settings) -> None:
    """recipe.md, where the campaign is a recipe's."""
    if found := summary(folder, records, settings):
        write_text(folder.root / FILE, markdown(found))


def _scores(row: Mapping[str, Any], records: Sequence[Record], settings: Settings) -> dict[int, Score]:
    """Seed → score, of every run of the row that came to its end."""
    config = applied(settings.base, row["laid"])
    plan = methods.build(config.method, config.params.model_dump())
    names = {"student": plan.students, "teacher": plan.teachers, "ensemble": ("ensemble",)}[row["network"]]
    ended = (r for r in records if r.issued.params[ROW] == row["key"] and r.outcome and r.outcome.state == "complete")
    found = {int(record.issued.params[SEED]): score(record.lines, row["network"], names) for record in ended}
    return {seed: each for seed, each in found.items() if each is not None}


def score(lines: Sequence[Metrics], network: Network, names: Sequence[str]) -> Score | None:
    """Of the best of these networks at each report. None where the last report does not give their scores."""
    found = [each for line in lines if (each := _best(line, network, names))]
    if not found or not _best(lines[-1], network, names):
        return None
    best = max(found, key=lambda each: each[0])
    return Score(best[0], found[-1][0], best[1])


def _best(line: Metrics, network: Network, names: Sequence[str]) -> tuple[float, str] | None:
    """The best student is the run's own choice, its score: not every student of a method is one to be judged."""
    scored = [(float(line[key]), name) for name in names if (key := f"miou/{name}") in line]
    if network == "student":
        value = float(line[SCORE])
        return value, next((name for its, name in scored if its == value), "")
    return max(scored, default=None)


def _row(
    kept: Mapping[str, Any],
    row: Mapping[str, Any],
    scores: Mapping[str, Mapping[int, Score]],
    settings: Settings,
) -> dict[str, Any]:
    own = scores[row["key"]]
    best = {seed: each.best for seed, each in own.items()}
    marks = scale.marks(kept, row, settings)
    figure = row["figure"]
    comparable = figure is not None and not marks and best
    return {
        **{name: row[name] for name in ("key", "label", "figure", "full", "note")},
        "runs": len(own),
        "best": spread(list(best.values())),
        "last": spread([each.last for each in own.values()]),
        "networks": dict(Counter(each.network for each in own.values() if each.network)),
        "marks": marks,
        "minus_paper": _difference(estimate([value - figure for value in best.values()])) if comparable else None,
        "minus_reference": _against(kept, row, scores),
    }


def spread(values: Sequence[float]) -> dict[str, float | None]:
    """Mean and sample standard deviation, which one value has not."""
    mean = statistics.fmean(values) if values else None
    return {"mean": mean, "sd": statistics.stdev(values) if len(values) > 1 else None}


def _against(
    kept: Mapping[str, Any], row: Mapping[str, Any], scores: Mapping[str, Mapping[int, Score]]
) -> dict[str, Any] | None:
    """The difference to the row's reference, paired by seed, and the paper's own; None where there is no such row."""
    place = {**row["at"], **kept["reference"]}
    other = next((each for each in kept["rows"] if each["at"] == place and each["key"] != row["key"]), None)
    if other is None:
        return None
    figures = row["figure"], other["figure"]
    own, its = ({seed: each.best for seed, each in scores[key].items()} for key in (row["key"], other["key"]))
    paper = None if None in figures else round(figures[0] - figures[1], 2)
    return {"label": other["label"], **_difference(paired(own, its)), "paper": paper}


def _difference(found: Estimate) -> dict[str, Any]:
    return {**asdict(found), "verdict": found.verdict}


def _twins(records: Sequence[Record]) -> list[str]:
    """Rows that differ and gave one curve to the last bit: what tells them apart had no effect in these runs."""
    ended = [record for record in records if record.outcome is not None]
    found: dict[str, None] = {}
    for number, record in enumerate(ended):
        others = [other for other in ended[:number] if other.issued.params[ROW] != record.issued.params[ROW]]
        if other := twin_of(record, others):
            rows = f"'{other.issued.params[ROW]}' and '{record.issued.params[ROW]}'"
            found[f"{rows} have curves that are equal to the last bit: their difference had no effect."] = None
    return list(found)

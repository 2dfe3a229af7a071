"""A campaign's page: the words around the figures, and the template."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
import yaml

from ctt_ray.report import confirmation, costs, figures, look, pseudo, recipe
from ctt_ray.report.facts import Facts, configuration, gather
from ctt_ray.tune import fidelity, results
from ctt_ray.tune.folder import Folder, Record, write_text
from ctt_ray.tune.settings import Settings

NAME = "report.html"
DPI = 160


def write(folder: Folder, settings: Settings, out: Path | None = None, *, png: bool = False) -> list[Path]:
    """Write the page and, with png, its figures beside it (report_curves.png ...). Returns what was written, the page first."""
    page = out or folder.root / NAME
    facts = gather(folder, settings)
    drawn = figures.draw(facts)
    try:
        write_text(page, html(facts, {name: look.svg(figure) for name, figure in drawn.items()}))
        pictures = [page.with_name(f"{page.stem}_{name}.png") for name in drawn] if png else []
        for picture, figure in zip(pictures, drawn.values(), strict=False):
            figure.savefig(picture, dpi=DPI)
    finally:
        figures.close(drawn)
    return [page, *pictures]


def template(name: str) -> jinja2.Template:
    loader = jinja2.PackageLoader("ctt_ray.report")
    return jinja2.Environment(
        loader=loader, autoescape=True, trim_blocks=True, undefined=jinja2.StrictUndefined
    ).get_template(name)


def html(facts: Facts, pictures: dict[str, str]) -> str:
    """pictures: figure → data address; a figure that is not there is left out."""
    names = list(dict.fromkeys(name for record in facts.records for name in record.issued.values))
    return template("campaign.html.j2").render(
        f=facts,
        figures={name: pictures.get(name, "") for name in figures.FIGURES},
        short=results.short,
        standing=_standing(facts),
        peers=_peers(facts),
        comparison=_comparison(facts),
        command=f"python -m ctt_ray.train --config {facts.folder.best}",
        counts=", ".join(f"{count} {state}" for state, count in sorted(facts.counts.items())) or "no trial yet",
        reach=_reach(facts),
        names=names,
        trials=_trials(facts, names),
        diagnosed=pseudo.table(facts.best.lines[-1]) if facts.best else [],
        collapsed=[(r.id, results.state(r), r.iteration, r.collapsed) for r in facts.records if r.collapsed],
        failures=[(r.id, r.outcome.reason) for r in facts.records if r.outcome and r.outcome.state == "failed"],
        limits=limits(facts),
        made_with=_made_with(facts),
        best_yaml=yaml.safe_dump(configuration(facts), sort_keys=False) if facts.best else "",
        **confirmation.shown(facts.confirm),
        **recipe.shown(facts.recipe),
        **costs.shown(facts.folder),
    )


def limits(facts: Facts) -> list[str]:
    """What the reader must not conclude, of this very campaign."""
    left = facts.settings.trials - sum(record.outcome is not None for record in facts.records)
    unfinished = [f"The end: {left} of {facts.settings.trials} trials have not finished."] if left > 0 else []
    if facts.recipe is not None:
        return recipe.limits(facts.recipe) + unfinished
    said = [
        "How much is luck: every trial ran once, all with one seed. Differences of a few tenths between trials may be noise.",
        f"What the best is worth elsewhere: it was chosen as the best of {len(facts.records)} by the same images that it is "
        "scored on, so its score flatters it.",
    ]
    early = sum(1 for record in facts.records if results.state(record) == "pruned")
    if early:
        said.append(
            f"What the {early} trials that were stopped early would have reached: the ladder bets that early order lasts."
        )
    if facts.importances.weights:
        said.append(
            f"Cause: importances describe {facts.importances.trials} trials that a sampler chose, at iteration "
            f"{facts.importances.step}; what matters at full length may differ."
        )
    said += unfinished
    if facts.confirm is None:
        name = facts.folder.root
        said.append(
            f"Whether the best holds: python -m ctt_ray.tune confirm {name} repeats it over seeds on unseen images."
        )
    return said


def _standing(facts: Facts) -> str:
    finished = sum(record.outcome is not None for record in facts.records)
    return f"{finished} of {facts.settings.trials} trials finished"


def _peers(facts: Facts) -> str:
    if facts.at is None:
        return ""
    count = len(fidelity.at(facts.records, facts.at.step))
    return f"{count} of {len(facts.records)} trials"


def _comparison(facts: Facts) -> str:
    """The best against the first trial, at the highest step that both have."""
    if facts.best is not None and facts.records and facts.best.id == facts.records[0].id and facts.settings.points:
        return "It is the space's first point, its defaults."
    if facts.reference is None:
        return ""
    found = facts.reference
    where = "" if facts.at and found.step == facts.at.step else ", the furthest that both have been"
    return (
        f"The space's defaults (trial {facts.records[0].id}) have {found.first:.2f} at iteration {found.step}{where}; "
        f"there it has {found.best:.2f}."
    )


def _reach(facts: Facts) -> list[dict[str, Any]]:
    most = max(1, len(facts.records))
    rows = []
    for level in facts.levels:
        scores = fidelity.at(facts.records, level.step).values()
        rows.append(
            {
                "step": level.step,
                "reached": level.reached,
                "share": 100 * level.reached / most,
                "best": results.number(max(scores, default=None)),
            }
        )
    return rows


def _trials(facts: Facts, names: Sequence[str]) -> list[dict[str, Any]]:
    ranked = results.ranking(facts.records, facts.settings.levels)
    rest = [record for record in facts.records if record not in ranked]
    return [_trial(facts, record, names) for record in [*ranked, *rest]]


def _trial(facts: Facts, record: Record, names: Sequence[str]) -> dict[str, Any]:
    return {
        "id": record.id,
        "best": facts.best is not None and record.id == facts.best.id,
        "state": results.state(record),
        "iteration": record.iteration,
        "miou": results.number(fidelity.last(record)),
        "common": results.number(fidelity.score_at(record, facts.common.step)) if facts.common else "",
        "cells": [results.short(record.issued.values.get(name)) for name in names],
    }


def _made_with(facts: Facts) -> list[tuple[str, str]]:
    settings, ran_on = facts.settings, facts.environment
    rows = [
        *facts.data.items(),
        ("seed", f"{settings.seed}, of the sampler and of every run" if facts.recipe is None else "each row's"),
        ("search", f"{settings.sampler}, {settings.scheduler}, levels {', '.join(map(str, settings.levels))}"),
    ]
    if not ran_on:
        return [*rows, ("environment", "not recorded")]
    packages = ", ".join(f"{name} {version}" for name, version in ran_on.get("packages", {}).items())
    return [
        *rows,
        ("machine", f"{ran_on.get('processor')}, {ran_on.get('cores')} cores, {ran_on.get('system')}"),
        ("room", "; ".join(" ".join(line.split()) for line in ran_on.get("room", []))),
        ("versions", f"Python {ran_on.get('python')}, {packages}"),
    ]

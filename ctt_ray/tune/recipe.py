"""A campaign over a published table: which rows and seeds are asked for, whether they can be run, what is kept of the table.

`recipe.json` in the campaign's folder holds the rows with the paper's figures, the paper's protocol and the data's identity,
so that the result is whole without the recipe's code and without the data.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ctt_ray import methods
from ctt_ray.config import ConfigError
from ctt_ray.tune.folder import write_json
from ctt_ray.tune.settings import Settings
from data_prep.schema import SPLITS, DataError, LabelledSplit, load_labelled_split, load_manifest
from data_prep.store import small
from tune_spaces import Space, SpaceError
from tune_spaces.recipe import ALL, ROW, SEEDS, Recipe, Row

FILE = "recipe.json"
SAMPLER, SCHEDULER = "random", "none"  # every point is known, and each runs to its end
SHRUNK = "short_side"  # of a data set's options


def asked(space: Space, *, only: Sequence[str], seeds: int | None, first: int, given: Collection[str]) -> Space:
    """The space with the rows and seeds that are asked for as its points; one that is no recipe as it is.

    first: the lowest seed · given: values that the user sets for all rows. Raises ConfigError."""
    recipe = space.recipe
    if recipe is None:
        if only or seeds is not None:
            raise ConfigError(f"--only and --seeds are for recipes; '{space.name}' is a space to search")
        return space
    try:
        rows = recipe.only(_wanted(only))
    except SpaceError as error:
        raise ConfigError(f"--only: {error}") from None
    _check_methods(recipe, rows)
    for name in given:
        _check_given(recipe, rows, name)
    recipe = replace(recipe, given=frozenset(given))
    points = recipe.points(rows, range(first, first + (SEEDS if seeds is None else seeds)))
    return replace(space, points=points, trials=len(points), recipe=recipe, suggest=recipe.suggest)


def grown(space: Space, stored: Settings | None) -> Space:
    """What the campaign was started with stays, in its order; rows and seeds that are new follow."""
    if space.recipe is None or stored is None:
        return space
    before = tuple(stored.points)
    points = (*before, *(point for point in space.points if point not in before))
    return replace(space, points=points, trials=len(points))


def content(space: Space, data: str, labelled: str) -> dict[str, Any] | None:
    """What recipe.json holds; None for a space that is no recipe. Raises DataError for a labelled split that is missing."""
    recipe = space.recipe
    if recipe is None:
        return None
    rows = [recipe.row(key) for key in dict.fromkeys(str(point[ROW]) for point in space.points)]
    found, splits = _looked_at(recipe, rows, data, labelled if "labelled" in recipe.given else "")
    return {
        "name": space.name,
        **{name: getattr(recipe, name) for name in ("title", "source", "network")},
        "base": dict(recipe.base),
        "pool": asdict(recipe.pool),
        "reference": dict(recipe.reference),
        "apart": dict(recipe.apart),
        "notes": list(recipe.notes),
        "rows": [_row(recipe, row) for row in rows],
        "data": found,
        "splits": splits,
    }


def read(folder: Path) -> dict[str, Any] | None:
    """What the campaign in this folder kept of its table; None if it is no recipe's."""
    path = folder / FILE
    found: dict[str, Any] | None = json.loads(path.read_text()) if path.is_file() else None
    return found


def write(folder: Path, kept: Mapping[str, Any] | None) -> None:
    if kept is not None:
        write_json(folder / FILE, kept)


def _wanted(texts: Sequence[str]) -> dict[str, list[str]]:
    """AXIS=CHOICE texts: those of one axis are alternatives."""
    found: dict[str, list[str]] = {}
    for text in texts:
        axis, equals, choice = text.partition("=")
        if not equals:
            raise ConfigError(f"--only {text}: write AXIS=CHOICE, for example --only method=ctt labelled=1/30")
        found.setdefault(axis, []).append(choice)
    return found


def _check_methods(recipe: Recipe, rows: Sequence[Row]) -> None:
    lacking = {
        row.values["method"]: row.label.partition(" · ")[0]
        for row in rows
        if row.values["method"] not in methods.METHODS
    }
    if not lacking:
        return
    axis = next(iter(recipe.rows[0].at))
    there = dict.fromkeys(f"{axis}={row.at[axis]}" for row in rows if row.values["method"] in methods.METHODS)
    hint = f"to leave such rows out: --only {' '.join(there)}" if there else "none of these rows can be run yet"
    named = ", ".join(f"'{method}' ({label})" for method, label in lacking.items())
    raise ConfigError(f"{recipe.title}: there is no method {named}; {hint}")


def _check_given(recipe: Recipe, rows: Sequence[Row], name: str) -> None:
    """A value can be given for all rows unless they are told apart by it."""
    values = list(dict.fromkeys(own[name] for row in rows if name in (own := recipe.values(row))))
    if len(values) > 1:
        flag = "--labelled" if name == "labelled" else f"--set {name}"
        raise ConfigError(
            f"{flag}: the rows differ in it ({', '.join(map(str, values))}); choose rows of one with --only"
        )


def _looked_at(recipe: Recipe, rows: Sequence[Row], data: str, labelled: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The data set's identity and its splits'."""
    manifest = load_manifest(data)
    sizes = {name: split.rows for name, split in manifest.splits.items()}
    found = {
        "content_hash": manifest.content_hash,
        "train": sizes.get("train", 0),
        "val": sizes.get("val", 0),
        "classes": len(manifest.classes),
        SHRUNK: manifest.options.get(SHRUNK),
    }
    names = [labelled] if labelled else [row.split for row in rows]
    splits = {name: _split(recipe, data, name) for name in dict.fromkeys(names) if name != ALL}
    return found, {name: _identity(split) for name, split in splits.items()}


def _identity(split: LabelledSplit) -> dict[str, Any]:
    return {"count": len(split.ids), "rule": split.rule, "content_hash": split.content_hash}


def _split(recipe: Recipe, data: str, name: str) -> LabelledSplit:
    known = recipe.splits.get(name)
    if known is None or small.read(data, f"{SPLITS}/{name}.json") is not None:
        return load_labelled_split(data, name)
    where = f" with FILE one of {known.published}" if known.published else ""
    raise DataError(
        f"{recipe.title}: no labelled split '{name}' in {data}. Make it with `{known.command(data, name)}`{where}."
    )


def _row(recipe: Recipe, row: Row) -> dict[str, Any]:
    known = recipe.splits.get(row.split)
    labels = asdict(known) if known else None
    return {
        **asdict(row),
        "key": row.key,
        "laid": recipe.values(row),
        "labels": labels,
        "network": row.network or recipe.network,
    }

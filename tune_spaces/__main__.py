"""`python -m tune_spaces [NAME]`: print a space, or list them. `python -m ctt_ray.tune --space NAME` runs one."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from tune_spaces import NAMES, RECIPES, Axis, Space, SpaceError, load, walk
from tune_spaces.recipe import Recipe
from tune_spaces.space import Params
from tune_spaces.text import aligned


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tune_spaces", description=__doc__)
    parser.add_argument("name", nargs="?", help=f"{', '.join((*NAMES, *RECIPES))}, or the path of a space file (.py)")
    name = parser.parse_args(argv).name
    try:
        print(describe(load(name)) if name else "\n".join(listed()))
    except SpaceError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def listed() -> list[str]:
    """A line a space, then a line a recipe."""
    wide = max(map(len, (*NAMES, *RECIPES)))
    return [f"{each:<{wide}} {load(each).about}" for each in (*NAMES, *RECIPES)]


def describe(space: Space) -> str:
    """The space in plain text: parameters with their ranges and first points, computed values, ladder, base values; of a
    recipe its rows with the paper's figures."""
    if space.recipe is not None:
        return "\n".join([f"{space.name}: {space.about}", "", *table(space.recipe, space)])
    lines = [f"{space.name}: {space.about}", "", *parameters(space)]
    if computed := space.derived():
        lines += ["", "computed"]
        width = max(len(value.name) for value in computed)
        lines += [f"  {value.name:<{width}}  {_origin(value, space)}" for value in computed]
    ladder = space.fidelity
    iterations = int(space.base["iterations"])
    rungs = ladder.rungs(iterations, ladder.report_every(iterations))
    lines += ["", f"ladder  {iterations:,} steps, a report every {ladder.report_every(iterations):,}; "]
    lines[-1] += f"stopped early at {', '.join(f'{r:,}' for r in rungs)} unless among the best 1/{ladder.reduction}"
    lines += ["", "base"] + [f"  {key:<18} {value}" for key, value in space.base.items()]
    return "\n".join(lines)


def table(recipe: Recipe, space: Space) -> list[str]:
    """A line a row: how --only calls it, its split, the paper's figure, its values; then protocol and notes."""
    axes = list(recipe.rows[0].at)
    head = ["row", *axes, "labelled split", "paper, mIoU %", "values", "note"]
    rows = [
        [row.label, *(row.at[axis] for axis in axes), row.split, "-" if row.figure is None else f"{row.figure:.2f}"]
        + [", ".join(f"{name} {show(value)}" for name, value in row.values.items()), row.note]
        for row in recipe.rows
    ]
    lines = [recipe.title, recipe.source, "", *aligned([head, *rows]), "", "protocol"]
    lines += [f"  {key:<18} {value}" for key, value in space.base.items()]
    lines += [f"  {name}: the paper has {words}" for name, words in recipe.apart.items()]
    return [*lines, "", *(f"* {note}" for note in recipe.notes)]


def parameters(space: Space) -> list[str]:
    """A table: a line a parameter, with the points that are tried first as its last columns."""
    axes = space.axes()
    head = ["searched", "range", "scale", "when", *(f"tried first: {n}" for n in range(len(space.points)))]
    if len(space.points) > 1:
        head[5:] = [str(n) for n in range(1, len(space.points))]
    rows = [
        [axis.name, axis.span(), axis.scale(), axis.when]
        + [show(point[axis.name]) if _asks(space, point, axis) else "-" for point in space.points]
        for axis in axes
    ]
    return aligned([head, *rows])


def _asks(space: Space, point: Params, axis: Axis) -> bool:
    """Whether this parameter, with this range, is asked for on the way of that point."""
    asked = walk.answered(space.suggest, lambda each: point[each.name]).axes.get(axis.name)
    return asked is not None and asked == axis.under("")


def _origin(value: walk.Derived, space: Space) -> str:
    origin = f"from {', '.join(value.sources)}" if value.sources else "always the same"
    for number, point in enumerate(space.points):
        if value.name in (found := space.values(point)):
            return f"{origin} (point {number}: {show(found[value.name])})"
    return origin


def show(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    sys.exit(main())

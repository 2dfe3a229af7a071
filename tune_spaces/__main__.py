"""`python -m tune_spaces [NAME]`: print a space, or list them. `python -m ctt_ray.tune --space NAME` runs one."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from tune_spaces import NAMES, Axis, Space, SpaceError, load, walk
from tune_spaces.space import Params


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tune_spaces", description=__doc__)
    parser.add_argument("name", nargs="?", help=f"{', '.join(NAMES)}, or the path of a space file (.py)")
    name = parser.parse_args(argv).name
    try:
        print(describe(load(name)) if name else "\n".join(f"{each:<12} {load(each).about}" for each in NAMES))
    except SpaceError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def describe(space: Space) -> str:
    """The space in plain text: parameters with their ranges and first points, computed values, ladder, base values."""
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


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """The rows with their columns padded to one width each; columns that are empty below their head are left out."""
    kept = [n for n in range(len(rows[0])) if any(row[n] for row in rows[1:])]
    widths = {n: max(len(row[n]) for row in rows) for n in kept}
    return ["  ".join(f"{row[n]:<{widths[n]}}" for n in kept).rstrip() for row in rows]


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

"""`python -m tune_spaces [NAME]`: print a space, or list them. `python -m ctt_ray.tune --space NAME` runs one."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from tune_spaces import NAMES, Space, SpaceError, load


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
    """The space in plain text: parameters, first points, ladder, base values."""
    width = max(len(axis.name) for axis in space.axes())
    lines = [f"{space.name}: {space.about}", "", "searched"]
    lines += [
        f"  {axis.name:<{width}}  {axis.describe()}" + (f"   (when {axis.when})" if axis.when else "")
        for axis in space.axes()
    ]
    lines += ["", "tried first"]
    lines += [
        f"  {n}  " + "  ".join(f"{key} {show(value)}" for key, value in point.items())
        for n, point in enumerate(space.points)
    ]
    ladder = space.fidelity
    iterations = int(space.base["iterations"])
    rungs = ladder.rungs(iterations, ladder.report_every(iterations))
    lines += ["", f"ladder  {iterations:,} steps, a report every {ladder.report_every(iterations):,}; "]
    lines[-1] += f"stopped early at {', '.join(f'{r:,}' for r in rungs)} unless among the best 1/{ladder.reduction}"
    lines += ["", "base"] + [f"  {key:<18} {value}" for key, value in space.base.items()]
    return "\n".join(lines)


def show(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    sys.exit(main())

"""Which share of the headroom each row of a recipe closes, as a Markdown table.

python -m benchmarks.headroom campaigns/all [campaigns/more ...] [--reference sup]

Headroom is what all labels score above a few, the reference both times. A run's score is its last report's: of a method with
several students their mean, which favours nobody; teachers and ensemble stand beside it. Rows of a recipe whose columns are not
label counts stand in one table; without runs on all labels no share is given.
"""

from __future__ import annotations

import argparse
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from ctt_ray.tune import recipe
from ctt_ray.tune.folder import Folder
from tune_spaces.recipe import ALL, ROW, SEED

Scores = dict[int, dict[str, float]]  # seed → what the last report says
LABELS = "labelled"  # the axis of label counts, where a recipe has it
SCORE = "miou/student_mean"
SHOWN = {SCORE: "students", "miou/teacher_mean": "teachers", "miou/ensemble": "ensemble"}


def scores(folders: Sequence[Path]) -> tuple[dict[str, Mapping[str, str]], dict[str, Scores]]:
    """Row → its place, and row → its runs that came to their end."""
    places: dict[str, Mapping[str, str]] = {}
    found: dict[str, Scores] = defaultdict(dict)
    for root in folders:
        kept = recipe.read(root) or {"rows": []}
        places |= {row["key"]: row["at"] for row in kept["rows"]}
        for record in Folder(root).records():
            if record.outcome and record.outcome.state == "complete":
                last = {key: float(value) for key, value in record.lines[-1].items() if key.startswith("miou")}
                found[record.issued.params[ROW]][int(record.issued.params[SEED])] = last
    return places, found


def spread(values: Sequence[float]) -> str:
    if not values:
        return ""
    return f"{statistics.fmean(values):.1f}" + (f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else "")


def table(folders: Sequence[Path], reference: str) -> list[str]:
    places, found = scores(folders)
    bound: Scores = next((runs for key, runs in found.items() if places[key].get(LABELS) == ALL), {})
    lines = []
    for column in dict.fromkeys(places[key].get(LABELS, "") for key in found if places[key].get(LABELS) != ALL):
        rows = {_name(places[key]): runs for key, runs in found.items() if places[key].get(LABELS, "") == column}
        few = rows[reference]
        lines += ["", f"| {column} | runs | {' | '.join(SHOWN.values())} | minus {reference} | share of the headroom |"]
        lines += ["|---" * (4 + len(SHOWN)) + "|"]
        for name, runs in sorted(rows.items(), key=lambda row: -statistics.fmean(_students(row[1]))):
            lines.append(_line(name, runs, few, bound))
        if bound:
            lines.append(_line(f"{reference}, all labels", bound, few, bound))
    return lines


def _name(place: Mapping[str, str]) -> str:
    return " ".join(value for axis, value in place.items() if axis != LABELS)


def _line(method: str, runs: Scores, few: Scores, bound: Scores) -> str:
    """The difference is paired by seed."""
    gains = [runs[seed][SCORE] - few[seed][SCORE] for seed in sorted(runs.keys() & few.keys())]
    cells = [spread([run[key] for run in runs.values() if key in run]) for key in SHOWN]
    return f"| {method} | {len(runs)} | {' | '.join(cells)} | {spread(gains)} | {_share(gains, few, bound)} |"


def _share(gains: Sequence[float], few: Scores, bound: Scores) -> str:
    """Of a headroom that is more than the noise of either end; else there is nothing to have a share of."""
    if not bound:
        return "–"
    ends = [_students(few), _students(bound)]
    headroom = statistics.fmean(ends[1]) - statistics.fmean(ends[0])
    noise = max(statistics.stdev(end) if len(end) > 1 else 0.0 for end in ends)
    return f"{statistics.fmean(gains) / headroom:.0%}" if headroom > noise else "–"


def _students(runs: Scores) -> list[float]:
    return [run[SCORE] for run in runs.values()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--reference", default="supervised", help="the row that the others are compared with")
    args = parser.parse_args()
    print("\n".join(table(args.folders, args.reference)))


if __name__ == "__main__":
    main()

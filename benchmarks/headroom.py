"""Which share of the headroom each row of a recipe closes, as a Markdown table.

python -m benchmarks.headroom campaigns/all [campaigns/more ...]

Headroom is what all labels score above a few, `supervised` both times. A run's score is its last report's: of a method with
several students their mean, which favours nobody, and beside it what the paper of that kind of method reports.
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
SHOWN = {"miou/student_mean": "students", "miou/teacher_mean": "teachers", "miou/ensemble": "ensemble"}


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


def table(folders: Sequence[Path]) -> list[str]:
    places, found = scores(folders)
    bound = next(runs for key, runs in found.items() if places[key]["labelled"] == ALL)
    lines = []
    for column in dict.fromkeys(place["labelled"] for place in places.values() if place["labelled"] != ALL):
        lines += ["", f"| {column} | runs | {' | '.join(SHOWN.values())} | minus supervised | share of the headroom |"]
        lines += ["|---" * (5 + len(SHOWN) - 1) + "|"]
        rows = {places[key]["method"]: runs for key, runs in found.items() if places[key]["labelled"] == column}
        for method, runs in sorted(rows.items(), key=lambda row: -_mean(row[1])):
            lines.append(_line(method, runs, rows["supervised"], bound))
        lines.append(_line("supervised, all labels", bound, rows["supervised"], bound))
    return lines


def _line(method: str, runs: Scores, few: Scores, bound: Scores) -> str:
    """Differences are paired by seed, over the seeds that both ends of the headroom have too."""
    shared = sorted(runs.keys() & few.keys() & bound.keys())
    gains = [runs[seed]["miou/student_mean"] - few[seed]["miou/student_mean"] for seed in shared]
    headroom = statistics.fmean(bound[seed]["miou/student_mean"] - few[seed]["miou/student_mean"] for seed in shared)
    cells = [spread([run[key] for run in runs.values() if key in run]) for key in SHOWN]
    share = f"{statistics.fmean(gains) / headroom:.0%}" if headroom > 0 else "none to close"
    return f"| {method} | {len(runs)} | {' | '.join(cells)} | {spread(gains)} | {share} |"


def _mean(runs: Scores) -> float:
    return statistics.fmean(run["miou/student_mean"] for run in runs.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    print("\n".join(table(parser.parse_args().folders)))


if __name__ == "__main__":
    main()

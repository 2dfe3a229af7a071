"""The campaign's figures. Each takes facts and gives a figure, or None where there is nothing to show."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ctt_ray.report.facts import Facts, history, searched
from ctt_ray.report.importance import is_log
from ctt_ray.report.look import BLUE, FAINT, INK, ORANGE, QUIET, blank, styled
from ctt_ray.train.session import SCORE
from ctt_ray.tune import fidelity
from ctt_ray.tune.folder import Record
from ctt_ray.tune.results import state

MOST_LEVELS = 4  # panels of the history, the highest levels
COLUMNS = 3  # of the scatter's panels
WIDE = 18  # letters of names that still fit side by side under a panel


def curves(facts: Facts) -> Figure | None:
    """All trials' scores over iterations; those stopped early end, with a dot, where they were stopped."""
    drawn = [record for record in facts.records if any(_finite(line[SCORE]) for line in record.lines)]
    if not drawn:
        return None
    figure, (axis,) = blank(1, 1, 3.4)
    for level in facts.levels:
        axis.axvline(level.step, color=FAINT, linewidth=0.6, zorder=0)
        axis.annotate(
            f"{level.reached}", (level.step, 1.0), xycoords=("data", "axes fraction"), ha="center", color=QUIET
        )
    axis.annotate("trials with a score here", (0.0, 1.0), xycoords="axes fraction", color=QUIET, va="bottom")
    for record in sorted(drawn, key=lambda record: record is facts.best):
        _curve(axis, record, best=facts.best is not None and record.id == facts.best.id)
    axis.set(xlabel="iteration", ylabel="mIoU, %", xlim=(0, facts.settings.iterations * 1.1))
    axis.set_ylim(bottom=0)
    return figure


def _curve(axis: Axes, record: Record, *, best: bool) -> None:
    points = [(int(line["iteration"]), float(line[SCORE])) for line in record.lines if _finite(line[SCORE])]
    steps, scores = zip(*points, strict=True)
    complete, failed = state(record) == "complete", state(record) == "failed"
    color = ORANGE if best else BLUE if complete else QUIET
    axis.plot(
        steps,
        scores,
        color=color,
        linewidth=2.0 if best else 0.9,
        alpha=1.0 if best or complete else 0.7,
        linestyle=(0, (1, 1.5)) if failed else "-",
        marker="o" if len(steps) == 1 else None,
        markersize=2.5,
    )
    axis.plot(steps[-1], scores[-1], "x" if failed else "o", color=color, markersize=5 if best else 3)
    if best:
        axis.annotate(
            f"  {record.id}  {scores[-1]:.1f}", (steps[-1], scores[-1]), color=ORANGE, va="center", weight="bold"
        )


def best_so_far(facts: Facts) -> Figure | None:
    """A panel a level: each trial's score there, in the order of the trials, and the best until then."""
    levels = [level for level in facts.levels if level.reached][-MOST_LEVELS:]
    if not levels:
        return None
    figure, axes = blank(1, len(levels), 2.4)
    top = max(score for level in levels for _, score, _ in history(facts.records, level.step))
    for axis, level in zip(axes, levels, strict=True):
        numbers, scores, best = zip(*history(facts.records, level.step), strict=True)
        axis.scatter(numbers, scores, s=9, color=QUIET, linewidths=0)
        last = len(facts.records) - 1
        axis.step([*numbers, max(last, numbers[-1])], [*best, best[-1]], where="post", color=BLUE)
        axis.annotate(f"{best[-1]:.1f}", (1.0, best[-1]), xycoords=("axes fraction", "data"), color=BLUE, va="center")
        axis.set(title=f"at iteration {level.step}: {level.reached} trials", xlabel="trial", xlim=(-0.5, last + 0.5))
        axis.set_ylim(0, top * 1.08 or 1)
        axis.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes[0].set_ylabel("mIoU, %")
    for axis in axes[1:]:
        axis.tick_params(labelleft=False)
    return figure


def importance(facts: Facts) -> Figure | None:
    """Bars with their share; the thin line is how far it moves when a few trials are left out."""
    found = facts.importances
    if not found.weights:
        return None
    names = list(found.weights)[::-1]
    figure, (axis,) = blank(1, 1, 0.55 + 0.24 * len(names))
    shares = [100 * found.weights[name] for name in names]
    axis.barh(names, shares, color=BLUE, alpha=0.35, height=0.6)
    for row, name in enumerate(names):
        low, high = 100 * found.low[name], 100 * found.high[name]
        axis.plot([low, high], [row, row], color=INK, linewidth=0.9, solid_capstyle="butt")
        axis.annotate(f"  {shares[row]:.0f} %", (max(high, shares[row]), row), va="center", color=INK)
    axis.set_xlim(0, 1.12 * max(100 * value for value in found.high.values()))
    axis.spines[["left", "bottom"]].set_visible(False)
    axis.tick_params(left=False, bottom=False, labelbottom=False)
    return figure


def scatter(facts: Facts) -> Figure | None:
    """Each parameter that took several values against the score at the level where many are compared."""
    scores = fidelity.at(facts.records, facts.common.step) if facts.common else {}
    panels = {name: [(r, v) for r, v in pairs if r.id in scores] for name, pairs in searched(facts.records).items()}
    panels = {name: pairs for name, pairs in panels.items() if len({value for _, value in pairs}) > 1}
    if not panels:
        return None
    rows = math.ceil(len(panels) / COLUMNS)
    figure, axes = blank(rows, COLUMNS, 1.75 * rows)
    for index, (axis, (name, pairs)) in enumerate(zip(axes, panels.items(), strict=False)):
        _panel(axis, facts, pairs, scores)
        axis.set_xlabel(name, labelpad=1)
        axis.set_ylim(0, 1.08 * max(scores.values()) or 1)
        axis.tick_params(labelleft=index % COLUMNS == 0)
        if index % COLUMNS == 0:
            axis.set_ylabel("mIoU, %")
    for axis in axes[len(panels) :]:
        axis.set_axis_off()
    return figure


def _panel(axis: Axes, facts: Facts, pairs: list[tuple[Record, Any]], scores: dict[str, float]) -> None:
    values = [value for _, value in pairs]
    numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    names = sorted({str(value) for value in values})
    for record, value in pairs:
        at = value if numeric else names.index(str(value))
        best = facts.best is not None and record.id == facts.best.id
        axis.scatter(
            at, scores[record.id], s=30 if best else 14, color=ORANGE if best else BLUE, alpha=0.9, linewidths=0
        )
    if not numeric:
        axis.set_xticks(range(len(names)), names, rotation=20 if sum(map(len, names)) > WIDE else 0)
        axis.set_xlim(-0.6, len(names) - 0.4)
    elif is_log(values):
        axis.set_xscale("log")
    else:
        axis.locator_params(axis="x", nbins=4)


def _finite(value: float | int | str) -> bool:
    return math.isfinite(float(value))


FIGURES: dict[str, Callable[[Facts], Figure | None]] = {
    "curves": curves,
    "best_so_far": best_so_far,
    "importances": importance,
    "parameters": scatter,
}


def draw(facts: Facts) -> dict[str, Figure]:
    """Those of the figures that there is something to show for. The caller closes them."""
    with styled():
        drawn = {name: figure(facts) for name, figure in FIGURES.items()}
    return {name: figure for name, figure in drawn.items() if figure is not None}


def close(drawn: dict[str, Figure]) -> None:
    for figure in drawn.values():
        plt.close(figure)

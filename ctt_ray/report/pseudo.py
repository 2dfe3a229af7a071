"""Figures of what a run's teachers said: how sure and how right, which classes, how alike. Only what was measured is drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ctt_ray.report.look import BLUE, FAINT, GREEN, INK, ORANGE, QUIET, blank
from ctt_ray.train.session import Metrics

COLORS = (BLUE, ORANGE, GREEN, "#cc79a7", "#56b4e9", "#e69f00", QUIET)
ROW = 0.19  # inches of a class's line
WORDS = {
    "pseudo/coverage": "pixels with a sure label",
    "pseudo/accuracy": "right",
    "pseudo/accuracy_sure": "right, of the sure",
    "pairs/agree": "labelled alike by two teachers",
    "pairs/common_error": "wrong in both, of one's wrong",
}
MOST = 40  # classes with names of their own; further ones are left out, the rarest of the labels first

Points = list[tuple[int, float]]


def draw(lines: Sequence[Metrics]) -> dict[str, Figure]:
    """Name → figure, of those that there is something to show for. Close them."""
    found = {name: figure(lines) for name, figure in FIGURES.items()} if lines else {}
    return {name: figure for name, figure in found.items() if figure is not None}


def table(line: Metrics) -> list[tuple[str, str]]:
    """A report's diagnostics in words and numbers: the worst class and pair, not all. Nothing where nothing was measured."""
    found = [(said, f"{float(line[key]):.1%}") for key, said in WORDS.items() if key in line]
    precision, said, apart = (
        _under(line, "pseudo/precision"),
        _under(line, "pseudo/predicted"),
        _under(line, "pairs/distance"),
    )
    if precision:
        worst = min(precision, key=lambda name: precision[name])
        found.append((f"right least often: {worst}", f"{precision[worst]:.1%}"))
    if never := [name for name, share in said.items() if share == 0]:
        found.append((f"never said: {', '.join(never)}", f"{len(never)} of {len(said)}"))
    if apart:
        nearest = min(apart, key=lambda pair: apart[pair])
        found.append((f"weights of the nearest students ({nearest}) apart", f"{apart[nearest]:.3g}"))
    return found


def sureness(lines: Sequence[Metrics]) -> Figure | None:
    """How many pseudo-labels pass the threshold, and how many are right, over iterations."""
    names = {"pseudo/coverage": "sure", "pseudo/accuracy": "right", "pseudo/accuracy_sure": "right, of the sure"}
    drawn = [(name, points) for key, name in names.items() if (points := _points(lines, key))]
    if not drawn:
        return None
    figure, (axis,) = blank(1, 1, 2.6)
    _curves(axis, drawn, lines)
    axis.set(ylabel="share of the pixels", ylim=(0, 1.02))
    return figure


def classes(lines: Sequence[Metrics]) -> Figure | None:
    """Of the last report that has them: each class's precision, and its share of the pseudo-labels beside that of the labels."""
    last = next((line for line in reversed(lines) if _under(line, "pseudo/predicted")), None)
    if last is None:
        return None
    said, labelled = _under(last, "pseudo/predicted"), _under(last, "labels/share")
    precision = _under(last, "pseudo/precision")
    names = sorted(said, key=lambda name: -labelled.get(name, 0.0))[:MOST]
    figure, (left, right) = blank(1, 2, 0.9 + ROW * len(names))
    rows = range(len(names))
    left.barh(rows, [precision.get(name, 0.0) for name in names], color=BLUE, height=0.7)
    for row, name in enumerate(names):
        if name not in precision:
            left.annotate(" never said" if not said[name] else " truth not known", (0, row), color=QUIET, va="center")
    left.set(xlim=(0, 1), yticks=rows, yticklabels=names, title="right, of the pixels said to be of a class")
    right.barh([row - 0.18 for row in rows], [said[name] for name in names], color=BLUE, height=0.36)
    right.barh([row + 0.18 for row in rows], [labelled.get(name, 0.0) for name in names], color=FAINT, height=0.36)
    right.set(yticks=[], title="share of pseudo-labels (blue), labels (grey)")
    for axis in (left, right):
        axis.set_ylim(len(names) - 0.5, -0.5)
        axis.tick_params(left=False)
    return figure


def confidence(lines: Sequence[Metrics]) -> Figure | None:
    """The teachers' confidence in tenths, a column a report."""
    names = sorted(_under(lines[-1], "pseudo/confidence"), key=float)
    shown = [line for line in lines if _under(line, "pseudo/confidence")]
    if not names:
        return None
    figure, (axis,) = blank(1, 1, 2.6)
    shares = [[float(line.get(f"pseudo/confidence/{name}", 0.0)) for line in shown] for name in names]
    labels = [f"{name} to {float(name) + 1 / len(names):g}" for name in names]
    _map(axis, shares, labels, shown, top=1.0, what="share of the pixels")
    axis.invert_yaxis()
    axis.set_ylabel("confidence")
    return figure


def queues(lines: Sequence[Metrics]) -> Figure | None:
    """Rows in each class's queue, of the emptiest bank, a column a report; a line where the gate opened."""
    names = list(dict.fromkeys(_queue(key) for key in lines[-1] if key.startswith("bank/fill/")))
    if not names:
        return None
    rows = [[min(_rows(line, name), default=0.0) for line in lines] for name in names]
    kept = sorted(
        sorted(range(len(names)), key=lambda index: rows[index][-1])[:MOST]
    )  # the emptiest, in the data set's order
    figure, (axis,) = blank(1, 1, 0.9 + ROW * len(kept))
    top = max(1.0, *(value for row in rows for value in row))
    _map(axis, [rows[i] for i in kept], [names[i] for i in kept], lines, top=top, what="rows")
    opened = int(lines[-1].get("bank/opened_at", -1))
    if opened >= 0:
        place = sum(int(line["iteration"]) < opened for line in lines) - 0.5
        axis.axvline(place, color=ORANGE, linewidth=1.4)
        said = f"open since {opened}"
        axis.annotate(said, (place, 1.0), xycoords=("data", "axes fraction"), color=ORANGE, ha="center", va="bottom")
    return figure


def likeness(lines: Sequence[Metrics]) -> Figure | None:
    """How much networks differ: in what they say of the unlabelled images, and in their weights."""
    keys = list(dict.fromkeys(key for line in lines for key in line))
    said = [(_who(key), _points(lines, key)) for key in keys if key.startswith("follow/disagree/")]
    agree = [(at, 1 - value) for at, value in _points(lines, "pairs/agree")]
    said += [("teachers", agree)] if agree else []
    apart = [(_who(key), _points(lines, key)) for key in keys if "/distance/" in key]
    panels = [
        (title, drawn)
        for title, drawn in (("other label, share of the pixels", said), ("weights apart", apart))
        if drawn
    ]
    if not panels:
        return None
    figure, axes = blank(1, len(panels), 2.6)
    for axis, (title, drawn) in zip(axes, panels, strict=True):
        _curves(axis, drawn, lines)
        axis.set_title(title)
        axis.set_ylim(bottom=0)
    return figure


def _curves(axis: Axes, drawn: Sequence[tuple[str, Points]], lines: Sequence[Metrics]) -> None:
    """Each named at its end; names that would lie on each other are moved apart."""
    ends = sorted(range(len(drawn)), key=lambda index: drawn[index][1][-1][1])
    for index, (_, points) in enumerate(drawn):
        axis.plot(*zip(*points, strict=True), color=COLORS[index % len(COLORS)], marker="o", markersize=2.5)
    span = (max(value for _, points in drawn for _, value in points) or 1.0) * 0.085
    at = -1.0
    for index in ends:
        name, points = drawn[index]
        at = max(points[-1][1], at + span)
        axis.annotate(
            f"  {name}", (points[-1][0], at), color=COLORS[index % len(COLORS)], va="center", annotation_clip=False
        )
    axis.set(xlabel="iteration", xlim=(0, 1.3 * int(lines[-1]["iteration"])))


def _map(
    axis: Axes,
    rows: Sequence[Sequence[float]],
    names: Sequence[str],
    lines: Sequence[Metrics],
    *,
    top: float,
    what: str,
) -> None:
    """A row a name, a column a report."""
    image = axis.imshow(rows, aspect="auto", cmap="Blues", vmin=0, vmax=top, interpolation="nearest")
    axis.set_yticks(range(len(names)), names)
    step = max(1, len(lines) // 8)
    axis.set_xticks(range(0, len(lines), step), [str(line["iteration"]) for line in lines[::step]])
    axis.set_xlabel("iteration of the report")
    axis.tick_params(left=False)
    bar = axis.figure.colorbar(image, ax=axis, fraction=0.04, pad=0.02)
    bar.set_label(what, color=INK)
    bar.outline.set_visible(False)


def _points(lines: Sequence[Metrics], key: str) -> Points:
    return [(int(line["iteration"]), float(line[key])) for line in lines if key in line]


def _under(line: Metrics, key: str) -> dict[str, float]:
    """KEY/NAME of a report as NAME → value; a name may have a slash of its own."""
    return {name.removeprefix(f"{key}/"): float(value) for name, value in line.items() if name.startswith(f"{key}/")}


def _queue(key: str) -> str:
    """bank/fill/TEACHER/CLASS → CLASS."""
    return key.split("/", 3)[3]


def _rows(line: Metrics, name: str) -> list[float]:
    return [float(value) for key, value in line.items() if key.startswith("bank/fill/") and _queue(key) == name]


def _who(key: str) -> str:
    """group/kind/A-B → A-B."""
    return key.split("/", 2)[2]


FIGURES: dict[str, Callable[[Sequence[Metrics]], Figure | None]] = {
    "sureness": sureness,
    "classes": classes,
    "confidence": confidence,
    "queues": queues,
    "likeness": likeness,
}

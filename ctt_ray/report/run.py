"""The page of a single run: its scores over iterations, its reports, its configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from matplotlib.figure import Figure

from ctt_ray.report import look, pseudo
from ctt_ray.report.figures import close
from ctt_ray.report.page import DPI, NAME, template
from ctt_ray.train.alarm import COLLAPSED, COUPLED
from ctt_ray.train.session import SCORE, WAIT, Metrics, read_results
from ctt_ray.tune.folder import write_text

CONFIG = "config.yaml"
COLUMNS = (
    "iteration",
    "miou",
    "miou/student_mean",
    "miou/teacher_mean",
    "pseudo/accuracy",
    "pseudo/coverage",
    WAIT,
    "seconds",
)
LINES = {"miou/student_mean": look.BLUE, "miou/teacher_mean": look.GREEN, SCORE: look.ORANGE}


def is_run(folder: Path) -> bool:
    return bool(read_results(folder)) if folder.is_dir() else False


def write(folder: Path, out: Path | None = None, *, png: bool = False) -> list[Path]:
    page = out or folder / NAME
    lines = [line for line in read_results(folder) if SCORE in line]
    with look.styled():
        curves = draw(lines)
        drawn = ({"curves": curves} if curves else {}) | pseudo.draw(lines)
    try:
        write_text(page, html(folder, lines, {name: look.svg(figure) for name, figure in drawn.items()}))
        pictures = [page.with_name(f"{page.stem}_{name}.png") for name in drawn] if png else []
        for picture, figure in zip(pictures, drawn.values(), strict=False):
            figure.savefig(picture, dpi=DPI)
    finally:
        close(drawn)
    return [page, *pictures]


def draw(lines: list[Metrics]) -> Figure | None:
    """Students' and teachers' mean and the score itself, each named at its end."""
    if not lines:
        return None
    figure, (axis,) = look.blank(1, 1, 3.2)
    for name, color in LINES.items():
        points = [(int(line["iteration"]), float(line[name])) for line in lines if name in line]
        if points:
            axis.plot(*zip(*points, strict=True), color=color, marker="o", markersize=3)
            axis.annotate(f"  {name}", points[-1], color=color, va="center", annotation_clip=False)
    axis.set(xlabel="iteration", ylabel="mIoU, %", xlim=(0, 1.25 * int(lines[-1]["iteration"])))
    axis.set_ylim(bottom=0)
    return figure


def html(folder: Path, lines: list[Metrics], pictures: dict[str, str]) -> str:
    """pictures: figure → data address; one that is not there is left out."""
    config = _config(folder)
    last = lines[-1] if lines else None
    columns = [name for name in COLUMNS if any(name in line for line in lines)]
    return template("run.html.j2").render(
        name=folder.resolve().name,
        score=float(last[SCORE]) if last else None,
        iteration=int(last["iteration"]) if last else 0,
        iterations=config.get("optim", {}).get("iterations"),
        scored_on=config.get("report", {}).get("eval_split"),
        best=_best(lines),
        command=f"python -m ctt_ray.train --config {folder / CONFIG}" if config else "",
        figures={name: pictures.get(name, "") for name in ("curves", *pseudo.FIGURES)},
        alarms=[text for key in (COLLAPSED, COUPLED) if (text := _alarm(lines, key))],
        columns=columns,
        rows=[[_cell(line.get(name)) for name in columns] for line in lines],
        configuration=yaml.safe_dump(config, sort_keys=False) if config else "",
    )


def _config(folder: Path) -> dict[str, Any]:
    path = folder / CONFIG
    found = yaml.safe_load(path.read_text()) if path.is_file() else None
    return found if isinstance(found, dict) else {}


def _best(lines: list[Metrics]) -> str:
    if not lines:
        return ""
    top = max(lines, key=_score)
    return f"Best on the way: {_score(top):.2f} at {top['iteration']}."


def _alarm(lines: list[Metrics], key: str) -> str:
    """When it was told, and the last one's reason."""
    told = [line for line in lines if key in line]
    if not told:
        return ""
    when = f"at {told[0]['iteration']}" if len(told) == 1 else f"from {told[0]['iteration']} to {told[-1]['iteration']}"
    return f"{key} {when}, in {len(told)} of {len(lines)} reports: {told[-1][key]}"


def _score(line: Metrics) -> float:
    return float(line[SCORE])


def _cell(value: float | int | str | None) -> str:
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1 else f"{value:.2f}"
    return "" if value is None else str(value)

"""How the figures look: colours that colour-blind readers tell apart (Okabe and Ito), thin axes, no boxes, words at the lines."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK, QUIET, FAINT = "#222222", "#8a8a8a", "#d9d9d9"
BLUE, ORANGE, GREEN = "#0072b2", "#d55e00", "#009e73"
WIDTH = 7.4  # inches: the page's column
STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "text.color": INK,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 8.5,
    "axes.titlelocation": "left",
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 1.1,
    "svg.hashsalt": "ctt_ray",  # the same campaign gives the same file
}


@contextmanager
def styled() -> Iterator[None]:
    with plt.rc_context(STYLE):
        yield


def blank(rows: int, columns: int, height: float) -> tuple[Figure, list[Axes]]:
    """A figure of the page's width and its axes, row by row."""
    figure, axes = plt.subplots(rows, columns, figsize=(WIDTH, height), layout="constrained", squeeze=False)
    return figure, list(axes.flat)


def svg(figure: Figure) -> str:
    """For an <img>: a data address, so that nothing in it can clash with another figure's."""
    out = io.BytesIO()
    with styled():  # the salt counts when it is written
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    return "data:image/svg+xml;base64," + base64.b64encode(out.getvalue()).decode()

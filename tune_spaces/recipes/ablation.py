"""A table of CTT's ablations: Cityscapes with 372 labelled images, one thing varied."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tune_spaces.recipe import Recipe, Row, noted
from tune_spaces.recipes import protocols

LABELLED = "n372_s0"
COUNT_NOTE = "The number of labelled images is not legible in our copy of the paper; the baseline's 57.74 makes it 372."
Cell = tuple[str, str, Mapping[str, Any], float]  # choice on the axis · the paper's words · values · figure


def ablation(
    number: int, title: str, axis: str, cells: Sequence[Cell], *notes: str, against: str, row_notes: Mapping[str, str]
) -> Recipe:
    """against: the choice whose row the others are compared with · row_notes: choice → note."""
    rows = tuple(Row(label, {axis: choice}, LABELLED, values, figure) for choice, label, values, figure in cells)
    return Recipe(
        title=f"Table {number}: {title}, Cityscapes val, 372 labelled images, DeepLabV2 ResNet-101, half resolution",
        source=f"{protocols.PAPER}, Table {number}",
        base=protocols.CITYSCAPES,
        pool=protocols.CITYSCAPES_POOL,
        rows=noted(rows, row_notes),
        splits={LABELLED: protocols.DRAWN[LABELLED]},
        reference={axis: against},
        apart=protocols.COCO,
        notes=(*notes, COUNT_NOTE, protocols.DRAWN_NOTE, protocols.RUNS_NOTE),
    )

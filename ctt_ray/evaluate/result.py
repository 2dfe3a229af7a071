"""What an evaluation says: a table to read, and the same as plain data."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from ctt_ray.maths import metrics
from ctt_ray.restored import Checkpoint
from data_prep.schema import VOID

NONE = "-"
MIOU, ACCURACY = "mIoU", "pixel accuracy"


@dataclass(frozen=True)
class Result:
    """matrices: network → matrix_KK, pixels by [truth, prediction], of the whole split. All shares are in per cent."""

    checkpoint: Checkpoint
    data: str
    content_hash: str
    split: str
    mode: str
    images: int
    matrices: dict[str, Tensor]

    def iou(self) -> dict[str, list[float]]:
        """Network → IoU of every class; NaN where a class is neither in the truth nor in a prediction."""
        return {name: (100 * metrics.iou(matrix)).tolist() for name, matrix in self.matrices.items()}

    def absent(self) -> dict[str, tuple[str, ...]]:
        """Class → the networks whose mIoU leaves it out."""
        columns = self.iou()
        missing = {
            label: tuple(name for name, values in columns.items() if math.isnan(values[k]))
            for k, label in enumerate(self.checkpoint.classes)
        }
        return {label: names for label, names in missing.items() if names}

    def only_predicted(self) -> dict[str, tuple[str, ...]]:
        """Class that no pixel of the truth shows → the networks that predict it: an IoU of 0, counted in their mIoU."""
        wrong = {
            label: tuple(name for name, m_KK in self.matrices.items() if not m_KK[k].sum() and m_KK[:, k].sum())
            for k, label in enumerate(self.checkpoint.classes)
        }
        return {label: names for label, names in wrong.items() if names}

    def protocol(self) -> str:
        return f"data-set level, one confusion matrix, ignore={VOID}, absent classes: {len(self.absent())}"

    def lines(self) -> list[str]:
        """The table: a column a network, mIoU and pixel accuracy, then a row a class."""
        names, columns = list(self.matrices), self.iou()
        wide = max(map(len, (*self.checkpoint.classes, ACCURACY)))
        width = max(8, *(len(name) + 2 for name in names))

        def row(label: str, cells: Sequence[str]) -> str:
            return f"{label:<{wide}}" + "".join(f"{cell:>{width}}" for cell in cells)

        head = (
            f"{self.checkpoint.folder} · iteration {self.checkpoint.iteration}\n"
            f"{self.data} · {self.split} · {self.images} images · mode {self.mode}\n"
        )
        lines = [head, row("per cent", names), row(MIOU, [_cell(v) for v in self._each(metrics.mean_iou)])]
        lines += [row(ACCURACY, [_cell(v) for v in self._each(metrics.pixel_accuracy)]), "", row("IoU", names)]
        for k, label in enumerate(self.checkpoint.classes):
            lines.append(row(label, [_cell(columns[name][k]) for name in names]))
        return [*lines, "", self.protocol(), *self._notes()]

    def _notes(self) -> list[str]:
        notes = []
        if absent := self.absent():
            notes.append(f"{NONE} = in no truth and no prediction, left out of the mIoU: {self._named(absent)}")
        if wrong := self.only_predicted():
            notes.append(f"in no truth but predicted, counted in the mIoU as 0: {self._named(wrong)}")
        return notes

    def _named(self, found: dict[str, tuple[str, ...]]) -> str:
        everywhere = len(self.matrices)
        return ", ".join(
            label if len(names) == everywhere else f"{label} ({', '.join(names)})" for label, names in found.items()
        )

    def _each(self, measure: Callable[[Tensor], Tensor]) -> list[float]:
        return [100 * float(measure(matrix)) for matrix in self.matrices.values()]

    def to_dict(self) -> dict[str, object]:
        """For JSON: per cent, null where a value is not defined."""
        columns = self.iou()
        miou, accuracy = self._each(metrics.mean_iou), self._each(metrics.pixel_accuracy)
        return {
            "checkpoint": str(self.checkpoint.folder),
            "iteration": self.checkpoint.iteration,
            "method": self.checkpoint.plan.method,
            "config_hash": self.checkpoint.config.hash(),
            "data": self.data,
            "content_hash": self.content_hash,
            "same_data_as_trained": self.content_hash == self.checkpoint.content_hash,
            "split": self.split,
            "images": self.images,
            "mode": self.mode,
            "protocol": self.protocol(),
            "networks": {
                name: {
                    "miou": _value(miou[i]),
                    "accuracy": _value(accuracy[i]),
                    "iou": {label: _value(v) for label, v in zip(self.checkpoint.classes, columns[name], strict=True)},
                }
                for i, name in enumerate(self.matrices)
            },
            "absent": {label: list(names) for label, names in self.absent().items()},
            "only_predicted": {label: list(names) for label, names in self.only_predicted().items()},
        }


def _cell(value: float) -> str:
    return NONE if math.isnan(value) else f"{value:.2f}"


def _value(value: float) -> float | None:
    return None if math.isnan(value) else value

"""A written split and its coverage table: images and pixels of each class, labelled and in train."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from data_prep.labelled.balance import share_distance
from data_prep.schema import LabelledSplit


@dataclass(frozen=True)
class ClassCover:
    """One class: images that hold it and pixels, labelled and in train."""

    name: str
    labelled: int
    in_train: int
    labelled_pixels: int
    train_pixels: int

    @property
    def covered(self) -> bool:
        return self.labelled > 0 or self.in_train == 0


@dataclass(frozen=True)
class MadeSplit:
    """A written split, with what its coverage table and notes need."""

    split: LabelledSplit
    path: Path
    classes: tuple[ClassCover, ...]
    train_rows: int
    notes: tuple[str, ...]

    @property
    def uncovered(self) -> list[str]:
        """Classes that train has and the labelled images have not."""
        return [entry.name for entry in self.classes if not entry.covered]

    @property
    def distance(self) -> float:
        """Total variation between the class shares of the labelled pixels and those of train."""
        return share_distance(
            [entry.labelled_pixels for entry in self.classes], [entry.train_pixels for entry in self.classes]
        )

    def to_dict(self) -> dict[str, object]:
        return {
            **asdict(self.split),
            "path": str(self.path),
            "coverage": {entry.name: entry.labelled for entry in self.classes},
            "classes": [asdict(entry) for entry in self.classes],
            "share_distance": self.distance,
            "notes": list(self.notes),
        }

    def table(self) -> list[str]:
        """The coverage table: labelled images and training images of each class, and its share of the pixels of both."""
        wide = max(map(len, (*(entry.name for entry in self.classes), "class")))
        labelled = max(1, sum(entry.labelled_pixels for entry in self.classes))
        train = max(1, sum(entry.train_pixels for entry in self.classes))
        lines = [
            f"{self.path}: {len(self.split.ids)} labelled, {self.train_rows - len(self.split.ids)} unlabelled",
            f"{'class':<{wide}}  labelled  in train    pixels  in train",
        ]
        lines += [
            f"{entry.name:<{wide}}  {entry.labelled:8d}  {entry.in_train:8d}  {entry.labelled_pixels / labelled:8.2%}"
            f"  {entry.train_pixels / train:8.2%}{'' if entry.covered else '  not covered'}"
            for entry in self.classes
        ]
        return [*lines, f"{self.distance:.1%} of the labelled pixels would have to change class to have train's shares"]

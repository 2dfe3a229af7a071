"""Classes of a split in numbers: pixels from the manifest, images from the light column of the shards."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from data_prep.histogram import Bars
from data_prep.schema import Manifest
from data_prep.shards import column, open_shard


@dataclass(frozen=True)
class ClassRow:
    """One class: its pixels, its share of the labelled pixels, and the images that hold it."""

    name: str
    pixels: int
    share: float
    images: int


@dataclass(frozen=True)
class SplitNumbers:
    """A split and its classes, in the manifest's order."""

    split: str
    rows: int
    with_mask: int
    void_share: float
    classes: tuple[ClassRow, ...]

    def to_dict(self) -> dict[str, object]:
        return {**vars(self), "classes": [vars(entry) for entry in self.classes]}

    def table(self) -> list[str]:
        wide = max(len(entry.name) for entry in self.classes)
        head = f"{self.split}: {self.rows} images, {self.with_mask} with a mask, {self.void_share:.1%} of it void"
        lines = [f"{entry.name:<{wide}}  {entry.share:6.2%}  {entry.images:6d}" for entry in self.classes]
        return [head, f"{'class':<{wide}}  pixels  images", *lines]

    def bars(self) -> Bars:
        """What the plot needs."""
        images = max(1, self.with_mask)
        return Bars(self.split, [row.share for row in self.classes], [row.images / images for row in self.classes])


def split_numbers(data: Path, manifest: Manifest, split: str) -> SplitNumbers:
    """Read the class lists of a split's shards; pictures are not touched."""
    summary = manifest.splits[split]
    images = [0] * len(manifest.classes)
    for shard in summary.shards:
        for present in column(open_shard(data / shard.file), "classes"):
            for index in present or ():
                images[index] += 1
    labelled = max(1, sum(summary.pixels))
    rows = zip(manifest.classes, summary.pixels, images, strict=True)
    return SplitNumbers(
        split=split,
        rows=summary.rows,
        with_mask=summary.with_mask,
        void_share=summary.void_pixels / max(1, sum(summary.pixels) + summary.void_pixels),
        classes=tuple(ClassRow(name, pixels, pixels / labelled, count) for name, pixels, count in rows),
    )

"""A contact sheet to look at, and the table of classes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data_prep.errors import UsageError
from data_prep.pictures import Labels, read_labels
from data_prep.schema import Manifest, load_manifest
from data_prep.shards import column, open_shard
from data_prep.sheet import CAPTION_LETTERS, Picture, check_png, sample_at, side_by_side, tiled, write_png

COLUMNS = 3  # samples a line; a sample is the image and, beside it, the image under its mask
OPACITY = 0.55
VOID_COLOUR = (255, 255, 255)


@dataclass(frozen=True)
class ClassRow:
    """One class of the table: share of the labelled pixels, and images that hold it."""

    name: str
    share: float
    images: int


@dataclass(frozen=True)
class Shown:
    """What `show` prints."""

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


def show(data: Path, out: Path, *, count: int, split: str) -> Shown:
    """Write the sheet of `count` evenly spaced samples to `out` (PNG). Raises UsageError, DataError."""
    manifest = load_manifest(data)
    if split not in manifest.splits:
        raise UsageError(f"no split '{split}' in {data}; there are: {', '.join(manifest.splits)}.")
    if count < 1:
        raise UsageError(f"--count {count}: at least one sample is needed.")
    check_png(out)
    rows = manifest.splits[split].rows
    wanted = sorted({int(position) for position in np.linspace(0, rows - 1, min(count, rows))})
    cells = [_cell(data, manifest, split, position) for position in wanted]
    write_png(out, tiled(cells, COLUMNS))
    return _table(data, manifest, split)


def overlay(image_HWC: Picture, labels_HW: Labels, palette: tuple[tuple[int, int, int], ...]) -> Picture:
    """The image under its mask's colours; void is white. (H, W, 3) uint8."""
    colours = np.full((256, 3), VOID_COLOUR, np.float32)
    colours[: len(palette)] = palette
    mixed = (1 - OPACITY) * image_HWC + OPACITY * colours[labels_HW]
    return np.rint(mixed).astype(np.uint8)


def _cell(data: Path, manifest: Manifest, split: str, position: int) -> Picture:
    """Image and overlay side by side with the id below; an unlabelled image stands alone beside white."""
    sample = sample_at(data, manifest, split, position)
    right, text = np.full_like(sample.image, 255), f"{sample.name} (unlabelled)"
    if sample.mask is not None:
        right, text = overlay(sample.image, read_labels(sample.mask, sample.name), manifest.palette), sample.name
    return side_by_side(sample.image, right, text[-CAPTION_LETTERS:])


def _table(data: Path, manifest: Manifest, split: str) -> Shown:
    summary = manifest.splits[split]
    images = [0] * len(manifest.classes)
    for shard in summary.shards:
        for present in column(open_shard(data / shard.file), "classes"):
            for index in present or ():
                images[index] += 1
    labelled = max(1, sum(summary.pixels))
    rows = zip(manifest.classes, summary.pixels, images, strict=True)
    return Shown(
        split=split,
        rows=summary.rows,
        with_mask=summary.with_mask,
        void_share=summary.void_pixels / max(1, sum(summary.pixels) + summary.void_pixels),
        classes=tuple(ClassRow(name, pixels / labelled, count) for name, pixels, count in rows),
    )

"""A contact sheet to look at, the plot of the classes, and their table."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from data_prep.class_table import SplitNumbers, split_numbers
from data_prep.errors import UsageError
from data_prep.histogram import draw_histogram
from data_prep.pictures import Labels, read_labels
from data_prep.schema import Manifest, load_manifest
from data_prep.sheet import CAPTION_LETTERS, Picture, check_png, sample_at, side_by_side, tiled, write_png

COLUMNS = 3  # samples a line; a sample is the image and, beside it, the image under its mask
OPACITY = 0.55
VOID_COLOUR = (255, 255, 255)


def show(data: Path, out: Path, *, count: int, split: str) -> SplitNumbers:
    """Write the sheet of `count` evenly spaced samples to `out` (PNG), and beside it the plot of the classes.

    Raises UsageError, DataError."""
    manifest = load_manifest(data)
    if split not in manifest.splits:
        raise UsageError(f"no split '{split}' in {data}; there are: {', '.join(manifest.splits)}.")
    if count < 1:
        raise UsageError(f"--count {count}: at least one sample is needed.")
    draw_sheet(data, manifest, out, count=count, split=split)
    numbers = split_numbers(data, manifest, split)
    write_png(plot_beside(out), draw_histogram(manifest.classes, manifest.palette, [numbers.bars()]))
    return numbers


def draw_sheet(data: Path, manifest: Manifest, out: Path, *, count: int, split: str) -> None:
    """Write `count` evenly spaced samples of a split to `out` (PNG)."""
    check_png(out)
    rows = manifest.splits[split].rows
    wanted = sorted({int(position) for position in np.linspace(0, rows - 1, min(count, rows))})
    write_png(out, tiled([_cell(data, manifest, split, position) for position in wanted], COLUMNS))


def plot_beside(sheet: Path) -> Path:
    """Where the plot goes: sheet.png → sheet_classes.png."""
    return sheet.with_name(f"{sheet.stem}_classes.png")


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

"""The most similar pairs of two splits, side by side, to look at."""

from __future__ import annotations

from pathlib import Path

from data_prep.leaks.report import Leaks, Pair, nearest_of
from data_prep.schema import Manifest, load_manifest
from data_prep.sheet import CAPTION_LETTERS, Picture, check_png, sample_at, side_by_side, tiled, write_png

COLUMNS = 2
COUNT = 12


def draw_pairs(data: Path, leaks: Leaks, out: Path) -> bool:
    """Write the sheet (PNG), nearest pairs first; False where no two pictures are near enough to be worth a look."""
    check_png(out)
    manifest = load_manifest(data)
    cells = [_cell(data, manifest, (first, second), pair) for first, second, pair in nearest_of(leaks, COUNT)]
    if cells:
        write_png(out, tiled(cells, COLUMNS))
    return bool(cells)


def _cell(data: Path, manifest: Manifest, splits: tuple[str, str], pair: Pair) -> Picture:
    left, right = (sample_at(data, manifest, split, row) for split, row in zip(splits, pair.places, strict=True))
    names = [
        f"{split} {sample.name}"[-CAPTION_LETTERS // 2 + 4 :]
        for split, sample in zip(splits, (left, right), strict=True)
    ]
    return side_by_side(left.image, right.image, f"{pair.bits} bits: {names[0]} | {names[1]}")

"""A contact sheet to look at, and the table of classes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from data_prep.errors import UsageError
from data_prep.pictures import Labels, encode_image, read_image, read_labels
from data_prep.schema import DataError, Manifest, load_manifest
from data_prep.shards import column, open_shard, picture_bytes

Picture = npt.NDArray[np.uint8]

CELL = 192  # pixels a side of one picture on the sheet
COLUMNS = 3  # samples a line; a sample is the image and, beside it, the image under its mask
CAPTION = 16  # pixels under a picture
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
    if out.suffix.lower() != ".png":
        raise UsageError(f"--out {out}: the sheet is a PNG, give it a name that ends in .png.")
    rows = manifest.splits[split].rows
    wanted = sorted({int(position) for position in np.linspace(0, rows - 1, min(count, rows))})
    cells = [_cell(data, manifest, split, position) for position in wanted]
    blank = np.full_like(cells[0], 255)
    cells += [blank] * (-len(cells) % COLUMNS)
    lines = [np.concatenate(cells[i : i + COLUMNS], 1) for i in range(0, len(cells), COLUMNS)]
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(encode_image(np.concatenate(lines, 0), as_jpeg=False))
    return _table(data, manifest, split)


def overlay(image_HWC: Picture, labels_HW: Labels, palette: tuple[tuple[int, int, int], ...]) -> Picture:
    """The image under its mask's colours; void is white. (H, W, 3) uint8."""
    colours = np.full((256, 3), VOID_COLOUR, np.float32)
    colours[: len(palette)] = palette
    mixed = (1 - OPACITY) * image_HWC + OPACITY * colours[labels_HW]
    return np.rint(mixed).astype(np.uint8)


def _cell(data: Path, manifest: Manifest, split: str, position: int) -> Picture:
    """Image and overlay side by side with the id below; an unlabelled image stands alone beside white."""
    shards = manifest.splits[split].shards
    for shard in shards:
        if position < shard.rows:
            break
        position -= shard.rows
    table = open_shard(data / shard.file)
    name = column(table, "id")[position]
    image_bytes, mask_bytes = (picture_bytes(table, key, position) for key in ("image", "mask"))
    if image_bytes is None:
        raise DataError(f"{shard.file} row {position} ('{name}') has no image. Prepare the data set again.")
    image = read_image(image_bytes, name)
    right = np.full_like(image, 255)
    if mask_bytes is not None:
        right = overlay(image, read_labels(mask_bytes, name), manifest.palette)
    cell = np.concatenate([_fitted(image), _fitted(right)], 1)
    caption = np.full((CAPTION, cell.shape[1], 3), 255, np.uint8)
    text = name if mask_bytes is not None else f"{name} (unlabelled)"
    cv2.putText(caption, text[-52:], (4, 11), cv2.FONT_HERSHEY_SIMPLEX, 0.36, (0, 0, 0), 1, cv2.LINE_AA)
    return np.concatenate([cell, caption], 0)


def _fitted(image: Picture) -> Picture:
    """The picture in a white CELL x CELL square, its longer side filling it."""
    scale = (CELL - 4) / max(image.shape[:2])
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST)
    square = np.full((CELL, CELL, 3), 255, np.uint8)
    square[2 : 2 + size[1], 2 : 2 + size[0]] = small
    return square


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

"""Pictures side by side on one PNG, with captions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from data_prep.errors import UsageError
from data_prep.files import write_whole_bytes
from data_prep.pictures import encode_image, read_image
from data_prep.schema import DataError, Manifest
from data_prep.shards import column, open_shard, picture_bytes

Picture = npt.NDArray[np.uint8]

CELL = 192  # pixels a side of one picture on the sheet
CAPTION = 16  # pixels under a picture
CAPTION_LETTERS = 52  # that fit under two pictures


@dataclass(frozen=True)
class Sample:
    """A row of a shard: its id, its picture, and its encoded mask if it has one."""

    name: str
    image: Picture
    mask: bytes | None


def sample_at(data: Path, manifest: Manifest, split: str, position: int) -> Sample:
    """The row at a position of a split. Raises DataError where it has no picture."""
    for shard in manifest.splits[split].shards:
        if position < shard.rows:
            break
        position -= shard.rows
    table = open_shard(data / shard.file)
    name = column(table, "id")[position]
    image, mask = (picture_bytes(table, key, position) for key in ("image", "mask"))
    if image is None:
        raise DataError(f"{shard.file} row {position} ('{name}') has no image. Prepare the data set again.")
    return Sample(name, read_image(image, name), mask)


def side_by_side(left: Picture, right: Picture, caption: str) -> Picture:
    """Two pictures, each in a square, and a line of text below."""
    cell = np.concatenate([_fitted(left), _fitted(right)], 1)
    strip = np.full((CAPTION, cell.shape[1], 3), 255, np.uint8)
    cv2.putText(strip, caption, (4, 11), cv2.FONT_HERSHEY_SIMPLEX, 0.36, (0, 0, 0), 1, cv2.LINE_AA)
    return np.concatenate([cell, strip], 0)


def tiled(cells: Sequence[Picture], columns: int) -> Picture:
    """Cells of equal size in lines of so many; the last line is filled with white."""
    blank = np.full_like(cells[0], 255)
    filled = [*cells, *[blank] * (-len(cells) % columns)]
    return np.concatenate([np.concatenate(filled[i : i + columns], 1) for i in range(0, len(filled), columns)], 0)


def write_png(path: Path, rgb_HWC: Picture) -> None:
    """Write a picture, whole or not at all. Raises UsageError for a name that is not a PNG's."""
    check_png(path)
    write_whole_bytes(path, encode_image(rgb_HWC, as_jpeg=False))


def check_png(path: Path) -> None:
    """Raises UsageError for a name that is not a PNG's."""
    if path.suffix.lower() != ".png":
        raise UsageError(f"{path}: the sheet is a PNG, give it a name that ends in .png.")


def _fitted(image: Picture) -> Picture:
    """The picture in a white CELL x CELL square, its longer side filling it."""
    scale = (CELL - 4) / max(image.shape[:2])
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST)
    square = np.full((CELL, CELL, 3), 255, np.uint8)
    square[2 : 2 + size[1], 2 : 2 + size[0]] = small
    return square

"""Image files to RGB, and predictions to index masks and overlays."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

Pixels = NDArray[np.uint8]
Colour = tuple[int, int, int]

_WIDE = ("I;16", "I;16B", "I;16L", "I;16N", "I")  # greyscale of 16 bits, in any byte order
_UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError)
_UNUSED = (255, 255, 255)  # palette entries that are no class


class BadImage(Exception):
    """An image that cannot be used, and why in a few words."""


def read_rgb(path: Path) -> Pixels:
    """image_HW3 uint8 RGB, upright. Greyscale is repeated, transparency dropped, of 16 bits the upper 8 count.

    Of several frames the first is read. Raises BadImage."""
    try:
        with Image.open(path) as image:
            image.load()
            upright = ImageOps.exif_transpose(image)
            return _eight_bits(upright) if upright.mode in _WIDE else np.array(_plain(upright))
    except UnidentifiedImageError:
        raise BadImage("not a picture in a known format" if path.stat().st_size else "the file is empty") from None
    except _UNREADABLE as error:
        raise BadImage(f"unreadable: {error}") from None


def shrunk(image_HW3: Pixels, short_side: int | None) -> Pixels:
    """At most `short_side` pixels on the shorter side, by area averaging, as data_prep does it."""
    height, width = image_HW3.shape[:2]
    if short_side is None or min(height, width) <= short_side:
        return image_HW3
    scale = short_side / min(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(image_HW3, size, interpolation=cv2.INTER_AREA), np.uint8)


def index_png(label_HW: Pixels, palette: Sequence[Colour]) -> Image.Image:
    """A palette picture whose values are the train ids and whose colours are the classes'."""
    picture = Image.fromarray(label_HW)
    picture.putpalette([value for colour in _full(palette) for value in colour])
    return picture


def overlay(image_HW3: Pixels, label_HW: Pixels, palette: Sequence[Colour], *, alpha: float) -> Pixels:
    """(1 - alpha)·image + alpha·colour of the class, (H, W, 3) uint8."""
    colours = np.array(_full(palette), np.float32)
    return np.rint((1 - alpha) * image_HW3.astype(np.float32) + alpha * colours[label_HW]).astype(np.uint8)


def _plain(image: Image.Image) -> Image.Image:
    if image.mode == "F":
        raise BadImage("floating-point pixels have no known range; save the image with 8 or 16 bits")
    return image.convert("RGB")


def _eight_bits(image: Image.Image) -> Pixels:
    values = np.asarray(image).astype(np.int64)
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > 0xFFFF:
        raise BadImage(f"pixels from {low} to {high} are more than 16 bits; save the image with 8 or 16 bits")
    return np.repeat((values >> 8).astype(np.uint8)[:, :, None], 3, axis=2)


def _full(palette: Sequence[Colour]) -> list[Colour]:
    return [*palette, *[_UNUSED] * (256 - len(palette))]

"""The classes of a data set as a plot: each one's share of the labelled pixels, and of the images that have a mask.

Drawn with Pillow, which is here anyway and brings a font; matplotlib is an extra, and a card should not depend on extras.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from data_prep.sheet import Picture

Colour = tuple[int, int, int]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

LINE = 15  # pixels a bar and its space
GAP = 9  # between two classes
PANEL = 300  # width of the longest bar
VALUE = 70  # room for the number behind a bar
HEAD = 62
MARGIN = 16
SIZE = 13  # of the letters
INK: Colour = (40, 40, 40)
FAINT: Colour = (205, 205, 205)


@dataclass(frozen=True)
class Bars:
    """One split: per class its share of the labelled pixels and its share of the images with a mask, both (K,) in [0, 1]."""

    name: str
    pixel_share: Sequence[float]
    image_share: Sequence[float]


def draw_histogram(classes: Sequence[str], palette: Sequence[Colour], splits: Sequence[Bars]) -> Picture:
    """RGB (H, W, 3) uint8: a line a class and split, bars in the class's colour, the first split's full, the next ones' pale."""
    font = ImageFont.load_default(SIZE)
    label = int(max(font.getlength(name) for name in classes)) + MARGIN
    lefts = [MARGIN + label, MARGIN + label + PANEL + VALUE + MARGIN]
    block = LINE * len(splits) + GAP
    image = Image.new("RGB", (lefts[1] + PANEL + VALUE + MARGIN, HEAD + block * len(classes) + MARGIN), "white")
    draw = ImageDraw.Draw(image)
    _head(draw, font, lefts, splits)
    longest = [max(max(bars.pixel_share) for bars in splits), 1.0]
    for index, name in enumerate(classes):
        top = HEAD + index * block
        middle = top + LINE * len(splits) // 2
        draw.text((lefts[0] - 8, middle), name, INK, font, anchor="rm")
        for place, bars in enumerate(splits):
            colour = _paler(palette[index], place)
            for left, share, whole in zip(
                lefts, (bars.pixel_share[index], bars.image_share[index]), longest, strict=True
            ):
                _bar(draw, font, (left, top + place * LINE), share, share / whole if whole else 0.0, colour)
    for left in lefts:
        draw.line([(left - 1, HEAD - 4), (left - 1, HEAD + block * len(classes) - GAP + 4)], fill=INK)
    return np.asarray(image)


def _head(
    draw: ImageDraw.ImageDraw,
    font: Font,
    lefts: Sequence[int],
    splits: Sequence[Bars],
) -> None:
    order = ", ".join(bars.name for bars in splits)
    draw.text((MARGIN, 8), f"{order}: from top to bottom, paler and paler" if len(splits) > 1 else order, INK, font)
    for left, title in zip(lefts, ("share of the labelled pixels", "share of the images that show it"), strict=True):
        draw.text((left, HEAD - 24), title, INK, font)


def _bar(
    draw: ImageDraw.ImageDraw,
    font: Font,
    corner: tuple[int, int],
    share: float,
    length: float,
    colour: Colour,
) -> None:
    left, top = corner
    right = left + round(PANEL * length)
    if right > left:
        draw.rectangle([left, top, right, top + LINE - 3], fill=colour, outline=FAINT if min(colour) > 200 else None)
    draw.text((right + 5, top + LINE // 2 - 1), _written(share), INK, font, anchor="lm")


def _written(share: float) -> str:
    """A share that is there never reads as nothing."""
    return "none" if not share else f"{share:.1%}" if share >= 0.001 else f"{share:.3%}"


def _paler(colour: Colour, steps: int) -> Colour:
    """Half way to white, `steps` times."""
    red, green, blue = (255 - (255 - value) // 2**steps for value in colour)
    return red, green, blue

"""A table of the colours in colour masks: one line `name,r,g,b` a colour."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from data_prep.schema import VOID, DataError
from data_prep.sources.listing import check_names, read_lines
from data_prep.sources.raw import Colour

HEADER = "name,r,g,b"
VOID_NAME = "void"  # the line of a colour that is no class


class ColourTable(NamedTuple):
    """Classes in the order of their first line, the first colour of each, and what every colour stands for."""

    classes: tuple[str, ...]
    palette: tuple[Colour, ...]
    train_ids: dict[Colour, int]  # 255: void

    def lines(self) -> list[str]:
        """The table as it is shown and kept: '#804080 road'."""
        names = dict(enumerate(self.classes)) | {VOID: VOID_NAME}
        return [f"{hex_colour(colour)} {names[index]}" for colour, index in self.train_ids.items()]


def read_colours(file: Path) -> ColourTable:
    """The table of a file. A name may have several colours, a colour has one name; `void` is no class. Raises DataError."""
    colours: dict[Colour, str] = {}
    for line in read_lines(file):
        if line.replace(" ", "").lower() == HEADER:
            continue
        name, colour = _parse(file, line)
        if colours.setdefault(colour, name) != name:
            raise DataError(
                f"{file}: {hex_colour(colour)} is both '{colours[colour]}' and '{name}'. Keep one line of the two."
            )
    first: dict[str, Colour] = {}
    for colour, name in colours.items():
        if name != VOID_NAME:
            first.setdefault(name, colour)
    classes = check_names(list(first))
    ids = {name: index for index, name in enumerate(classes)} | {VOID_NAME: VOID}
    return ColourTable(classes, tuple(first.values()), {colour: ids[name] for colour, name in colours.items()})


def hex_colour(colour: Colour) -> str:
    """(128, 64, 128) → '#804080'."""
    return "#{:02x}{:02x}{:02x}".format(*colour)


def _parse(file: Path, line: str) -> tuple[str, Colour]:
    name, *channels = (cell.strip() for cell in line.rsplit(",", 3))
    if name and len(channels) == 3 and all(text.isascii() and text.isdigit() and int(text) < 256 for text in channels):
        red, green, blue = map(int, channels)
        return name, (red, green, blue)
    raise DataError(
        f"{file}: '{line}' is not a line {HEADER} with numbers from 0 to 255. Write it like road,128,64,128."
    )

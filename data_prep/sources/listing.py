"""Small steps that several raw formats share: find files, parse class names, make a palette."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from data_prep.errors import UsageError
from data_prep.schema import MAX_CLASSES, DataError
from data_prep.sources.raw import Colour


def require_folder(path: Path, what: str) -> Path:
    """The folder itself. Raises DataError naming what was expected there and what the nearest parent holds."""
    if path.is_dir():
        return path
    parent = next((p for p in path.parents if p.is_dir()), Path("."))
    found = ", ".join(sorted(p.name for p in parent.iterdir())[:8]) or "nothing"
    raise DataError(f"{what} not found: {path} is not a folder. {parent} holds: {found}. Name the right folder.")


def files_by_stem(folder: Path, suffixes: Sequence[str]) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """Files below a folder, at any depth, by relative path without suffix; and those whose stem was taken already.
    They are text, a third of a Path's memory: there may be millions.

    Hidden files are skipped. Both are in sorted order, so that the first of two equal stems wins everywhere."""
    found: dict[str, str] = {}
    doubled: list[tuple[str, str]] = []
    for file in sorted(_below(folder, tuple(suffixes)), key=lambda file: file.split("/")):
        stem, path = os.path.splitext(file)[0], os.path.join(folder, file)
        if stem in found:
            doubled.append((stem, path))
        else:
            found[stem] = path
    return found, doubled


def _below(folder: Path, suffixes: tuple[str, ...]) -> Iterator[str]:
    """Relative paths of the files with these suffixes, in the disk's order."""
    for place, _, names in os.walk(folder):
        above = os.path.relpath(place, folder)
        for name in names:
            if name.lower().endswith(suffixes) and not name.startswith("."):
                yield name if above == "." else f"{above}/{name}"


def files_by_ending(folder: Path, ending: str) -> tuple[dict[str, Path], list[tuple[str, Path]]]:
    """Files below a folder whose name ends so, by their name without the ending, whatever folder they lie in; and those
    whose name was taken already. Both in sorted order."""
    found: dict[str, Path] = {}
    doubled: list[tuple[str, Path]] = []
    for path in sorted(folder.rglob(f"*{ending}")):
        name = path.name.removesuffix(ending)
        if name.startswith("."):
            continue
        if name in found:
            doubled.append((name, path))
        else:
            found[name] = path
    return found, doubled


def read_lines(path: Path) -> list[str]:
    """The non-empty lines of a text file, stripped. Raises DataError when it is missing or is not text."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read the list {path}: {error}. Give a text file with one entry a line.") from None
    return [line.strip() for line in lines if line.strip()]


def named_classes(classes: str, names: Path | None) -> tuple[str, ...]:
    """The class names of --classes or of --names. Raises UsageError where both or neither were given."""
    if names is not None and classes:
        raise UsageError("--names and --classes were both given: keep one.")
    if names is not None:
        return check_names(read_lines(names))
    if not classes:
        raise UsageError("class names are missing: give --classes background,cat,dog or --names names.txt.")
    return parse_names(classes)


def parse_names(text: str) -> tuple[str, ...]:
    """'a, b,c' → ('a', 'b', 'c')."""
    return check_names([name.strip() for name in text.split(",") if name.strip()])


def check_names(names: Sequence[str]) -> tuple[str, ...]:
    """The names as they are. Raises UsageError when there are none, too many, or one twice."""
    if not names or len(names) > MAX_CLASSES:
        raise UsageError(f"{len(names)} class names given; 1 to {MAX_CLASSES} are possible.")
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise UsageError(f"class names given twice: {', '.join(doubled)}. Every class needs its own name.")
    return tuple(names)


def nearest(name: str, known: Iterable[str]) -> str:
    """' Did you mean X?' or ''."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f" Did you mean '{close[0]}'?" if close else ""


def voc_palette(count: int) -> tuple[Colour, ...]:
    """The PASCAL VOC colour map: the bits of the class index, spread over the top bits of red, green, blue."""
    colours: list[Colour] = []
    for index in range(count):
        channels = [0, 0, 0]
        for bit in range(8):
            for channel in range(3):
                channels[channel] |= ((index >> (3 * bit + channel)) & 1) << (7 - bit)
        colours.append((channels[0], channels[1], channels[2]))
    return tuple(colours)

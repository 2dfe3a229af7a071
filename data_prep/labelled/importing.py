"""Published lists → ids of this data set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from data_prep.labelled.amounts import parse_amount
from data_prep.labelled.pool import Present
from data_prep.schema import DataError
from data_prep.sources.listing import read_lines

SHOWN = 5  # ids named in a note
LABELLED_FILE = "labeled.txt"  # in a folder of UniMatch or U2PL, beside unlabeled.txt


def import_ids(path: Path, labelled: str, present: Present, rows: Sequence[str]) -> tuple[list[str], list[str]]:
    """The ids of a published list that are in train with a usable mask, sorted, and notes on those that are not.

    path: the list, or a folder that holds labeled.txt. A line is an id, an image path, or 'image mask'; with `labelled`
    only the first so many lines count."""
    file = path / LABELLED_FILE if path.is_dir() else path
    lines = read_lines(file)
    if labelled:
        lines = lines[: parse_amount(labelled, len(lines))]
    known = set(rows)
    found = [next((form for form in _forms(line) if form in known), None) for line in lines]
    absent = [line for line, name in zip(lines, found, strict=True) if name is None]
    named = list(dict.fromkeys(name for name in found if name is not None))
    bare = [name for name in named if name not in present]
    chosen = sorted(name for name in named if name in present)
    if not chosen:
        raise DataError(
            f"none of the {len(lines)} lines of {file} names a train image with a usable mask; "
            f"the list begins {lines[:SHOWN]}, train begins {list(rows[:SHOWN])}. Is the list for another data set?"
        )
    notes = []
    if absent:
        notes.append(f"{len(absent)} of {len(lines)} listed ids are not in train: {some(absent)}")
    if bare:
        notes.append(f"{len(bare)} listed ids have no mask with a class in it and stay unlabelled: {some(bare)}")
    return chosen, notes


def some(names: Sequence[str]) -> str:
    """The first few names, and dots where there are more."""
    return ", ".join(names[:SHOWN]) + (" ..." if len(names) > SHOWN else "")


def _forms(line: str) -> list[str]:
    """What the id could be in a line: the line, its first column, that without suffix, and the bare file name."""
    first = PurePosixPath(line.split()[0])
    bare = str(first.with_suffix("")) if first.suffix else str(first)
    return [line, str(first), bare, first.stem, first.stem.removesuffix("_leftImg8bit")]

"""A list of images and masks: CSV with a header, or JSON lines; columns image, mask and split."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from data_prep.errors import UsageError
from data_prep.schema import DataError
from data_prep.sources.listing import nearest

COLUMNS = ("image", "mask", "split")
SPLITS = ("train", "val", "test")


class Pair(NamedTuple):
    """One line: paths relative to the raw folder; no mask: an unlabelled image."""

    image: PurePosixPath
    mask: PurePosixPath | None
    split: str


class _BadLine(Exception):
    pass


def read_pairs(file: Path) -> list[Pair]:
    """The lines of a list in their order. Raises DataError naming the first line that makes no sense, and how many do not.

    An empty mask is no mask, an empty split is train, blank lines are skipped."""
    if file.suffix.lower() not in (".csv", ".jsonl"):
        raise UsageError(f"--list {file}: a .csv with a header (image,mask,split) or a .jsonl file is needed.")
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read the list {file}: {error}. Give a text file.") from None
    pairs: list[Pair] = []
    bad: list[str] = []
    for line, record in _csv_records(file, text) if file.suffix.lower() == ".csv" else _json_records(text):
        try:
            pairs.append(_pair(record))
        except _BadLine as error:
            bad.append(f"line {line}: {error}")
    if bad:
        raise DataError(f"{file}: {len(bad)} bad lines, the first is {bad[0]}. Repair the list and run it again.")
    if not pairs:
        raise DataError(f"{file} lists no image. Write one line an image: image,mask,split.")
    return pairs


def _csv_records(file: Path, text: str) -> Iterator[tuple[int, object]]:
    """(line number, the line by column names). Raises DataError for a header without `image` or with other columns."""
    reader = csv.reader(io.StringIO(text))
    header = [name.strip() for name in next(reader, [])]
    unknown = [name for name in header if name not in COLUMNS]
    if "image" not in header or unknown or len(set(header)) != len(header):
        raise DataError(
            f"{file} begins '{','.join(header)}': the first line names the columns, image,mask,split in any order, of "
            "which image is needed. Write it."
        )
    try:
        rows = [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise DataError(f"{file} is not CSV near line {reader.line_num}: {error}. Save it again as CSV.") from None
    for number, row in rows:
        if not any(cell.strip() for cell in row):
            continue
        fits = len(row) == len(header)
        wrong = _BadLine(f"{len(row)} cells, the header has {len(header)}")
        yield number, dict(zip(header, row, strict=True)) if fits else wrong


def _json_records(text: str) -> Iterator[tuple[int, object]]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except json.JSONDecodeError as error:
                yield number, _BadLine(f"not JSON ({error})")


def _pair(record: object) -> Pair:
    if isinstance(record, _BadLine):
        raise record
    if not isinstance(record, dict):
        raise _BadLine('not an object like {"image": "a.jpg", "mask": "a.png", "split": "train"}')
    unknown = [name for name in record if name not in COLUMNS]
    if unknown:
        raise _BadLine(f"unknown key '{unknown[0]}'.{nearest(unknown[0], COLUMNS)} There are: {', '.join(COLUMNS)}")
    values = {name: record.get(name) for name in COLUMNS}
    for name, value in values.items():
        if value is not None and not isinstance(value, str):
            raise _BadLine(f"{name} is {value!r}, not a string")
    image, mask, split = ((value or "").strip() for value in values.values())
    if not image:
        raise _BadLine("no image is named")
    if split and split not in SPLITS:
        raise _BadLine(f"unknown split '{split}'.{nearest(split, SPLITS)} There are: {', '.join(SPLITS)}")
    return Pair(_inside(image), _inside(mask) if mask else None, split or "train")


def _inside(text: str) -> PurePosixPath:
    """Ids come from these paths and must not depend on where the raw folder lies."""
    path = PurePosixPath(text)
    if not path.name:
        raise _BadLine(f"'{text}' is not a file")
    if path.is_absolute() or ".." in path.parts:
        raise _BadLine(f"'{text}' leaves the raw folder: write paths relative to --raw, or name a --raw above")
    return path

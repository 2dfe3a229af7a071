"""Reads a prepared data set again, every byte, and says what is wrong, with shard and row."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from data_prep.console import Say
from data_prep.errors import BadItem
from data_prep.files import sha256_of
from data_prep.labelled.book import split_hash
from data_prep.pictures import read_image, read_labels
from data_prep.prepare import content_hash
from data_prep.rows import label_histogram
from data_prep.schema import VOID, DataError, Manifest, Shard, Split, load_labelled_split, load_manifest
from data_prep.shards import column, open_shard, picture_bytes

SHOWN = 40  # problems printed; the JSON has all


@dataclass
class Report:
    """What was read and what is wrong with it; no problems means the data set is sound."""

    data: str
    rows: int = 0
    shards: int = 0
    labelled_splits: int = 0
    content_hash: str = ""
    splits: dict[str, dict[str, int]] = field(default_factory=dict)  # what the manifest says: rows, with_mask, shards
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, object]:
        return {"ok": not self.problems, **vars(self)}

    def lines(self) -> list[str]:
        verdict = f"{len(self.problems)} problems" if self.problems else "sound"
        head = f"{self.data}: {self.rows} rows in {self.shards} shards, {self.labelled_splits} split files: {verdict}"
        shown = [f"problem: {text}" for text in self.problems[:SHOWN]]
        more = [f"... and {len(self.problems) - SHOWN} more (--json lists all)"] if len(self.problems) > SHOWN else []
        counts = [
            f"{name}: {said['rows']} images, {said['with_mask']} with a mask, {said['shards']} shards"
            for name, said in self.splits.items()
        ]
        notes = [f"note: {note}" for note in self.notes]
        return [head, *counts, f"content hash {self.content_hash}", *shown, *more, *notes]


@dataclass
class _Seen:
    """What was met in one split."""

    ids: dict[str, str] = field(default_factory=dict)  # id → place
    pictures: dict[str, str] = field(default_factory=dict)  # hash of the image bytes → place
    histogram: list[int] = field(default_factory=lambda: [0] * 256)
    with_mask: int = 0
    unlabelled: set[str] = field(default_factory=set)


def verify(data: Path, say: Say) -> Report:
    """Check hashes, pictures, sizes, label values, ids, counts, split files, and images that occur in two splits.

    Raises DataError where there is no manifest to start from; everything else is a problem in the report."""
    manifest = load_manifest(data)
    report = Report(str(data), content_hash=manifest.content_hash)
    seen: dict[str, _Seen] = {}
    for name, split in manifest.splits.items():
        seen[name] = _check_split(data, name, split, manifest, report)
        report.splits[name] = {"rows": split.rows, "with_mask": split.with_mask, "shards": len(split.shards)}
        say(f"{name}: {split.rows} rows read")
    if content_hash(manifest.source, manifest.options, manifest.classes, manifest.splits) != manifest.content_hash:
        report.problems.append("manifest.json: its content hash does not fit its content: it was edited")
    _check_overlap(seen, report)
    _check_labelled_splits(data, manifest, seen.get("train", _Seen()), report)
    return report


def _check_split(data: Path, name: str, split: Split, manifest: Manifest, report: Report) -> _Seen:
    seen = _Seen()
    known = len(report.problems)
    for shard in split.shards:
        report.shards += 1
        _check_shard(data, shard, seen, len(manifest.classes), report)
    if len(report.problems) > known:
        return seen  # the totals follow from what is wrong already
    counted = (tuple(seen.histogram[: len(manifest.classes)]), seen.histogram[VOID], seen.with_mask)
    if counted != (split.pixels, split.void_pixels, split.with_mask):
        report.problems.append(f"manifest.json: the pixel counts of {name} are not those of its masks")
    return seen


def _check_shard(data: Path, shard: Shard, seen: _Seen, classes: int, report: Report) -> None:
    path = data / shard.file
    if not path.is_file():
        report.problems.append(f"{shard.file} is missing")
        return
    if sha256_of(path) != shard.sha256:
        report.problems.append(f"{shard.file}: its sha256 is not the manifest's: the file changed or was copied badly")
    try:
        table = open_shard(path)
        names, heights, widths, stored = (column(table, c) for c in ("id", "height", "width", "classes"))
    except (DataError, ValueError, OSError) as error:
        report.problems.append(f"{shard.file}: {error}")
        return
    if table.num_rows != shard.rows:
        report.problems.append(f"{shard.file} has {table.num_rows} rows, the manifest says {shard.rows}")
    for row in range(table.num_rows):
        place = f"{shard.file} row {row} ('{names[row]}')"
        image, mask = picture_bytes(table, "image", row), picture_bytes(table, "mask", row)
        try:
            _check_row(image or b"", mask, (heights[row], widths[row]), stored[row], classes, seen, names[row])
        except BadItem as bad:
            report.problems.append(f"{place}: {bad}")
        _note_place(names[row], image or b"", place, seen, report)
    report.rows += table.num_rows


def _check_row(
    image: bytes,
    mask: bytes | None,
    size: tuple[int, int],
    stored: list[int] | None,
    classes: int,
    seen: _Seen,
    name: str,
) -> None:
    """Both pictures decode, have the stored size, and the mask holds the stored classes and void only."""
    found = read_image(image, "image").shape[:2]
    if found != size:
        raise BadItem("image", f"is {found}, the row says {size}")
    if mask is None:
        seen.unlabelled.add(name)
        return
    labels = read_labels(mask, "mask")
    if labels.shape != size:
        raise BadItem("mask", f"is {labels.shape}, the row says {size}")
    histogram = label_histogram(labels)
    present = [value for value, count in enumerate(histogram) if count and value != VOID]
    if present and present[-1] >= classes:
        raise BadItem("mask", f"label value {present[-1]}, there are {classes} classes")
    if present != stored:
        raise BadItem("mask", f"holds the classes {present}, the row says {stored}")
    seen.with_mask += 1
    seen.histogram = [total + count for total, count in zip(seen.histogram, histogram, strict=True)]


def _note_place(name: str, image: bytes, place: str, seen: _Seen, report: Report) -> None:
    if name in seen.ids:
        report.problems.append(f"{place}: the id was used already in {seen.ids[name]}")
    seen.ids.setdefault(name, place)
    digest = hashlib.sha256(image).hexdigest()
    if digest in seen.pictures:
        report.notes.append(f"{place} is the same picture as {seen.pictures[digest]}")
    seen.pictures.setdefault(digest, place)


def _check_overlap(seen: dict[str, _Seen], report: Report) -> None:
    """An image of val that was trained on makes every score a lie."""
    names = list(seen)
    for first, second in ((a, b) for i, a in enumerate(names) for b in names[i + 1 :]):
        for digest in seen[first].pictures.keys() & seen[second].pictures.keys():
            one, other = seen[first].pictures[digest], seen[second].pictures[digest]
            report.problems.append(f"the same image is in {first} and in {second}: {one} and {other}")


def _check_labelled_splits(data: Path, manifest: Manifest, train: _Seen, report: Report) -> None:
    for path in sorted((data / "splits").glob("*.json")):
        report.labelled_splits += 1
        try:
            split = load_labelled_split(data, path.stem)
        except DataError as error:
            report.problems.append(str(error))
            continue
        if split.data_hash != manifest.content_hash:
            report.problems.append(f"splits/{path.name} is stale, it belongs to another data set: make it again")
            continue
        if split_hash(split.ids, split.data_hash) != split.content_hash or len(set(split.ids)) != len(split.ids):
            report.problems.append(f"splits/{path.name}: its content hash does not fit its ids: it was edited")
        strangers = [name for name in split.ids if name not in train.ids]
        bare = [name for name in split.ids if name in train.unlabelled]
        if strangers:
            report.problems.append(f"splits/{path.name}: {len(strangers)} ids are not in train, first '{strangers[0]}'")
        if bare:
            report.problems.append(f"splits/{path.name}: {len(bare)} ids have no mask, first '{bare[0]}'")

"""Labelled splits: which rows of train carry a label in an experiment. The shards do not change."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path, PurePosixPath

from data_prep.errors import UsageError
from data_prep.files import hash_json, hash_order, write_whole
from data_prep.schema import DataError, LabelledSplit, Manifest, load_manifest
from data_prep.shards import column, open_shard
from data_prep.sources.listing import read_lines

Present = Mapping[str, Sequence[int]]  # id → classes that the image's mask holds

SHOWN = 5  # ids named in a note


@dataclass(frozen=True)
class MadeSplit:
    """A written split, with what its coverage table and notes need."""

    split: LabelledSplit
    path: Path
    classes: tuple[str, ...]
    train_images_per_class: tuple[int, ...]
    train_rows: int
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, object]:
        coverage = dict(zip(self.classes, self.split.images_per_class, strict=True))
        return {**asdict(self.split), "path": str(self.path), "coverage": coverage, "notes": list(self.notes)}

    def table(self) -> list[str]:
        """The coverage table: labelled images and training images of each class."""
        wide = max(map(len, (*self.classes, "class")))
        lines = [
            f"{self.path}: {len(self.split.ids)} labelled, {self.train_rows - len(self.split.ids)} unlabelled",
            f"{'class':<{wide}}  labelled  in train",
        ]
        for name, labelled, total in zip(
            self.classes, self.split.images_per_class, self.train_images_per_class, strict=True
        ):
            lines.append(f"{name:<{wide}}  {labelled:8d}  {total:8d}{'' if labelled or not total else '  not covered'}")
        return lines


def make_split(data: Path, labelled: str, *, ids: Path | None = None, seed: int = 0, name: str = "") -> MadeSplit:
    """Choose (or import from `ids`) the labelled images of a prepared data set and write splits/NAME.json.

    labelled: '1/8' or '0.125' of the images with a usable mask, or a count. Raises UsageError, DataError."""
    manifest = load_manifest(data)
    present, rows = usable_masks(data, manifest)
    notes: list[str] = []
    if ids is None:
        if not labelled:
            raise UsageError("say how many are labelled: --labelled 1/8, --labelled 40, or --ids FILE.")
        count = parse_amount(labelled, len(present))
        chosen = choose(present, len(manifest.classes), count, seed)
        rule = f"{count} of {len(present)} images with a mask ({labelled}), rarest classes first, then by seeded hash"
        name = name or default_name(labelled, seed)
    else:
        chosen, notes = import_ids(ids, labelled, present, rows)
        rule = f"imported from {ids.name}" + (f", first {labelled}" if labelled else "")
        name = name or f"n{len(chosen)}_{ids.stem}"
    if not name.replace("-", "").replace("_", "").replace(".", "").isalnum() or name.startswith("."):
        raise UsageError(f"--name '{name}' cannot be a file name: use letters, digits, '-', '_' and '.'.")
    split = labelled_split(name, chosen, rule, None if ids else seed, present, manifest)
    uncovered = uncovered_classes(split, present, manifest.classes)
    if uncovered:
        notes.append(f"not covered: {', '.join(uncovered)}. Label more images, or choose other ones with --seed.")
    path = data / "splits" / f"{name}.json"
    write_whole(path, _text(split))
    totals = images_per_class(present, present, len(manifest.classes))
    return MadeSplit(split, path, manifest.classes, totals, len(rows), tuple(notes))


def usable_masks(data: Path, manifest: Manifest) -> tuple[dict[str, tuple[int, ...]], list[str]]:
    """Train ids whose mask holds a class at all → those classes; and all train ids, in the shards' order."""
    if "train" not in manifest.splits:
        raise DataError(f"{data} has no split 'train': labelled images cannot be chosen. Prepare it with one.")
    present: dict[str, tuple[int, ...]] = {}
    rows: list[str] = []
    for shard in manifest.splits["train"].shards:
        table = open_shard(data / shard.file)
        for row, classes in zip(column(table, "id"), column(table, "classes"), strict=True):
            rows.append(row)
            if classes:
                present[row] = tuple(classes)
    if not present:
        raise DataError(f"no image of train in {data} has a mask with a class in it: nothing can be labelled.")
    return present, rows


def parse_amount(text: str, total: int) -> int:
    """'1/8' or '0.125' of total, rounded to the nearest, or a count. Raises UsageError, also when nothing is left."""
    try:
        amount = Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise UsageError(f"--labelled {text}: give a fraction (1/8, 0.125) or a count (40).") from None
    is_share = "/" in text or "." in text
    if is_share and amount > 1:
        raise UsageError(f"--labelled {text}: a fraction is at most 1; a count has no '.' and no '/'.")
    count = int(amount * total + Fraction(1, 2)) if is_share else int(amount)
    if count < 1:
        raise UsageError(f"--labelled {text} of {total} images makes {count} labelled images; at least 1 is needed.")
    if count > total:
        raise UsageError(f"--labelled {text}: only {total} images have a usable mask.")
    return count


def choose(present: Present, classes: int, count: int, seed: int) -> list[str]:
    """`count` ids, sorted: first images that cover the classes, the rarest class first, then in seeded hash order.

    Where a class needs an image, the one that brings most of the missing classes is taken (the earlier in the order
    among equals). A class stays uncovered only where `count` is used up or no image holds it."""
    order = sorted(present, key=lambda name: hash_order(seed, name))
    frequency = images_per_class(present, present, classes)
    missing = {index for index in range(classes) if frequency[index]}
    chosen: list[str] = []
    while missing and len(chosen) < count:
        rarest = min(missing, key=lambda index: (frequency[index], index))
        holders = [name for name in order if rarest in present[name]]
        best = max(holders, key=lambda name: len(missing.intersection(present[name])))
        chosen.append(best)
        missing.difference_update(present[best])
    taken = set(chosen)
    chosen += [name for name in order if name not in taken][: count - len(chosen)]
    return sorted(chosen)


def import_ids(file: Path, labelled: str, present: Present, rows: Sequence[str]) -> tuple[list[str], list[str]]:
    """The ids of a published list that are in train with a usable mask, sorted, and notes on those that are not.

    A line is an id, an image path, or 'image mask'; with `labelled` only the first so many lines count."""
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
        notes.append(f"{len(absent)} of {len(lines)} listed ids are not in train: {_some(absent)}")
    if bare:
        notes.append(f"{len(bare)} listed ids have no mask with a class in it and stay unlabelled: {_some(bare)}")
    return chosen, notes


def labelled_split(
    name: str, ids: Sequence[str], rule: str, seed: int | None, present: Present, manifest: Manifest
) -> LabelledSplit:
    """The record of a choice; its content hash covers the ids and the data set they belong to."""
    return LabelledSplit(
        name=name,
        ids=tuple(ids),
        rule=rule,
        seed=seed,
        images_per_class=images_per_class(ids, present, len(manifest.classes)),
        data_hash=manifest.content_hash,
        content_hash=split_hash(ids, manifest.content_hash),
    )


def split_hash(ids: Sequence[str], data_hash: str) -> str:
    """sha256 over the data set's hash and the ids."""
    return hash_json([data_hash, list(ids)])


def images_per_class(ids: Sequence[str] | Present, present: Present, classes: int) -> tuple[int, ...]:
    """How many of the ids hold each class."""
    counts = [0] * classes
    for name in ids:
        for index in present[name]:
            counts[index] += 1
    return tuple(counts)


def uncovered_classes(split: LabelledSplit, present: Present, classes: Sequence[str]) -> list[str]:
    """Classes that train has and the labelled images have not."""
    totals = images_per_class(present, present, len(classes))
    return [
        name
        for name, total, covered in zip(classes, totals, split.images_per_class, strict=True)
        if total and not covered
    ]


def default_name(labelled: str, seed: int) -> str:
    """'1/8' → '1-8_s0', '0.125' → '0.125_s0', '40' → 'n40_s0'."""
    return f"{labelled.replace('/', '-') if '/' in labelled or '.' in labelled else 'n' + labelled}_s{seed}"


def _forms(line: str) -> list[str]:
    """What the id could be in a line: the line, its first column, that without suffix, and the bare file name."""
    first = PurePosixPath(line.split()[0])
    bare = str(first.with_suffix("")) if first.suffix else str(first)
    return [line, str(first), bare, first.stem, first.stem.removesuffix("_leftImg8bit")]


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (" ..." if len(names) > SHOWN else "")


def _text(split: LabelledSplit) -> str:
    return json.dumps(asdict(split), indent=1, sort_keys=True) + "\n"

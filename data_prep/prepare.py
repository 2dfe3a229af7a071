"""Raw set → shards, quarantine.csv, manifest.json. The manifest comes last: a folder that has one is complete."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from data_prep.console import Counter, Lines, Say
from data_prep.cut import Cutter, strictly
from data_prep.errors import UsageError
from data_prep.files import PARTIAL, hash_json, write_whole
from data_prep.options import WriteOptions
from data_prep.pictures import SHRINKING
from data_prep.pool import mapping
from data_prep.progress import Part, Progress, load_progress, still_whole
from data_prep.rows import Builder, Recipe, one_thread
from data_prep.schema import MANIFEST, SCHEMA_VERSION, DataError, Manifest, Split, load_manifest
from data_prep.sources.raw import RawItem, RawSet

QUARANTINE = "quarantine.csv"


@dataclass(frozen=True)
class Prepared:
    """The manifest, and whether it was there already."""

    manifest: Manifest
    up_to_date: bool


def prepare(raw: RawSet, write: WriteOptions, say: Say, counter: Counter | None = None) -> Prepared:
    """Write the data set, or continue an interrupted run, or find it up to date. counter: the default says plain lines.

    Raises DataError, UsageError, and WorkerDied where a worker process is gone (the same call goes on)."""
    _check_options(write)
    for split, items in raw.splits.items():
        if not items:
            raise DataError(f"split '{split}' of {raw.name} is empty. Add images for it, or drop the split.")
    splits = {split: sorted(items, key=lambda item: item.id) for split, items in raw.splits.items()}
    options = {**raw.options, **_shaping(write)}
    fingerprint = _fingerprint(raw, options, splits)
    progress, manifest = _where_it_stands(write, fingerprint, splits)
    if manifest is not None:
        return Prepared(manifest, up_to_date=True)
    write.out.mkdir(parents=True, exist_ok=True)
    for note in raw.notes:
        say(note)
    progress.save(write.out)
    recipe = Recipe(raw.label_table, len(raw.classes), write.short_side, raw.colours)
    todo = sum(len(items) - progress.consumed(split) for split, items in splits.items())
    with mapping(Builder(recipe), workers=write.workers, tasks=todo, first=one_thread) as build:
        cutter = Cutter(recipe, write, build, raw.streamed, counter or Lines(say))
        for split, items in splits.items():
            cutter.write_split(split, items, progress)
    _write_quarantine(write.out, [part for split in splits for part in progress.of(split)])
    _refuse_empty(progress, splits, write.out)
    manifest = _manifest(raw, options, splits, progress)
    write_whole(write.out / MANIFEST, manifest.to_json())
    return Prepared(manifest, up_to_date=False)


def content_hash(source: str, options: dict[str, object], classes: Sequence[str], splits: dict[str, Split]) -> str:
    """The identity of a prepared data set: source, options, classes and the hashes of all shards."""
    hashes = {name: [shard.sha256 for shard in split.shards] for name, split in splits.items()}
    return hash_json({"source": source, "options": options, "classes": list(classes), "splits": hashes})


def _check_options(write: WriteOptions) -> None:
    if write.shard_mib <= 0:
        raise UsageError(f"--shard-mib {write.shard_mib}: a shard needs a size above 0.")
    if write.short_side is not None and write.short_side < 16:
        raise UsageError(f"--short-side {write.short_side}: choose 16 pixels or more.")
    if write.workers < 1:
        raise UsageError(f"--workers {write.workers}: at least one process is needed.")
    if write.out.exists() and not write.out.is_dir():
        raise UsageError(f"--out {write.out} is a file: name a folder.")


def _shaping(write: WriteOptions) -> dict[str, object]:
    """The options that shape the shards. A set that nothing shrinks does not depend on how masks are shrunk."""
    shaping: dict[str, object] = {"short_side": write.short_side, "shard_mib": write.shard_mib}
    return shaping if write.short_side is None else {**shaping, "shrinking": SHRINKING}


def _fingerprint(raw: RawSet, options: dict[str, object], splits: dict[str, list[RawItem]]) -> str:
    """What this run would read: options and every file's name, size and time. Not part of the content hash."""
    listing = hashlib.sha256()
    for split, items in splits.items():
        for item in items:
            listing.update(f"{split}\0{item.id}\0{item.signature}\0".encode(errors="surrogateescape"))
    return hash_json([SCHEMA_VERSION, raw.name, raw.classes, options, listing.hexdigest()])


def _where_it_stands(
    write: WriteOptions, fingerprint: str, splits: dict[str, list[RawItem]]
) -> tuple[Progress, Manifest | None]:
    """What is done already. A folder that holds another data set is an error unless --overwrite clears it."""
    before = load_progress(write.out)
    finished = (write.out / MANIFEST).is_file()
    if before is not None and before.fingerprint == fingerprint:
        progress = still_whole(before, write.out)
        _refuse_quarantined(progress, write.strict)
        if finished and all(progress.consumed(split) == len(items) for split, items in splits.items()):
            with suppress(DataError):  # a manifest that a crash of the machine left unreadable is written again
                return progress, load_manifest(write.out)
        (write.out / MANIFEST).unlink(missing_ok=True)  # it names a shard that is gone
        return progress, None
    if finished and not write.overwrite:
        raise DataError(
            f"{write.out} holds a data set made from other files, with other options or by another release. "
            "Name another --out, or pass --overwrite to replace it."
        )
    if finished or before is not None:
        _clear(write.out)
    return Progress(fingerprint), None


def _refuse_quarantined(progress: Progress, strict: bool) -> None:
    bad = [entry for part in progress.parts for entry in part.quarantined]
    if strict and bad:
        name, file, reason = bad[0]
        raise DataError(strictly(f"{file}: {reason}", f"image '{name}', first of {len(bad)}"))


def _clear(out: Path) -> None:
    """Remove what an earlier preparation wrote, the manifest first. Split files stay; verify calls them stale."""
    (out / MANIFEST).unlink(missing_ok=True)
    for path in [*out.glob("*-[0-9][0-9][0-9][0-9][0-9].arrow"), *out.glob(f"*.arrow{PARTIAL}")]:
        path.unlink()


def _write_quarantine(out: Path, parts: list[Part]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("id", "file", "reason"))
    writer.writerows(entry for part in parts for entry in part.quarantined)
    write_whole(out / QUARANTINE, text.getvalue())


def _refuse_empty(progress: Progress, splits: dict[str, list[RawItem]], out: Path) -> None:
    for split, items in splits.items():
        parts = progress.of(split)
        if not any(part.shard for part in parts):
            _, file, reason = parts[0].quarantined[0]
            raise DataError(
                f"split '{split}': all {len(items)} images were quarantined, the first because {file}: {reason}. "
                f"See {out / QUARANTINE}, repair the files and run again."
            )


def _manifest(
    raw: RawSet, options: dict[str, object], splits: dict[str, list[RawItem]], progress: Progress
) -> Manifest:
    summary = {split: _split(progress.of(split)) for split in splits}
    filled = [part for part in progress.parts if part.shard is not None]
    return Manifest(
        source=raw.name,
        classes=raw.classes,
        palette=raw.palette,
        splits=summary,
        licence=raw.licence,
        content_hash=content_hash(raw.name, options, raw.classes, summary),
        sizes={
            "min_height": min(part.heights[0] for part in filled),
            "max_height": max(part.heights[1] for part in filled),
            "min_width": min(part.widths[0] for part in filled),
            "max_width": max(part.widths[1] for part in filled),
        },
        quarantined=sum(len(part.quarantined) for part in progress.parts),
        options=options,
    )


def _split(parts: list[Part]) -> Split:
    return Split(
        shards=tuple(part.shard for part in parts if part.shard is not None),
        pixels=tuple(sum(column) for column in zip(*(part.pixels for part in parts), strict=True)),
        void_pixels=sum(part.void_pixels for part in parts),
        with_mask=sum(part.with_mask for part in parts),
    )

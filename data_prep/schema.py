"""What lies on disk: the manifest and the label codes. Read by data_prep and by ctt_ray.stream."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from data_prep.errors import DataError as DataError  # part of what this file offers
from data_prep.store import small

SCHEMA_VERSION = 1
VOID = 255  # ignored everywhere, never scored
PADDING = 254  # outside an unlabelled image after a crop; made by the stream, never stored in a shard
MAX_CLASSES = 254
MANIFEST = "manifest.json"
SPLITS = "splits"


@dataclass(frozen=True)
class Shard:
    """One Arrow file, relative to the data set's folder."""

    file: str
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Split:
    """train, val or test: its shards in order, and what is in them."""

    shards: tuple[Shard, ...]
    pixels: tuple[int, ...]  # per class over all masks of the split
    void_pixels: int
    with_mask: int  # rows that carry a mask

    @property
    def rows(self) -> int:
        return sum(shard.rows for shard in self.shards)


@dataclass(frozen=True)
class Manifest:
    """`manifest.json`: everything a reader has to know before it opens a shard."""

    source: str
    classes: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    splits: dict[str, Split]
    licence: str
    content_hash: str
    sizes: dict[str, int] = field(default_factory=dict)  # min/max height and width
    quarantined: int = 0
    options: dict[str, object] = field(default_factory=dict)  # the arguments that shaped the shards
    ignore_index: int = VOID
    schema_version: int = SCHEMA_VERSION

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1, sort_keys=True) + "\n"


def load_manifest(folder: str | Path, *, wait: bool = True) -> Manifest:
    """The manifest of a prepared data set, in a folder or at a URL. wait: for a store that fails.

    Raises DataError with the remedy where there is none or it is unreadable."""
    path = small.shown(folder, MANIFEST)
    text = small.read(folder, MANIFEST, wait=wait)
    if text is None:
        out = "FOLDER` and copy it there" if "://" in str(folder) else f"{folder}`"
        raise DataError(
            f"no {MANIFEST} in {folder}: not a prepared data set. Make one with `python -m data_prep SOURCE --out {out}."
        )
    try:
        raw = json.loads(text)
    except ValueError as error:
        raise DataError(f"{path} is not valid JSON ({error}). Prepare the data set again.") from None
    version = raw.get("schema_version") if isinstance(raw, dict) else None
    if version != SCHEMA_VERSION:
        raise DataError(
            f"{path} has schema version {version}, this release reads {SCHEMA_VERSION}. Prepare the data set again."
        )
    try:
        return _manifest(raw)
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path} lacks or misnames a field ({error}). Prepare the data set again.") from None


def _manifest(raw: dict[str, Any]) -> Manifest:
    splits = {
        name: Split(
            shards=tuple(Shard(**shard) for shard in split["shards"]),
            pixels=tuple(split["pixels"]),
            void_pixels=split["void_pixels"],
            with_mask=split["with_mask"],
        )
        for name, split in raw.pop("splits").items()
    }
    palette = tuple(tuple(colour) for colour in raw.pop("palette"))
    return Manifest(splits=splits, classes=tuple(raw.pop("classes")), palette=palette, **raw)


@dataclass(frozen=True)
class LabelledSplit:
    """`splits/NAME.json`: which rows of train are labelled; the unlabelled ones are the rest."""

    name: str
    ids: tuple[str, ...]
    rule: str  # how they were chosen, in words
    seed: int | None
    images_per_class: tuple[int, ...]  # labelled images that contain each class
    data_hash: str  # content_hash of the manifest it belongs to
    content_hash: str


def load_labelled_split(folder: str | Path, name: str) -> LabelledSplit:
    """Read `splits/NAME.json`. Raises DataError naming the splits there are."""
    path = small.shown(folder, f"{SPLITS}/{name}.json")
    text = small.read(folder, f"{SPLITS}/{name}.json")
    if text is None:
        known = [file.removesuffix(".json") for file in small.names(folder, SPLITS) if file.endswith(".json")]
        raise DataError(
            f"no labelled split '{name}' in {folder}; there {'are: ' + ', '.join(known) if known else 'is none yet'}. "
            f"Make one with `python -m data_prep split {folder} --labelled 1/8`."
        )
    try:
        raw = json.loads(text)
        return LabelledSplit(**{**raw, "ids": tuple(raw["ids"]), "images_per_class": tuple(raw["images_per_class"])})
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is not a labelled split ({error}). Make it again with `data_prep split`.") from None

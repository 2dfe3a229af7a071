"""What a running preparation remembers: finished shards with their counts. Read again after an interruption."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from data_prep.files import sha256_of, write_whole
from data_prep.schema import Shard

PROGRESS = "progress.json"


@dataclass
class Part:
    """Everything the manifest needs to know of one finished shard and of the items that went into it.

    The last part of a split has no shard when nothing but quarantined items came after the one before."""

    split: str
    shard: Shard | None
    consumed: int  # items of the split up to the end of this part, the quarantined ones included
    pixels: list[int]
    void_pixels: int
    with_mask: int
    heights: tuple[int, int]  # smallest, largest
    widths: tuple[int, int]
    quarantined: list[tuple[str, str, str]]  # id, file, reason


@dataclass
class Progress:
    """The parts so far, bound to the fingerprint of input and options."""

    fingerprint: str
    parts: list[Part] = field(default_factory=list)

    def save(self, folder: Path) -> None:
        write_whole(folder / PROGRESS, json.dumps(asdict(self), indent=1) + "\n")

    def of(self, split: str) -> list[Part]:
        return [part for part in self.parts if part.split == split]


def load_progress(folder: Path) -> Progress | None:
    """The progress file of a folder; None where there is none or it cannot be read (then the work starts again)."""
    try:
        raw = json.loads((folder / PROGRESS).read_text())
        return Progress(raw["fingerprint"], [_part(part) for part in raw["parts"]])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def still_whole(progress: Progress, folder: Path) -> Progress:
    """The progress without parts whose shard is gone or changed, and without what came after them in their split."""
    kept: list[Part] = []
    broken: set[str] = set()
    for part in progress.parts:
        if part.split not in broken and part.shard is not None and not _is_whole(folder / part.shard.file, part.shard):
            broken.add(part.split)
        if part.split not in broken:
            kept.append(part)
    return Progress(progress.fingerprint, kept)


def _is_whole(path: Path, shard: Shard) -> bool:
    return path.is_file() and path.stat().st_size == shard.bytes and sha256_of(path) == shard.sha256


def _part(raw: dict[str, object]) -> Part:
    shard = raw.pop("shard")
    part = Part(shard=Shard(**shard) if isinstance(shard, dict) else None, **raw)  # type: ignore[arg-type]
    part.quarantined = [(name, file, reason) for name, file, reason in part.quarantined]
    return part

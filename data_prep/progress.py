"""What a running preparation remembers: finished shards with their counts. Read again after an interruption.

The file has a line for the fingerprint and one for each part. A part is appended, so that a thousand shards cost a thousand
lines; a line that a kill cut off is not there when the file is read.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from data_prep.files import sha256_of, write_whole
from data_prep.schema import Shard

PROGRESS = "progress.jsonl"


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
        """Write the file anew, without what was cut off or is no longer true."""
        lines = [{"fingerprint": self.fingerprint}, *(asdict(part) for part in self.parts)]
        write_whole(folder / PROGRESS, "".join(map(_line, lines)))

    def add(self, part: Part, folder: Path) -> None:
        """Remember a part, in the saved file too."""
        self.parts.append(part)
        with (folder / PROGRESS).open("a", encoding="utf-8") as stream:
            stream.write(_line(asdict(part)))

    def of(self, split: str) -> list[Part]:
        return [part for part in self.parts if part.split == split]

    def consumed(self, split: str) -> int:
        """Items of the split that are done."""
        return max((part.consumed for part in self.of(split)), default=0)


def load_progress(folder: Path) -> Progress | None:
    """The progress of a folder up to its last whole line; None where there is none (then the work starts again)."""
    try:
        lines = (folder / PROGRESS).read_text(encoding="utf-8").splitlines(keepends=True)
        progress = Progress(json.loads(lines[0])["fingerprint"])
    except (OSError, ValueError, LookupError, TypeError):
        return None
    for line in lines[1:]:
        try:
            progress.parts.append(_part(json.loads(line)))
        except (ValueError, LookupError, TypeError):
            break
    return progress


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


def _line(value: object) -> str:
    return json.dumps(value, separators=(",", ":")) + "\n"


def _part(raw: dict[str, object]) -> Part:
    shard = raw.pop("shard")
    part = Part(shard=Shard(**shard) if isinstance(shard, dict) else None, **raw)  # type: ignore[arg-type]
    part.quarantined = [(name, file, reason) for name, file, reason in part.quarantined]
    return part

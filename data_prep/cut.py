"""One split's items → its shards: gather rows until a shard is full, write it, remember it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from data_prep.errors import BadItem
from data_prep.options import WriteOptions
from data_prep.progress import Part, Progress
from data_prep.rows import Built, Recipe, build_rows
from data_prep.schema import VOID, DataError
from data_prep.shards import shard_is_full, shard_name, write_shard
from data_prep.sources.raw import RawItem

MIB = 1 << 20
Say = Callable[[str], None]


@dataclass
class _Gathered:
    """The rows of the shard to be, and the items that were quarantined on the way."""

    rows: list[Built] = field(default_factory=list)
    nbytes: int = 0
    quarantined: list[tuple[str, str, str]] = field(default_factory=list)

    def add(self, item: RawItem, result: Built | BadItem) -> None:
        if isinstance(result, BadItem):
            self.quarantined.append((item.id, result.file, result.reason))
        else:
            self.rows.append(result)
            self.nbytes += result.row.nbytes

    def part(self, folder: Path, split: str, number: int, consumed: int, classes: int) -> Part:
        """Write the rows as shard `number` (no rows: no shard) and sum up what is in them."""
        stored = [built.row for built in self.rows]
        shard = write_shard(folder, shard_name(split, number), stored) if stored else None
        histograms = [built.histogram for built in self.rows if built.histogram is not None]
        totals = [sum(column) for column in zip(*histograms, strict=True)] if histograms else [0] * 256
        heights, widths = [row.height for row in stored] or [0], [row.width for row in stored] or [0]
        return Part(
            split=split,
            shard=shard,
            consumed=consumed,
            pixels=totals[:classes],
            void_pixels=totals[VOID],
            with_mask=len(histograms),
            heights=(min(heights), max(heights)),
            widths=(min(widths), max(widths)),
            quarantined=self.quarantined,
        )


def write_split(
    split: str, items: Sequence[RawItem], recipe: Recipe, write: WriteOptions, progress: Progress, say: Say
) -> None:
    """Write the shards of a split that `progress` does not have yet, saving the progress after each."""
    done = progress.of(split)
    consumed = done[-1].consumed if done else 0
    number = sum(part.shard is not None for part in done)
    if consumed:
        say(f"{split}: {consumed} of {len(items)} images were done already")
    gathered = _Gathered()
    target = int(write.shard_mib * MIB)
    todo = items[consumed:]
    for item, result in zip(todo, build_rows(todo, recipe, write.workers), strict=True):
        if write.strict and isinstance(result, BadItem):
            raise DataError(strictly(str(result), f"image '{item.id}' of {split}"))
        consumed += 1
        gathered.add(item, result)
        full = shard_is_full(len(gathered.rows), gathered.nbytes, split_items=len(items), target_bytes=target)
        if full or consumed == len(items):
            progress.parts.append(gathered.part(write.out, split, number, consumed, recipe.classes))
            progress.save(write.out)
            number += 1
            gathered = _Gathered()
            say(f"{split}: {consumed} of {len(items)} images")


def strictly(what: str, where: str) -> str:
    """The message with which --strict stops."""
    return f"{what} ({where}; --strict). Repair or remove the file, or leave out --strict."

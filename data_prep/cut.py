"""One split's items → its shards: add rows to a shard until it is full, close it, remember it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from data_prep.console import Counter
from data_prep.errors import BadItem
from data_prep.options import WriteOptions
from data_prep.pool import Mapping
from data_prep.progress import Part, Progress
from data_prep.rows import Built, Recipe, fetched
from data_prep.schema import VOID, DataError
from data_prep.shards import ShardWriter, shard_is_full, shard_name
from data_prep.sources.raw import RawItem

MIB = 1 << 20
Build = Mapping[RawItem, Built | BadItem]


@dataclass
class _Tally:
    """What the manifest needs to know of the items of one part, summed up as they come."""

    histogram: list[int] = field(default_factory=lambda: [0] * 256)
    with_mask: int = 0
    heights: tuple[int, int] = (0, 0)
    widths: tuple[int, int] = (0, 0)
    quarantined: list[tuple[str, str, str]] = field(default_factory=list)

    def add(self, built: Built, *, first: bool) -> None:
        self.heights = _stretched(self.heights, built.row.height, first)
        self.widths = _stretched(self.widths, built.row.width, first)
        if built.histogram is not None:
            self.with_mask += 1
            self.histogram = [total + count for total, count in zip(self.histogram, built.histogram, strict=True)]


class _Filling:
    """The shard that is being filled, and the tally of what was meant for it."""

    def __init__(self, folder: Path, name: str) -> None:
        self.shard = ShardWriter(folder, name)
        self._tally = _Tally()

    def add(self, item: RawItem, result: Built | BadItem) -> None:
        if isinstance(result, BadItem):
            self._tally.quarantined.append((item.id, result.file, result.reason))
        else:
            self._tally.add(result, first=not self.shard.rows)
            self.shard.add(result.row)

    def part(self, split: str, consumed: int, classes: int) -> Part:
        """Close the shard (no rows: no shard)."""
        tally = self._tally
        return Part(
            split=split,
            shard=self.shard.finish() if self.shard.rows else None,
            consumed=consumed,
            pixels=tally.histogram[:classes],
            void_pixels=tally.histogram[VOID],
            with_mask=tally.with_mask,
            heights=tally.heights,
            widths=tally.widths,
            quarantined=tally.quarantined,
        )


@dataclass(frozen=True)
class Cutter:
    """How the splits of one data set become shards."""

    recipe: Recipe
    write: WriteOptions
    build: Build
    streamed: bool
    counter: Counter

    def write_split(self, split: str, items: Sequence[RawItem], progress: Progress) -> None:
        """Write the shards of a split that `progress` does not have yet, remembering each."""
        consumed = progress.consumed(split)
        number = sum(part.shard is not None for part in progress.of(split))
        self.counter.begin(split, consumed, len(items))
        todo: Iterable[RawItem] = islice(items, consumed, None)
        results = self.build(fetched(todo) if self.streamed else todo)
        while consumed < len(items):
            filling = _Filling(self.write.out, shard_name(split, number))
            try:
                while consumed < len(items) and not self._is_full(filling.shard, len(items)):
                    item, result = items[consumed], next(results)
                    if self.write.strict and isinstance(result, BadItem):
                        raise DataError(strictly(str(result), f"image '{item.id}' of {split}"))
                    filling.add(item, result)
                    consumed += 1
                    self.counter.step()
                part = filling.part(split, consumed, self.recipe.classes)
            except BaseException:
                filling.shard.drop()
                raise
            progress.add(part, self.write.out)
            number += 1

    def _is_full(self, shard: ShardWriter, items: int) -> bool:
        target = int(self.write.shard_mib * MIB)
        return shard_is_full(shard.rows, shard.nbytes, split_items=items, target_bytes=target)


def strictly(what: str, where: str) -> str:
    """The message with which --strict stops."""
    return f"{what} ({where}; --strict). Repair or remove the file, or leave out --strict."


def _stretched(between: tuple[int, int], value: int, first: bool) -> tuple[int, int]:
    return (value, value) if first else (min(between[0], value), max(between[1], value))

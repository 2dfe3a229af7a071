"""Images with masks at their own size, in order, for scoring."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ctt_ray.stream.ahead import Ahead
from ctt_ray.stream.reader import ShardReader
from ctt_ray.stream.rows import TRAIN, Rows, held_out_rows
from data_prep.parts import parse
from data_prep.schema import DataError


class EvalSet:
    """The rows with a mask of a split or of a part of one (data_prep.parts has the names), every `world`-th one from
    `rank` on; may be iterated again and again.

    limit: at most so many over all workers, evenly spread, so that a cheap score sees the whole split.
    labelled: the run's labelled split, where `split` is a part of it."""

    def __init__(
        self,
        folder: str | Path,
        split: str,
        limit: int | None = None,
        rank: int = 0,
        world: int = 1,
        *,
        labelled: str = "",
        content_hash: str = "",
    ) -> None:
        """content_hash: what the data set must hold still, "" for whatever it holds.

        Raises DataError where it holds something else and where the split holds no mask, ValueError for a limit below 1 or a
        rank not in world."""
        if limit is not None and limit < 1:
            raise ValueError(f"limit={limit}: needed is at least 1, or none for the whole split.")
        if not 0 <= rank < world:
            raise ValueError(f"rank={rank} of world={world}: ranks are 0..world-1.")
        self._reader, rows = _scored(folder, split, labelled)
        found = self._reader.manifest.content_hash
        if content_hash and found != content_hash:
            raise DataError(
                f"{folder} was changed under the run: it began with content {content_hash[:12]}…, now there is {found[:12]}…. "
                "Put the data set back, or start a new run."
            )
        if limit is not None and limit < len(rows):
            rows = rows[np.arange(limit) * len(rows) // limit]
        self._rows: list[int] = rows[rank::world].tolist()

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[tuple[str, Tensor, Tensor]]:
        """(id, image_13HW uint8 RGB, label_1HW uint8 train ids with 255 = void) at the stored size."""
        by_shard = [(shard, list(rows)) for shard, rows in groupby(self._rows, self._reader.shard_of)]
        ahead = Ahead(self._reader)
        try:
            for place, (_, rows) in enumerate(by_shard):
                ahead.want(shard for shard, _ in by_shard[place:])
                for row in rows:
                    id_, image, mask = self._reader.read(row)
                    yield id_, torch.from_numpy(image).permute(2, 0, 1)[None].contiguous(), torch.from_numpy(mask)[None]
        finally:
            ahead.close()


def _scored(folder: str | Path, split: str, labelled: str) -> tuple[ShardReader, Rows]:
    """The reader of the split that holds the images, and their rows, ascending."""
    part = parse(split)
    if part.of_labelled:
        reader = ShardReader(folder, TRAIN)
        return reader, held_out_rows(reader, labelled, part)
    reader = ShardReader(folder, part.split)
    rows = np.flatnonzero(reader.masked())
    if not rows.size:
        raise DataError(f"split '{part.split}' of {folder} holds no mask to score against. Evaluate on another split.")
    if part.parts > 1:
        ids = reader.column("id")
        rows = rows[part.places([ids[row] for row in rows])]
    return reader, rows
